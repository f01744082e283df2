package audit

import (
	"crypto/sha256"
	"crypto/tls"
	"net/netip"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// host is a host of the map: that of a site, or another name of a certificate,
// which a wildcard, the default site or nobody serves. A "*." pattern stands for
// the hosts below it that have no site of their own.
type host struct {
	name string
	site *hostmap.Site // nil: nobody serves it
	// facts are those of a connection made for it; nil where the handshake is
	// refused.
	facts *hostmap.Facts
	// fresh tells that a request for it passes the rule on such a connection.
	fresh bool
}

func newHost(m *hostmap.Map, name string) *host {
	h := &host{name: name, site: m.Site(name), facts: connect(m, name)}
	if h.facts != nil {
		v := hostmap.Judge(m, h.facts, hostmap.Request{Host: name, Path: "/"})
		h.fresh = !v.Misdirected() && v.Reported == ""
	}
	return h
}

// pattern tells whether the host is a pattern, and so stands for several.
func (h *host) pattern() bool { return strings.HasPrefix(h.name, "*.") }

// serves tells whether a connection made for the host is served a leaf.
func (h *host) serves(fingerprint [sha256.Size]byte) bool {
	return h.facts != nil && h.facts.Leaf.Fingerprint == fingerprint
}

// connect is what a handshake of a present client for a host settles; nil where
// it is refused. Such a client speaks TLS 1.3, takes every kind of key, and is
// no trusted gateway.
func connect(m *hostmap.Map, name string) *hostmap.Facts {
	if hostmap.IsIP(name) {
		name = "" // RFC 6066 section 3
	}
	h := m.Handshake(name)
	if !h.Takes(tls.VersionTLS13) {
		return nil
	}
	f := h.Facts(h.Certificates[0], netip.Addr{})
	f.Version, f.ALPN = tls.VersionTLS13, "h2"
	return &f
}

// index finds hosts by what certificates cover.
type index struct {
	m     *hostmap.Map
	hosts []*host          // of all sites but the default one, sorted by name
	exact map[string]*host // all of hosts, by name
	below map[string][]*host
}

// newIndex makes the index. Below are hosts by what follows their first label.
func newIndex(m *hostmap.Map) *index {
	x := &index{m: m, exact: make(map[string]*host, m.Hosts()), below: make(map[string][]*host)}
	for s := range m.AllSites() {
		if s.Host == "" {
			continue
		}
		h := newHost(m, s.Host)
		x.hosts = append(x.hosts, h)
		x.exact[h.name] = h
		if !hostmap.IsIP(h.name) {
			if _, parent, ok := strings.Cut(h.name, "."); ok {
				x.below[parent] = append(x.below[parent], h)
			}
		}
	}
	return x
}

// leaves are the certificates that connections are served, one of each
// fingerprint, in the order of the hosts.
func (x *index) leaves() []*hostmap.Certificate {
	var leaves []*hostmap.Certificate
	seen := make(map[[sha256.Size]byte]bool)
	add := func(c *hostmap.Certificate) {
		if !seen[c.Fingerprint] {
			seen[c.Fingerprint] = true
			leaves = append(leaves, c)
		}
	}
	for _, h := range x.hosts {
		if h.facts != nil {
			add(h.facts.Leaf)
		}
	}
	// What no name at all is answered with, and a name that no site can have.
	for _, name := range []string{"", "*"} {
		if f := connect(x.m, name); f != nil {
			add(f.Leaf)
		}
	}
	return leaves
}

// covered calls yield for each host that a leaf covers, once each, until it
// returns false.
func (x *index) covered(leaf *hostmap.Certificate, yield func(*host) bool) {
	wildcard := make(map[string]bool)
	for _, name := range leaf.Names {
		if parent, ok := strings.CutPrefix(name, "*."); ok {
			wildcard[parent] = true
			for _, h := range x.below[parent] {
				if !yield(h) {
					return
				}
			}
		}
	}
	for _, name := range leaf.Names {
		h := x.exact[name]
		switch _, parent, _ := strings.Cut(name, "."); {
		case h == nil:
			h = newHost(x.m, name)
		case wildcard[parent] && !hostmap.IsIP(name):
			continue // It was below the wildcard.
		}
		if !yield(h) {
			return
		}
	}
}
