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
// The class of the server name's site says when: always, never, or where the
// leaf covers some served host that Judge would refuse here. A connection
// without such a site (it was shown the default certificate) is under the
// built-in class, that is the last of these: what the default certificate
// covers needs the same warning.
//
// It looks at each name of the leaf, at most twice, and below its wildcards at
// one or two sites of each kind that Judge treats alike.
func (m *Map) Origins(f *Facts, port uint16) (origins []string, send bool) {
	if !f.TLS || f.Leaf == nil {
		return nil, false
	}
	mode := OriginAuto
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
	if len(m.strict.below) == 0 && !m.strict.rest {
		return false
	}
	for _, name := range f.Leaf.Names {
		sites := m.strict.below[parent(name)]
		if len(sites) == 0 && !m.strict.rest {
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
// covers them: those that a wildcard may hide.
type strict struct {
	// below lists them by what follows the first label of their host, of each
	// kind that Judge treats alike two: under the rule server-name one may be
	// the connection's own.
	below map[string][]*Site
	// rest tells that the default site is one.
	rest bool
}

// strictKind is what Judge reads of a site beside its host.
type strictKind struct {
	parent     string
	class      *Class
	policy     PolicyID
	unresolved bool
	rule       Rule
	report     bool
	own        string // the certificates, under the rule same-certificate
}

func newStrict(sites []*Site) strict {
	lowest := uint16(tls.VersionTLS12) // of a connection without site
	for _, s := range sites {
		lowest = min(lowest, s.Class.MinVersion)
	}
	out := strict{below: make(map[string][]*Site)}
	kinds := make(map[strictKind]int)
	for _, s := range sites {
		ruled := !s.Report && (s.Rule == RuleSameCertificate || s.Rule == RuleServerName)
		if !s.Policy.asks() && !ruled && s.Class.MinVersion <= lowest {
			continue
		}
		if s.Host == "" {
			out.rest = true
			continue
		}
		k := strictKind{parent(s.Host), s.Class, s.Policy.ID, s.Policy.Unresolved, s.Rule, s.Report, ""}
		if s.Rule == RuleSameCertificate {
			for _, c := range s.Certificates {
				k.own += string(c.Fingerprint[:]) + c.Secret.String() + "\n"
			}
		}
		if kinds[k]++; kinds[k] <= 2 {
			out.below[k.parent] = append(out.below[k.parent], s)
		}
	}
	return out
}
