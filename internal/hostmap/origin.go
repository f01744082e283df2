package hostmap

import (
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
	literal := m.strict.literal(m.rest)
	if !literal && m.strict.sites.count == 0 {
		return false
	}
	for _, name := range f.Leaf.Names {
		if !literal && !m.strict.any(parent(name)) {
			continue
		}
		// A wildcard is judged itself: it stands for the hosts below it that
		// have no site of their own.
		if m.refuses(f, name) {
			return true
		}
		if strings.HasPrefix(name, "*.") && m.refusesBelow(f, name[len("*."):]) {
			return true
		}
	}
	return false
}

// refusesBelow tells whether Judge would refuse one of the hosts that a wildcard
// may hide.
func (m *Map) refusesBelow(f *Facts, suffix string) bool {
	n := 0
	for s := range m.strict.below(suffix) {
		if n == maxStrict || m.refuses(f, s.Host) {
			return true
		}
		n++
	}
	return false
}
