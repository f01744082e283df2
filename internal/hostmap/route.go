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
)

func (t PathType) String() string {
	if t == Exact {
		return "Exact"
	}
	return "Prefix"
}

// Route is a path rule of a site. It is immutable.
type Route struct {
	// Type and Path are what the canonical path of a request (see [Path]) is
	// compared with.
	Type PathType
	Path string
	// Default marks the default backend of an Ingress, which takes what no
	// path rule of the site takes.
	Default bool
	// Backend takes the requests.
	Backend *Backend
	// Terms are what else is asked of the route's requests and done to them.
	Terms Terms
	// From is the object that the rule stands in.
	From Object
}

// router finds the route of a path: the longest first, and of two equal ones
// Exact before Prefix (Kubernetes Ingress, "Multiple matches").
type router struct {
	// all is the route where there is but one rule, for "/".
	all    *Route
	exact  map[string]*Route
	prefix map[string]*Route // by path without trailing slash
	rest   *Route            // Default
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
			cmp.Compare(b.Type, a.Type),
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
	if len(r.exact) == 0 && len(r.prefix) == 1 {
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
	if r.prefix != nil {
		p := strings.TrimSuffix(path, "/")
		for {
			if len(p) <= r.longest {
				if rt := r.prefix[p]; rt != nil {
					return rt
				}
			}
			if p == "" {
				break
			}
			limit := min(len(p), r.longest+1)
			p = p[:max(strings.LastIndexByte(p[:limit], '/'), 0)]
		}
	}
	return r.rest
}
