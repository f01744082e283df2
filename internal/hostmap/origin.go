package hostmap

import (
	"crypto/tls"
	"strconv"
	"strings"
)

// maxOriginFrame bounds the payload of an ORIGIN frame, in octets: the largest
// that a peer takes which has not raised SETTINGS_MAX_FRAME_SIZE (RFC 9113
// section 6.5.2).
const maxOriginFrame = 16 << 10

// maxStrict bounds how many sites below one wildcard are judged for one
// connection: so many kinds that all let it pass are beyond what is worth
// looking for, and an ORIGIN frame too many does no harm.
const maxStrict = 1000

// Origins returns what an ORIGIN frame (RFC 8336) on a connection says: the
// ASCII serialisations of the origins that the connection may serve, port being
// the one that clients see, and whether to send one at all. The caller knows
// that the connection speaks HTTP/2.
//
// Named are hosts that stand literally in the leaf, are served here, and would
// not be refused by [Judge] on this connection; what a wildcard of the leaf
// hides stays hidden. Where they exceed 16 KiB the list is empty, which leaves
// the client with the host of its server name alone (RFC 8336 section 2.3).
//
// The class of the server name's site, else the map's, says when: always, never,
// or where the leaf covers some served host that Judge would refuse here.
//
// It looks at each name of the leaf, at most twice, and below its wildcards at
// one or two sites of each kind that Judge treats alike.
func (m *Map) Origins(f *Facts, port uint16) (origins []string, send bool) {
	if !f.TLS || f.Leaf == nil {
		return nil, false
	}
	mode := m.Class().Origin
	if s := m.Site(f.ServerName); s != nil {
		mode = s.Class.Origin
	}
	if mode == OriginNever || mode == OriginAuto && !m.refusesCovered(f) {
		return nil, false
	}
	suffix := ""
	if port != 443 {
		suffix = ":" + strconv.Itoa(int(port))
	}
	size := 0
	for _, name := range f.Leaf.Names {
		if strings.HasPrefix(name, "*.") || m.find(name) == nil || m.refuses(f, name) {
			continue
		}
		origin := "https://" + name + suffix
		// Each entry has a length of two octets before it.
		if size += 2 + len(origin); size > maxOriginFrame {
			return nil, true
		}
		origins = append(origins, origin)
	}
	return origins, true
}

// refuses tells whether a request for a host would be misdirected on a
// connection, whatever its path.
func (m *Map) refuses(f *Facts, host string) bool {
	v := Judge(m, f, Request{Host: host, Path: "/"})
	return v.Site != nil && v.Misdirected()
}

// refusesCovered tells whether the leaf of a connection covers a served host
// that Judge would refuse on it.
func (m *Map) refusesCovered(f *Facts) bool {
	if len(m.strict.below) == 0 && !m.strict.literal {
		return false
	}
	for _, name := range f.Leaf.Names {
		sites := m.strict.below[parent(name)]
		if len(sites) == 0 && !m.strict.literal {
			continue
		}
		// A wildcard is judged itself: it stands for the hosts below it that
		// have no site of their own.
		if m.refuses(f, name) {
			return true
		}
		if !strings.HasPrefix(name, "*.") {
			continue
		}
		for i, s := range sites {
			if i == maxStrict || m.refuses(f, s.Host) {
				return true
			}
		}
	}
	return false
}

// strict lists the sites that Judge may refuse on a connection whose leaf
// covers them.
type strict struct {
	// below lists those that a wildcard may hide, by what follows the first
	// label of their host: of each kind that Judge treats alike two, because
	// under the rule server-name one may be the connection's own.
	below map[string][]*Site
	// literal tells that there are others too: the default site, or sites that
	// a certificate of another namespace may name. Each name of a leaf is
	// judged then.
	literal bool
}

// strictKind is what Judge reads of a site beside its host.
type strictKind struct {
	parent     string
	class      *Class
	policy     PolicyID
	unresolved bool
	rule       Rule
	report     bool
	namespace  string // where step 4b may refuse
	own        string // the certificates, where they count
}

func newStrict(sites []*Site, defaults []*Certificate) strict {
	lowest := uint16(tls.VersionTLS12) // of a connection without site
	for _, s := range sites {
		lowest = min(lowest, s.Class.MinVersion)
	}
	owners := newOwners(sites, defaults)
	out := strict{below: make(map[string][]*Site)}
	kinds := make(map[strictKind]int)
	for _, s := range sites {
		ruled := !s.Report && (s.Rule == RuleSameCertificate || s.Rule == RuleServerName)
		foreign := !s.Class.ShareCertificates && owners.others(s.Namespace)
		out.literal = out.literal || foreign
		hidden := foreign && owners.hide(s)
		if !s.Policy.asks() && !ruled && !hidden && s.Class.MinVersion <= lowest {
			continue
		}
		if s.Host == "" {
			out.literal = true
			continue
		}
		under := parent(s.Host)
		if len(out.below[under]) > maxStrict {
			continue // no more are looked at
		}
		k := strictKind{parent: under, class: s.Class, policy: s.Policy.ID, unresolved: s.Policy.Unresolved, rule: s.Rule, report: s.Report}
		if hidden {
			k.namespace = s.Namespace
		}
		if hidden || s.Rule == RuleSameCertificate {
			for _, c := range s.Certificates {
				k.own += string(c.Fingerprint[:]) + c.Secret.String() + "\n"
			}
		}
		if kinds[k]++; kinds[k] <= 2 {
			out.below[under] = append(out.below[under], s)
		}
	}
	return out
}

// owners knows whose certificates connections may be served.
type owners struct {
	// namespace is that of all certificates; mixed where there are several.
	namespace string
	mixed     bool
	// wildcards has the same for those with a wildcard, by what follows "*".
	wildcards map[string]owners
}

func newOwners(sites []*Site, defaults []*Certificate) *owners {
	o := &owners{wildcards: make(map[string]owners)}
	var last *Certificate // many sites in a row have one
	add := func(certificates []*Certificate) {
		for _, c := range certificates {
			if c == last {
				continue
			}
			last = c
			o.note(c.Secret.Namespace)
			for _, name := range c.Names {
				if strings.HasPrefix(name, "*.") {
					w := o.wildcards[name[2:]]
					w.note(c.Secret.Namespace)
					o.wildcards[name[2:]] = w
				}
			}
		}
	}
	add(defaults)
	for _, s := range sites {
		add(s.Certificates)
	}
	return o
}

func (o *owners) note(namespace string) {
	o.mixed = o.mixed || o.namespace != "" && o.namespace != namespace
	o.namespace = namespace
}

// others tells whether a certificate of another namespace than this one may be
// served.
func (o *owners) others(namespace string) bool {
	return o.mixed || o.namespace != "" && o.namespace != namespace
}

// hide tells whether a wildcard of another namespace may cover a site's host.
func (o *owners) hide(s *Site) bool {
	w, ok := o.wildcards[parent(s.Host)]
	return ok && w.others(s.Namespace)
}
