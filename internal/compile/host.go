package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// host gathers what all Ingresses say of one host.
type host struct {
	name string // canonical; "" is the default site
	// namespace and class own the host: they claimed it first.
	namespace string
	class     *class
	// parts are of the oldest Ingress first, one for each.
	parts []*part
	// ruled tells that a rule or an alias names the host, not tls alone.
	ruled bool
	says  settings
	site  *hostmap.Site
}

// sharedRoutes returns what all hosts have in common that are nothing but
// aliases of the same Ingresses, and so have the same routes; "" for others.
func (h *host) sharedRoutes() string {
	var key []byte
	alias := false
	for _, p := range h.parts {
		if len(p.routes) != 0 {
			return ""
		}
		alias = alias || len(p.aliased) != 0
		key = fmt.Appendf(key, "%d,%t,%t ", p.ing.age, len(p.aliased) != 0, p.ruled)
	}
	if !alias {
		return ""
	}
	return string(key)
}

// part is what one Ingress says of one host.
type part struct {
	ing *ingress
	// guest marks an Ingress of another namespace than the host's, of which
	// the rules alone count.
	guest bool
	// routes are those of rules that name the host, aliased those that it has
	// as an alias: one slice for all aliases of the Ingress.
	routes, aliased []*hostmap.Route
	// ruled tells that a rule or an alias of the Ingress names the host.
	ruled bool
}

// hosts are all claimed hosts.
type hosts struct {
	byName map[string]*host
	list   []*host
}

// claim hands out the hosts: what is claimed first belongs to the Ingress's
// namespace and class, and what others say of it is dropped here, before
// anything is merged.
func (b *builder) claim(ingresses []*ingress) *hosts {
	hs := &hosts{byName: make(map[string]*host, len(ingresses))}
	for _, ing := range ingresses {
		for _, r := range ing.rules {
			if p := b.claimOne(hs, ing, r.host, true); p != nil {
				p.routes = append(p.routes, r.routes...)
			}
		}
		for _, name := range ing.tls.hosts {
			b.claimOne(hs, ing, name, false)
		}
		if len(ing.notes.aliases) == 0 {
			continue
		}
		all := ing.allRoutes()
		for _, name := range ing.notes.aliases {
			if p := b.claimOne(hs, ing, name, true); p != nil {
				p.aliased = all
			}
		}
	}
	slices.SortFunc(hs.list, func(a, b *host) int { return strings.Compare(a.name, b.name) })
	return hs
}

// claimOne returns the part of an Ingress in a host, nil where the host is not
// its.
func (b *builder) claimOne(hs *hosts, ing *ingress, name string, ruled bool) *part {
	h := hs.byName[name]
	if h == nil {
		if hs.below(name, ing.object.Namespace) && !b.in.AllowSharedHosts {
			b.problem(ing.subject, HostConflict, "Host %s is below a wildcard of another namespace, which claimed it first; nothing of this Ingress is served for it.", hostName(name))
			return nil
		}
		h = &host{name: name, namespace: ing.object.Namespace, class: ing.class}
		hs.byName[name] = h
		hs.list = append(hs.list, h)
	}
	guest := h.namespace != ing.object.Namespace
	if guest && !b.admit(h, ing, ruled) {
		return nil
	}
	if h.class != ing.class {
		b.problem(ing.subject, ClassConflict, "Host %s belongs to class %s; nothing is served of it for class %s.", hostName(name), quote(h.class.Name), quote(ing.class.Name))
		return nil
	}
	h.ruled = h.ruled || ruled
	if n := len(h.parts); n != 0 && h.parts[n-1].ing == ing {
		h.parts[n-1].ruled = h.parts[n-1].ruled || ruled
		return h.parts[n-1]
	}
	p := &part{ing: ing, guest: guest, ruled: ruled}
	h.parts = append(h.parts, p)
	return p
}

// below tells whether a host is served so far by the wildcard of another
// namespace, which would lose the requests to whoever names the host.
// A wildcard that stands in tls entries alone is left out: namespaces may well
// have the same wildcard certificate, each for its own hosts.
func (hs *hosts) below(name, namespace string) bool {
	_, suffix, _ := strings.Cut(name, ".")
	over := hs.byName["*."+suffix]
	return over != nil && over.ruled && over.name != name && over.namespace != namespace
}

// admit tells whether rules of another namespace may join a host.
func (b *builder) admit(h *host, ing *ingress, ruled bool) bool {
	switch {
	case !b.in.AllowSharedHosts:
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace, which claimed it first; nothing of this Ingress is served for it.", hostName(h.name))
		return false
	case ing.notes.says.asks:
		// Its rules must not be served without what it asks of clients, and
		// what it asks must not shut the owner's clients out.
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace, which says what is asked of clients; the rules of this Ingress, which asks for client certificates, are not served.", hostName(h.name))
		return false
	case !ruled:
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace, which says what certificate it has.", hostName(h.name))
		return false
	case ing.notes.says.anything():
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace; of this Ingress's annotations those about hosts have no effect on it.", hostName(h.name))
	}
	return true
}

// hostName is a host in messages.
func hostName(name string) string {
	if name == "" {
		return "(default)"
	}
	return quote(name)
}

// over returns the host whose rules hold for a host that stands in tls entries
// alone: the wildcard over it, else the default site; nil where there is none
// or where it belongs to somebody else.
func (hs *hosts) over(h *host) *host {
	_, suffix, _ := strings.Cut(h.name, ".")
	over := hs.byName["*."+suffix]
	if over == nil || !over.ruled {
		over = hs.byName[""] // which nothing but rules can name
	}
	if over == nil || over.namespace != h.namespace || over.class != h.class {
		return nil
	}
	return over
}

func sitesOf(hs *hosts) []*hostmap.Site {
	sites := make([]*hostmap.Site, 0, len(hs.list))
	for _, h := range hs.list {
		sites = append(sites, h.site)
	}
	return sites
}
