package hostmap_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// routesOf reads rules like "Exact /a", "Regex /(a|b)" or "/a", each its own backend.
func routesOf(rules string) []*hostmap.Route {
	var out []*hostmap.Route
	for rule := range strings.SplitSeq(rules, ", ") {
		r := &hostmap.Route{Backend: backend(rule)}
		var exact bool
		r.Path, exact = strings.CutPrefix(rule, "Exact ")
		if exact {
			r.Type = hostmap.Exact
		}
		if text, regex := strings.CutPrefix(rule, "Regex "); regex {
			var err error
			if r.Regex, err = hostmap.NewPathRegex(text); err != nil {
				panic(err)
			}
			r.Type, r.Path = hostmap.Regex, text
		}
		if rule == "default" {
			r.Path, r.Default = "", true
		}
		out = append(out, r)
	}
	return out
}

// TestRoute holds the examples of the Ingress documentation, and what follows
// from its sentences.
func TestRoute(t *testing.T) {
	for _, c := range []struct{ rules, path, want string }{
		// kubernetes.io, "Ingress", "Examples" of path types.
		{"/", "/", "/"},
		{"/", "/any/path", "/"},
		{"Exact /foo", "/foo", "Exact /foo"},
		{"Exact /foo", "/bar", ""},
		{"Exact /foo", "/foo/", ""},
		{"Exact /foo/", "/foo", ""},
		{"/foo", "/foo", "/foo"},
		{"/foo", "/foo/", "/foo"},
		{"/foo/", "/foo", "/foo/"},
		{"/foo/", "/foo/", "/foo/"},
		{"/aaa/bb", "/aaa/bbb", ""},
		{"/aaa/bbb", "/aaa/bbb", "/aaa/bbb"},
		{"/aaa/bbb/", "/aaa/bbb", "/aaa/bbb/"},
		{"/aaa/bbb", "/aaa/bbb/", "/aaa/bbb"},
		{"/aaa/bbb", "/aaa/bbb/ccc", "/aaa/bbb"},
		{"/aaa/bbb", "/aaa/bbbxyz", ""},
		{"/, /aaa", "/aaa/ccc", "/aaa"},
		{"/, /aaa, /aaa/bbb", "/aaa/bbb", "/aaa/bbb"},
		{"/, /aaa, /aaa/bbb", "/ccc", "/"},
		{"/aaa, default", "/ccc", "default"},
		{"/foo, Exact /foo", "/foo", "Exact /foo"},
		// Longest first, Exact before Prefix, whatever the order of the rules.
		{"Exact /foo, /foo", "/foo/bar", "/foo"},
		{"Exact /foo, /foo/", "/foo", "Exact /foo"},
		{"/aaa/bbb, /aaa, /", "/aaa/bb", "/aaa"},
		{"/aaa/bbb/ccc, /aaa", "/aaa/bbb/cc", "/aaa"},
		{"Exact /", "/", "Exact /"},
		// Regular expressions: as long as their text, found from the beginning.
		{"Regex /a+/b", "/aaa/bcd", "Regex /a+/b"},
		{"Regex /a+/b", "/x/aaa/b", ""},
		{"Regex /a|/b", "/x/b", ""},
		{"/aaa, Regex /a+", "/aaa/b", "/aaa"},
		{"/aa, Regex /a+", "/aa", "Regex /a+"},
		{"Regex /..., Regex /.", "/abc", "Regex /..."},
		{"Regex /..., Regex /.", "/a", "Regex /."},
		{"Regex /abc.*, Exact /abc", "/abc", "Exact /abc"},
		{"Regex /x, /", "/y", "/"},
		{"Regex /x, default", "/y", "default"},
		{"Exact /", "/a", ""},
		{"Exact /, /", "/a", "/"},
		{"default", "/", "default"},
		{"default, /", "/a", "/"},
		{"/a, /a/", "/a", "/a/"},
		// Only one trailing slash does not count.
		{"/a//", "/a", ""},
		{"/a//", "/a/", ""},
		{"/a//", "/a//b", "/a//"},
		{"/a", "/a//", "/a"},
		{"/a//b", "/a/b", ""},
		{"//", "//a", "//"},
		{"//", "/a", ""},
		// Octets are compared as they are.
		{"/foo", "/FOO", ""},
		{"/foo", "/f%6fo", ""},
		{"/foo%2fbar", "/foo%2fbar/x", "/foo%2fbar"},
		{"/foo", "/foo%2fbar", ""},
		{"/foo", "/foo;x", ""},
	} {
		site := hostmap.NewSite(hostmap.Site{Routes: routesOf(c.rules)})
		got := ""
		if r := site.Route(c.path); r != nil {
			got = r.Backend.Service
		}
		if got != c.want {
			t.Errorf("%s with rules %s: got %q, want %q", c.path, c.rules, got, c.want)
		}
	}
}

