package hostmap_test

import (
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestRewrite: the prefix is replaced as Gateway API has it, and groups are put
// in as they were captured.
func TestRewrite(t *testing.T) {
	for _, c := range []struct{ rule, target, path, want string }{
		// Gateway API, HTTPPathModifier, ReplacePrefixMatch.
		{"/foo", "/xyz", "/foo/bar", "/xyz/bar"},
		{"/foo", "/xyz/", "/foo/bar", "/xyz/bar"},
		{"/foo/", "/xyz", "/foo/bar", "/xyz/bar"},
		{"/foo/", "/xyz/", "/foo/bar", "/xyz/bar"},
		{"/foo", "/xyz", "/foo", "/xyz"},
		{"/foo", "/xyz", "/foo/", "/xyz/"},
		{"/foo", "/", "/foo/bar", "/bar"},
		{"/foo", "/", "/foo/", "/"},
		{"/foo", "/", "/foo", "/"},
		{"/foo/", "/", "/foo", "/"},
		{"/", "/xyz", "/a", "/xyz/a"},
		{"/", "/xyz", "/", "/xyz/"},
		{"/foo", "/xyz", "/foo//bar", "/xyz//bar"},
		{"default", "/xyz", "/a/b", "/xyz/a/b"},
		{"Exact /foo", "/xyz", "/foo", "/xyz"},
		{"/foo", "", "/foo/bar", "/foo/bar"},
		// Groups.
		{"Regex /foo(/|$)(.*)", "/$2", "/foo/a/b", "/a/b"},
		{"Regex /foo(/|$)(.*)", "/$2", "/foo", "/"},
		{"Regex /(a+)/(b+)", "/$2/$1", "/aa/b/c", "/b/aa"},
		{"Regex /(?:(x)|(y))", "/$1-$2", "/y", "/-y"},
		{"Regex /f.o", "/$0/x", "/foo/bar", "//foo/x"},
		{"Regex /(x)", "/$1a", "/x", "/xa"},
		{"Regex /(x)", "/$10", "/x", "/x0"},
		{"Regex /(x)", "/$$1$", "/x", "/$x$"},
		{"Regex (?i)/Foo/(.*)", "/$1", "/fOO/Bar", "/Bar"},
		// What would leave the target is refused.
		{"Regex /a(.*)", "/files/$1", "/a..", "error"},
		{"Regex /a(.*)", "/files/$1", "/a%2e%2E/b", "error"},
		{"Regex /(a)", "/$1", "/a", "/a"},
	} {
		r := routesOf(c.rule)[0]
		r.Terms.RewriteTarget = c.target
		if c.target != "" {
			if err := r.CheckRewriteTarget(c.target); err != nil {
				t.Errorf("%s to %s: %v", c.rule, c.target, err)
			}
		}
		got, err := r.Rewrite(c.path)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s of %s to %s: %q, want %q", c.path, c.rule, c.target, got, c.want)
		}
	}
}

func TestCheckRewriteTarget(t *testing.T) {
	for _, c := range []struct{ rule, target, want string }{
		{"/foo", "xyz", "is no path: it must begin with '/' and have no dot segments, spaces, '?' or '#'"},
		{"/foo", "/a/../b", "is no path: it must begin with '/' and have no dot segments, spaces, '?' or '#'"},
		{"/foo", "/?a=b", "is no path: it must begin with '/' and have no dot segments, spaces, '?' or '#'"},
		{"/foo", "/$1", "names the group $1, and the path is no regular expression"},
		{"Regex /(x)", "/$2", "names the group $2, and the path has 1"},
	} {
		if err := routesOf(c.rule)[0].CheckRewriteTarget(c.target); err == nil || err.Error() != c.want {
			t.Errorf("%s to %s: %v, want %q", c.rule, c.target, err, c.want)
		}
	}
}

// FuzzRewrite: whatever a client asks for, a backend is asked for a canonical
// path below the target's literal beginning.
func FuzzRewrite(f *testing.F) {
	f.Add("/a../b", uint8(0))
	f.Add("/a/%2e%2e/b", uint8(1))
	rules := []struct{ rule, target, below string }{
		{"Regex /a(.*)", "/files/$1", "/files"},
		{"Regex /a(/|$)(.*)", "/files/$2", "/files"},
		{"/a", "/files", "/files"},
		{"/", "/files/", "/files"},
		{"default", "/files", "/files"},
	}
	f.Fuzz(func(t *testing.T, path string, n uint8) {
		c := rules[int(n)%len(rules)]
		path, err := hostmap.Path(path)
		if err != nil {
			return
		}
		routes := routesOf(c.rule)
		routes[0].Terms.RewriteTarget = c.target
		s := hostmap.NewSite(hostmap.Site{Routes: routes})
		r := s.Route(path)
		if r == nil {
			return
		}
		got, err := r.Rewrite(path)
		if err != nil {
			return
		}
		if again, err := hostmap.Path(got); err != nil || again != got {
			t.Errorf("%q becomes %q, which is not canonical", path, got)
		}
		if got != c.below && got[:min(len(got), len(c.below)+1)] != c.below+"/" {
			t.Errorf("%q becomes %q, which is not below %s", path, got, c.below)
		}
	})
}
