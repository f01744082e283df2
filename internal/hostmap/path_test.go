package hostmap_test

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// paths are ways to write a path, and what it is.
var paths = [...]struct{ in, want string }{
	{"/", "/"},
	{"/a", "/a"},
	{"/a/", "/a/"},
	{"/a/b", "/a/b"},
	{"/.", "/"},
	{"/..", "/"},
	{"/./", "/"},
	{"/../", "/"},
	{"/../..", "/"},
	{"/../../a", "/a"},
	{"/a/.", "/a/"},
	{"/a/./", "/a/"},
	{"/a/..", "/"},
	{"/a/../", "/"},
	{"/a/b/..", "/a/"},
	{"/a/./b", "/a/b"},
	{"/a/../b", "/b"},
	{"/a/b/../../c", "/c"},
	{"/a/b/../../../c", "/c"},
	{"/public/../admin", "/admin"},
	{"/public/%2e%2e/admin", "/admin"},
	{"/public/%2E%2E/admin", "/admin"},
	{"/public/%2e%2E/admin", "/admin"},
	{"/public/.%2e/admin", "/admin"},
	{"/public/%2e./admin", "/admin"},
	{"/public/%2e/admin", "/public/admin"},
	{"/%2e%2e/%2e%2e/admin", "/admin"},
	{"/public/%2e%2e", "/"},
	{"/public/%2e", "/public/"},
	{"/public/x/..//admin", "/public//admin"},
	// An empty segment is one, so ".." takes it away and not what is before.
	{"//", "//"},
	{"//a", "//a"},
	{"/a//b", "/a//b"},
	{"/a//../b", "/a/b"},
	{"/a/..//b", "//b"},
	{"//..", "/"},
	{"//../a", "/a"},
	{"/.//a", "//a"},
	// What stays as it is: a backend that decodes it, or reads more into it,
	// still gets what was matched.
	{"/a%2fb", "/a%2fb"},
	{"/a%2Fb", "/a%2Fb"},
	{"/public/..%2fadmin", "/public/..%2fadmin"},
	{"/public/%2e%2e%2fadmin", "/public/..%2fadmin"},
	{"/public/..;/admin", "/public/..;/admin"},
	{"/public/..%00/admin", "/public/..%00/admin"},
	{`/public/..\admin`, `/public/..\admin`},
	{"/public/%5c..%5cadmin", "/public/%5c..%5cadmin"},
	{"/public/%252e%252e/admin", "/public/%252e%252e/admin"},
	{"/public/%c0%ae%c0%ae/admin", "/public/%c0%ae%c0%ae/admin"},
	{"/public/．．/admin", "/public/．．/admin"},
	{"/...", "/..."},
	{"/.../a", "/.../a"},
	{"/a/.b", "/a/.b"},
	{"/a/b.", "/a/b."},
	{"/a/..b", "/a/..b"},
	{"/%41", "/A"},
	{"/%61dmin", "/admin"},
	{"/admi%6E/x", "/admin/x"},
	{"/%7e%2D%5f%30", "/~-_0"},
	{"/%2541", "/%2541"},
	{"/%3a%40%21%24%c3%a4", "/%3a%40%21%24%c3%a4"},
	{"/a;x=1/b", "/a;x=1/b"},
	{"/a:b@c", "/a:b@c"},
	{"/%2e%2e%2e", "/..."},
}

func TestPath(t *testing.T) {
	for _, c := range paths {
		if got, err := hostmap.Path(c.in); err != nil || got != c.want {
			t.Errorf("Path(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "a", "*", "http://a.test/", "/a b", "/a\tb", "/a\x00", "/a\r\n", "/a\x7f", "/a#b", "/a?b", " /a", "/%", "/%2", "/%2e%2", "/%zz", "/%2g/a", "/a%"} {
		if got, err := hostmap.Path(bad); err == nil {
			t.Errorf("Path(%q) = %q", bad, got)
		}
	}
}

// TestPathProtectedPrefix: a rule for /admin takes all that a backend, which
// resolves dot segments after decoding them, would take for /admin.
func TestPathProtectedPrefix(t *testing.T) {
	site := hostmap.NewSite(hostmap.Site{Routes: []*hostmap.Route{
		{Path: "/admin", Backend: backend("admin")}, {Path: "/", Backend: backend("public")},
	}})
	for _, c := range paths {
		path, err := hostmap.Path(c.in)
		if err != nil {
			t.Fatal(err)
		}
		route := site.Route(path)
		seen, err := url.Parse("http://a.test" + path)
		if err != nil || strings.Contains(strings.ToLower(path), "%2f") {
			continue // the backend refuses it, or takes it for a slash, as documented
		}
		resolved := (&url.URL{Scheme: "http", Host: "a.test", Path: "/"}).ResolveReference(&url.URL{Path: seen.Path})
		admin := resolved.Path == "/admin" || strings.HasPrefix(resolved.Path, "/admin/")
		if admin != (route.Backend.Service == "admin") {
			t.Errorf("%q is forwarded as %q to %s, which takes it for %q", c.in, path, route.Backend.Service, resolved.Path)
		}
	}
}

// modelPath is Path on a stack of segments.
func modelPath(p string) string {
	p = regexp.MustCompile("%[0-9A-Fa-f]{2}").ReplaceAllStringFunc(p, func(e string) string {
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		if regexp.MustCompile(`[A-Za-z0-9\-._~]`).MatchString(string(rune(n))) {
			return string(rune(n))
		}
		return e
	})
	var stack []string
	segments := strings.Split(p[1:], "/")
	for i, s := range segments {
		switch plain := s; plain {
		case ".", "..":
			if plain == ".." && len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			if i == len(segments)-1 {
				stack = append(stack, "")
			}
		default:
			stack = append(stack, s)
		}
	}
	return "/" + strings.Join(stack, "/")
}

// FuzzPath: the result is the model's, is its own result, has no dot segment
// left, and costs no allocation.
func FuzzPath(f *testing.F) {
	for _, c := range paths {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, p string) {
		got, err := hostmap.Path(p)
		if err != nil {
			return
		}
		if want := modelPath(p); got != want {
			t.Fatalf("Path(%q) = %q, model says %q", p, got, want)
		}
		if again, err := hostmap.Path(got); err != nil || again != got {
			t.Fatalf("Path(%q) = %q, and of that %q, %v", p, got, again, err)
		}
		for _, s := range strings.Split(got, "/") {
			if plain := strings.ReplaceAll(strings.ToLower(s), "%2e", "."); slices.Contains([]string{".", ".."}, plain) {
				t.Fatalf("Path(%q) = %q", p, got)
			}
		}
		if n := testing.AllocsPerRun(1, func() { _, _ = hostmap.Path(got) }); n != 0 {
			t.Fatalf("Path(%q) allocates %v times", got, n)
		}
	})
}