// Routes of a host's own come before those that it shares, however long.
func TestFirstRoutes(t *testing.T) {
	over := hostmap.NewSite(hostmap.Site{Host: "*.test", Routes: []*hostmap.Route{{Path: "/"}, {Path: "/own/longer/path"}}})
	own := &hostmap.Route{Path: "/own", Backend: &hostmap.Backend{Service: "own"}}
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		over, hostmap.NewSiteSharing(hostmap.Site{Host: "a.test", First: []*hostmap.Route{own}}, over),
	}})
	for path, want := range map[string]*hostmap.Route{"/own": own, "/own/longer/path": own, "/x": over.Routes[1]} {
		v := hostmap.Judge(m, &hostmap.Facts{}, hostmap.Request{Host: "a.test", Path: path})
		if v.Route != want {
			t.Errorf("%s: %+v, want %+v", path, v.Route, want)
		}
	}
	if n := len(m.Backends()); n != 1 {
		t.Errorf("the map knows %d backends, want 1", n)
	}
}

func TestIsACME(t *testing.T) {
	for _, c := range []struct {
		route hostmap.Route
		want  bool
	}{
		{hostmap.Route{Type: hostmap.Exact, Path: "/.well-known/acme-challenge/token"}, true},
		{hostmap.Route{Path: "/.well-known/acme-challenge/"}, true},
		{hostmap.Route{Path: "/.well-known/acme-challenge"}, true},
		{hostmap.Route{Type: hostmap.Exact, Path: "/.well-known/acme-challenge"}, false},
		{hostmap.Route{Path: "/.well-known/acme-challenges"}, false},
		{hostmap.Route{Path: "/.well-known"}, false},
		{hostmap.Route{Path: "/.Well-Known/acme-challenge/token"}, false},
		{hostmap.Route{Default: true}, false},
	} {
		if got := c.route.IsACME(); got != c.want {
			t.Errorf("%s %q: %v", c.route.Type, c.route.Path, got)
		}
	}
}

// FuzzRoute compares the router with the naive one, on rules and paths of few
// letters.
func FuzzRoute(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := make([]byte, 4+r.IntN(40))
		for i := range b {
			b[i] = "//ab,E"[r.IntN(6)]
		}
		f.Add(string(b), "/a//b/a")
		f.Add("/a,/a/b,E/a/b,E/b//,//", "/"+strings.Trim(string(b), ",E"))
	}
	f.Fuzz(func(t *testing.T, rules, path string) {
		if path, err := hostmap.Path(path); err == nil {
			site := hostmap.Site{}
			for rule := range strings.SplitSeq(rules, ",") {
				p, exact := strings.CutPrefix(rule, "E")
				if strings.HasPrefix(p, "/") {
					site.Routes = append(site.Routes, &hostmap.Route{Path: p, Type: map[bool]hostmap.PathType{true: hostmap.Exact}[exact]})
				}
			}
			s := hostmap.NewSite(site)
			got, want := s.Route(path), routeOf(s, path)
			if got != want {
				t.Fatalf("%q of %q: got %+v, want %+v", path, rules, got, want)
			}
		}
	})
}
