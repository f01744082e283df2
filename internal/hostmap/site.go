package hostmap

import (
	"iter"
	"strings"
)

// Site is one host with its certificates, TLS policy, rule and routes. It is
// immutable once [NewSite] has returned it.
type Site struct {
	// Host is the canonical host or "*." pattern; "" is the default site,
	// which takes every host that no other site does.
	Host string
	// Namespace is the one that owns the host; "" is nobody's.
	Namespace string
	// Contested tells that other namespaces claim the host too, or the requests
	// of it, so that who owns it must be remembered.
	Contested bool
	// Class is the class of the site's Ingresses.
	Class *Class
	// Certificates are what a handshake for the host is answered with, the
	// preferred first. A site without any refuses every handshake.
	Certificates []*Certificate
	// Policy is what the site asks of its clients.
	Policy TLSPolicy
	// Rule is the rule in force: the Ingress's, else the class's.
	Rule Rule
	// Report counts and logs what steps 4 and 5 would refuse, and serves it.
	Report bool
	// Terms are what else is asked of the host's requests and done to them.
	Terms Terms
	// First are path rules that are tried before Routes: those of a host's own
	// where Routes are another site's ([NewSiteSharing]).
	First []*Route
	// Routes are the path rules, in the order in which they are tried.
	Routes []*Route

	first, router router
	// sure are the first of Certificates that cover every host of the site,
	// ECDSA and RSA as a rule: what a connection to the site was served, so
	// that no name is looked up where pointers are equal.
	sure [2]*Certificate
}

// Label values of metrics and logs for what has no host of its own.
const (
	// LabelDefault stands for the default site.
	LabelDefault = "_default"
	// LabelUnserved stands for every authority that is not served.
	LabelUnserved = "_unserved"
	// LabelAll stands for all sites together.
	LabelAll = "_all"
)

// NewSite completes a site: it takes its exported fields, puts the routes in
// order and indexes them. A nil Class is the built-in one.
func NewSite(s Site) *Site {
	if s.Class == nil {
		s.Class = BuiltinClass()
	}
	sortRoutes(s.First)
	sortRoutes(s.Routes)
	s.first, s.router = newRouter(s.First), newRouter(s.Routes)
	// A copy of another site brings its own along.
	s.sure = [2]*Certificate{}
	n := 0
	for _, c := range s.Certificates {
		if n < len(s.sure) && c.CoversPattern(s.Host) {
			s.sure[n] = c
			n++
		}
	}
	return &s
}

// Route returns the route of a canonical path, or nil.
func (s *Site) Route(path string) *Route {
	if len(s.First) != 0 {
		if rt := s.first.match(path); rt != nil {
			return rt
		}
	}
	return s.router.match(path)
}

// AllRoutes are First and Routes, in the order in which they are tried.
func (s *Site) AllRoutes() iter.Seq[*Route] {
	return func(yield func(*Route) bool) {
		for _, routes := range [...][]*Route{s.First, s.Routes} {
			for _, rt := range routes {
				if !yield(rt) {
					return
				}
			}
		}
	}
}

// all is the route of every path, where there is but one.
func (s *Site) all() *Route {
	if len(s.First) != 0 {
		return nil
	}
	return s.router.all
}

func (s *Site) compare(o *Site) int { return strings.Compare(s.Host, o.Host) }

// Label is the site's host as metrics name it: never what a client sent, and no
// other site's. A host can be called as the labels of what has none are; the dot
// that no canonical host ends with tells it from them.
func (s *Site) Label() string {
	if s == nil {
		return LabelUnserved
	}
	switch s.Host {
	case "":
		return LabelDefault
	case LabelDefault, LabelUnserved, LabelAll:
		return s.Host + "."
	}
	return s.Host
}

// holds tells whether a leaf is one of some present certificates, out of
// whichever Secret.
func holds(present []*Certificate, c *Certificate) bool {
	for _, own := range present {
		if own == c || own.Fingerprint == c.Fingerprint {
			return true
		}
	}
	return false
}

// owns tells whether a leaf is one of some present certificates, or of the
// same Secret as one of them (a renewal, or ECDSA beside RSA).
func owns(present []*Certificate, c *Certificate) bool {
	for _, own := range present {
		if own == c || own.Fingerprint == c.Fingerprint || own.Secret == c.Secret {
			return true
		}
	}
	return false
}
