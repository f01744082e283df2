package claim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// host gathers what all claimants say of one host.
type host struct {
	name string // canonical; "" is the default site
	// namespace and class own the host. Without a namespace it is kept for
	// somebody who does not claim it.
	namespace string
	class     *class.Class
	// parts are the owner's and then those of guests, each with the oldest
	// first. Until the owner is known they are everybody's.
	parts []*part
	// ruled tells that the owner claims the host for its requests, not for its
	// certificate or the paths of an ACME solver alone.
	ruled bool
	// held tells that the owner has it from before.
	held bool
	// contested tells that others claim the host, or a host that it takes the
	// requests of or that takes its own.
	contested bool
	// closed tells that a claimant over its bound asks for client certificates
	// of the host, or of one that the host would serve.
	closed bool
	// wildcard is the one of another namespace whose guest the host is.
	wildcard *host
	// entered tells that certificates are named for the host.
	entered bool
	says    joined
	site    *hostmap.Site
}

// sharedRoutes returns what all hosts have in common that are nothing but
// aliases of the same claimants, and so have the same routes; "" for others.
func (h *host) sharedRoutes() string {
	var key []byte
	alias := false
	for _, p := range h.parts {
		if len(p.routes) != 0 {
			return ""
		}
		alias = alias || len(p.aliased) != 0
		// A claimant may have several lists of aliased routes.
		key = fmt.Appendf(key, "%d,%p,%t ", p.by.age, p.aliased, p.ruled)
	}
	if !alias {
		return ""
	}
	return string(key)
}

// part is what one claimant says of one host.
type part struct {
	by *Claimant
	// guest marks a claimant of another namespace than the host's, of which the
	// routes alone count.
	guest bool
	// routes are those of claims that name the host, aliased those that it has
	// as an alias of aliasOf.
	routes, aliased []*hostmap.Route
	alias           bool
	aliasOf         string
	// ruled tells that the host is claimed for its requests, refused that nobody
	// is let in.
	ruled, refused bool
	// shut tells that the routes are closed: what protects them is not heard.
	shut bool
}

// rules tells whether the part has more to say of the host's requests than an
// ACME solver has.
func (p *part) rules() bool {
	if !p.ruled || len(p.aliased) != 0 || len(p.routes) == 0 || p.by.Rest != nil {
		return p.ruled
	}
	return slices.ContainsFunc(p.routes, func(r *hostmap.Route) bool { return !r.IsACME() })
}

// hosts are all claimed hosts.
type hosts struct {
	byName map[string]*host
	list   []*host // sorted by name: the default site, wildcards, other hosts
	// withheld are hosts claimed by those who may not claim them.
	withheld map[string]bool
}

// claim hands out the hosts. What others than the owner of a host say of it is
// dropped here, before anything is merged.
func (b *builder) claim(claimants []*Claimant) *hosts {
	hs := &hosts{byName: make(map[string]*host, len(claimants)), withheld: make(map[string]bool)}
	for _, by := range claimants {
		for i := range by.Claims {
			hs.part(by, by.Claims[i].Host).add(&by.Claims[i])
		}
	}
	slices.SortFunc(hs.list, byName)
	b.assign(hs)
	for _, by := range claimants {
		if !by.served && !by.Apart {
			b.Problems.Add(by.Object, problem.NothingServed, "No host of %s is served by it; its status gets no address.", by.kind())
		}
	}
	return hs
}

func byName(a, b *host) int { return strings.Compare(a.name, b.name) }

// part returns the part of a claimant in a host.
func (hs *hosts) part(by *Claimant, name string) *part {
	h := hs.byName[name]
	if h == nil {
		h = &host{name: name}
		hs.byName[name] = h
		hs.list = append(hs.list, h)
	}
	if n := len(h.parts); n != 0 && h.parts[n-1].by == by {
		return h.parts[n-1]
	}
	p := &part{by: by}
	h.parts = append(h.parts, p)
	return p
}

// add adds a claim of the claimant to its part.
func (p *part) add(c *Claim) {
	p.ruled, p.refused = p.ruled || c.Ruled, p.refused || c.Refused
	switch {
	case c.Alias:
		p.alias, p.aliasOf, p.aliased = true, c.AliasOf, c.Routes
	case p.routes == nil:
		p.routes = slices.Clip(c.Routes)
	default:
		p.routes = append(p.routes, c.Routes...)
	}
}

// wildcardName is the wildcard over the first label of a host.
func wildcardName(host string) string {
	_, suffix, _ := strings.Cut(host, ".")
	return "*." + suffix
}

// wildcardOver returns the wildcard that takes the requests of a host which
// nobody claims; nil where there is none. A wildcard that stands in tls entries
// alone and has no route is none: namespaces may well have the same wildcard
// certificate, each for its own hosts.
func (hs *hosts) wildcardOver(h *host) *host {
	_, suffix, _ := strings.Cut(h.name, ".")
	over := hs.byName["*."+suffix] // wildcardName would allocate.
	if over == nil || over == h || !hs.serves(over) {
		return nil
	}
	return over
}

// serves tells whether a host whose owner is known takes any requests.
func (hs *hosts) serves(h *host) bool {
	if h.ruled {
		return true
	}
	for _, p := range h.parts {
		if p.ruled || p.by.Rest != nil {
			return true
		}
	}
	return hs.over(h) != nil
}

// over returns the host whose rules hold for one that has none of its own: that
// stands in tls entries alone, or in rules for an ACME solver. It is the
// wildcard over it, else the default site; nil where there is none or where it
// belongs to somebody else.
func (hs *hosts) over(h *host) *host {
	if h.name == "" {
		return nil
	}
	over := hs.wildcardOver(h)
	if over == nil {
		over = hs.byName[""] // which nothing but rules can name
	}
	if over == nil || over.namespace != h.namespace || over.class != h.class {
		return nil
	}
	return over
}
