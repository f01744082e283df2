package hostmap

import (
	"cmp"
	"slices"
	"strings"
)

// PathType says how a route's path is compared. The ImplementationSpecific of
// an Ingress is Prefix here.
type PathType uint8

const (
	// Prefix matches element by element; a trailing slash of the rule does not
	// count.
	Prefix PathType = iota
	// Exact matches the same octets.
	Exact
	// Regex matches as the route's Regex does, from the path's beginning on.
	Regex
)

var pathTypeNames = [...]string{"Prefix", "Exact", "Regex"}

func (t PathType) String() string { return pathTypeNames[t] }

// rank orders routes whose paths are of one length.
func (t PathType) rank() int { return [...]int{Prefix: 2, Exact: 0, Regex: 1}[t] }

// Route is a path rule of a site. It is immutable.
type Route struct {
	// Type and Path are what the canonical path of a request (see [Path]) is
	// compared with.
	Type PathType
	Path string
	// Regex is Path where Type is Regex.
	Regex *PathRegex
	// Default marks the default backend of an Ingress, which takes what no
	// path rule of the site takes.
	Default bool
	// Backend takes the requests.
	Backend *Backend
	// Canary takes some of them.
	Canary Canary
	// Terms are what else is asked of the route's requests and done to them.
	Terms Terms
	// From is the object that the rule stands in.
	From Object
}

// backends yields those that requests of the route go to, and that are asked about
// them.
func (r *Route) backends(yield func(*Backend) bool) {
	for _, b := range [...]*Backend{r.Backend, r.Terms.AuthBackend} {
		if b != nil && !yield(b) {
			return
		}
	}
	if c, ok := r.Canary.Terms(); ok {
		yield(c.Backend)
	}
}

// router finds the route of a path: an Exact one, else the longest first (as
// Kubernetes Ingress has it, "Multiple matches"), a regular expression being as long as its
// text and before a prefix of that length.
type router struct {
	// all is the route where there is but one rule, for "/".
	all    *Route
	exact  map[string]*Route
	prefix map[string]*Route // by path without trailing slash
	// regexes are the longest first.
	regexes []*Route
	rest    *Route // Default
	// longest is the longest key of prefix, so that a long path of many
	// elements costs no more look-ups than the rules have elements.
	longest int
}

// sortRoutes puts routes in the order in which they are tried.
func sortRoutes(routes []*Route) {
	slices.SortStableFunc(routes, func(a, b *Route) int {
		if a.Default != b.Default {
			if a.Default {
				return 1
			}
			return -1
		}
		return cmp.Or(
			cmp.Compare(len(b.Path), len(a.Path)),
			cmp.Compare(a.Type.rank(), b.Type.rank()),
			strings.Compare(a.Path, b.Path),
		)
	})
}

func newRouter(routes []*Route) router {
	var r router
	for _, rt := range routes {
		switch {
		case rt.Default:
			if r.rest == nil {
				r.rest = rt
			}
		case rt.Type == Exact:
			if r.exact == nil {
				r.exact = make(map[string]*Route)
			}
			if _, taken := r.exact[rt.Path]; !taken {
				r.exact[rt.Path] = rt
			}
		case rt.Type == Regex:
			r.regexes = append(r.regexes, rt)
		default:
			if r.prefix == nil {
				r.prefix = make(map[string]*Route)
			}
			key := strings.TrimSuffix(rt.Path, "/")
			// "/a/" and "/a" are one prefix; the longer came first.
			if _, taken := r.prefix[key]; !taken {
				r.prefix[key] = rt
				r.longest = max(r.longest, len(key))
			}
		}
	}
	if len(r.exact) == 0 && len(r.regexes) == 0 && len(r.prefix) == 1 {
		r.all = r.prefix[""]
	}
	return r
}

// match returns the route of a canonical path, or nil. It does not allocate.
func (r *router) match(path string) *Route {
	if r.all != nil {
		return r.all
	}
	if rt := r.exact[path]; rt != nil {
		return rt
	}
	rt := r.matchPrefix(path)
	for _, p := range r.regexes {
		if rt != nil && len(p.Path) < len(rt.Path) {
			break
		}
		if p.Regex.matches(path) {
			return p
		}
	}
	if rt != nil {
		return rt
	}
	return r.rest
}

// matchPrefix returns the longest prefix route of a path, or nil.
func (r *router) matchPrefix(path string) *Route {
	if r.prefix == nil {
		return nil
	}
	p := strings.TrimSuffix(path, "/")
	for {
		if len(p) <= r.longest {
			if rt := r.prefix[p]; rt != nil {
				return rt
			}
		}
		if p == "" {
			return nil
		}
		limit := min(len(p), r.longest+1)
		p = p[:max(strings.LastIndexByte(p[:limit], '/'), 0)]
	}
}
