package hostmap

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// strict knows the sites that Judge may refuse on a connection whose leaf covers
// them. It is immutable, and shares what did not change with the one before.
type strict struct {
	// sites are those that a wildcard may hide, by what follows the first label
	// of their host and then by kind.
	sites ordered[strictSite]
	// under are all sites but the default one, by what follows the first label.
	under ordered[underSite]
	// served are the certificates that handshakes may be answered with, and how
	// often; owners their namespaces, each certificate counting once.
	served ordered[servedCertificate]
	owners tally[string]
	// wildcards are owners of certificates with a wildcard, after what follows
	// its "*." and a line feed.
	wildcards tally[string]
	// tenants are the namespaces of sites that no other's certificate may vouch
	// for.
	tenants tally[string]
	// versions are the lowest TLS versions of the sites' classes.
	versions tally[uint16]
}

// strictSite is a site that Judge may refuse. Those of one kind are treated
// alike, their own names aside.
type strictSite struct {
	parent, kind string
	site         *Site
}

func (s strictSite) compare(o strictSite) int {
	if c := strings.Compare(s.parent, o.parent); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(s.kind, o.kind), strings.Compare(s.site.Host, o.site.Host))
}

type underSite struct{ *Site }

func (s underSite) compare(o underSite) int {
	if c := strings.Compare(parent(s.Host), parent(o.Host)); c != 0 {
		return c
	}
	return strings.Compare(s.Host, o.Host)
}

type servedCertificate struct {
	*Certificate
	n int
}

// compare has two parses of one leaf out of one Secret be the same: they cover
// the same and belong to the same.
func (c servedCertificate) compare(o servedCertificate) int {
	if c.Certificate == o.Certificate {
		return 0
	}
	if by := c.Secret.compare(o.Secret); by != 0 {
		return by
	}
	return bytes.Compare(c.Fingerprint[:], o.Fingerprint[:])
}

// any tells whether a wildcard over a suffix may hide a site.
func (x *strict) any(suffix string) bool {
	return x.sites.first(func(s strictSite) int { return strings.Compare(s.parent, suffix) }).site != nil
}

// below yields, of each kind of sites that a wildcard over a suffix may hide, two:
// under the rule server-name one may be the connection's own.
func (x *strict) below(suffix string) iter.Seq[*Site] {
	return func(yield func(*Site) bool) {
		kind, seen := "", 0
		for {
			after, most, more := kind, seen, false
			for s := range x.sites.from(func(s strictSite) int {
				return cmp.Or(strings.Compare(s.parent, suffix), strings.Compare(s.kind, after), cmp.Compare(1, most))
			}) {
				if s.parent != suffix {
					return
				}
				if more = s.kind == kind && seen == 2; more {
					break
				}
				if s.kind != kind {
					kind, seen = s.kind, 0
				}
				seen++
				if !yield(s.site) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// literal tells that there are others too: the default site, or sites that a
// certificate of another namespace may name. Each name of a leaf is judged then.
func (x *strict) literal(rest *entry) bool {
	if rest != nil && x.needs(rest.site) {
		return true
	}
	for owner := range x.owners.keysFrom("") {
		for tenant := range x.tenants.keysFrom("") {
			if tenant != owner {
				return true
			}
		}
	}
	return false
}

// lowest is a TLS version that every connection has which some site takes.
func (x *strict) lowest() uint16 {
	for version := range x.versions.keysFrom(0) {
		return min(version, tls.VersionTLS12) // of a connection without site
	}
	return tls.VersionTLS12
}

// needs tells whether Judge may refuse a site where the leaf covers it.
func (x *strict) needs(s *Site) bool {
	return s.Policy.asks() || s.ruled() || s.Class.MinVersion > x.lowest() || x.hides(s)
}

// ruled tells whether the site's rule asks for more than coverage.
func (s *Site) ruled() bool {
	return !s.Report && (s.Rule == RuleSameCertificate || s.Rule == RuleServerName)
}

// hides tells whether a wildcard of another namespace, which may not vouch for
// it, may cover a site's host.
func (x *strict) hides(s *Site) bool {
	if s.Class.ShareCertificates || s.Host == "" {
		return false
	}
	owners := x.ownersOf(parent(s.Host))
	return owners.others(s.Namespace)
}

// ownersOf are the owners of certificates with the wildcard over a suffix, two of
// them at most.
func (x *strict) ownersOf(suffix string) (o owners) {
	prefix := suffix + "\n"
	for key := range x.wildcards.keysFrom(prefix) {
		owner, ok := strings.CutPrefix(key, prefix)
		if !ok || o.count == len(o.names) {
			break
		}
		o.names[o.count] = owner
		o.count++
	}
	return o
}

// owners are namespaces of certificates: all, or two of more.
type owners struct {
	names [2]string
	count int
}

// others tells whether a namespace is not all of them.
func (o *owners) others(namespace string) bool {
	return o.count == 2 || o.count == 1 && o.names[0] != namespace
}

// strictSite is a site's place in sites, and whether it has one.
func (x *strict) strictSite(s *Site) (at strictSite, ok bool) {
	if s.Host == "" || !x.needs(s) {
		return strictSite{}, false
	}
	return strictSite{parent(s.Host), s.kind(x.hides(s)), s}, true
}

// kind is what Judge reads of a site beside its host.
func (s *Site) kind(hidden bool) string {
	k := make([]byte, 0, 128)
	k = append(k, s.Class.Name...)
	k = append(k, '\n')
	k = append(k, s.Policy.ID[:]...)
	k = strconv.AppendBool(k, s.Policy.Unresolved)
	k = strconv.AppendUint(k, uint64(s.Class.MinVersion), 10)
	k = append(k, byte(s.Rule))
	k = strconv.AppendBool(k, s.Report)
	k = strconv.AppendBool(k, s.Class.ShareCertificates)
	k = append(k, s.Class.DefaultCertificate.String()...)
	k = append(k, '\n')
	for _, p := range s.Class.TrustedGateways {
		k = append(p.AppendTo(k), '\n')
	}
	if hidden { // where step 4b may refuse
		k = append(append(k, s.Namespace...), '\n')
	}
	if hidden || s.Rule == RuleSameCertificate {
		for _, c := range s.Certificates {
			k = append(append(k, c.Fingerprint[:]...), c.Secret.String()...)
			k = append(k, '\n')
		}
	}
	return string(k)
}

// with returns what is known after some sites, and the default certificates, are
// others than before.
func (x *strict) with(changed []changedSite, wereDefaults, defaults []*Certificate) strict {
	out := *x
	var served []servedCertificate
	if !slices.Equal(wereDefaults, defaults) {
		served = appendServed(appendServed(served, wereDefaults, -1), defaults, 1)
	}
	versions, tenants := make(map[uint16]int), make(map[string]int)
	for _, c := range changed {
		same := c.was != nil && c.is != nil && slices.Equal(c.was.Certificates, c.is.Certificates)
		c.each(func(s *Site, n int) {
			if !same {
				served = appendServed(served, s.Certificates, n)
			}
			versions[s.Class.MinVersion] += n
			if !s.Class.ShareCertificates {
				tenants[s.Namespace] += n
			}
		})
	}
	suffixes := out.countServed(served)
	out.versions, out.tenants = x.versions.with(versions), x.tenants.with(tenants)
	out.under = x.under.with(underChanges(changed))
	out.sites = x.sites.with(x.moved(&out, changed, suffixes))
	return out
}

// underChanges are the changes of under, in its order: the hosts are in order
// already.
func underChanges(changed []changedSite) []change[underSite] {
	suffixes := make(map[string][]change[underSite])
	for _, c := range changed {
		s := c.is
		if s == nil {
			s = c.was
		}
		if s.Host != "" {
			suffix := parent(s.Host)
			suffixes[suffix] = append(suffixes[suffix], change[underSite]{underSite{s}, c.is == nil})
		}
	}
	out := make([]change[underSite], 0, len(changed))
	for _, suffix := range slices.Sorted(maps.Keys(suffixes)) {
		out = append(out, suffixes[suffix]...)
	}
	return out
}

// appendServed appends certificates that are served n times more.
func appendServed(list []servedCertificate, all []*Certificate, n int) []servedCertificate {
	for _, c := range all {
		// Many sites in a row have one.
		if last := len(list) - 1; last >= 0 && list[last].Certificate == c {
			list[last].n += n
		} else {
			list = append(list, servedCertificate{c, n})
		}
	}
	return list
}

// countServed counts certificates as served so many times more or less, and
// returns the suffixes of those wildcards whose owners may be others now.
func (x *strict) countServed(more []servedCertificate) (suffixes map[string]bool) {
	slices.SortFunc(more, servedCertificate.compare)
	var changes []change[servedCertificate]
	owners, wildcards := make(map[string]int), make(map[string]int)
	suffixes = make(map[string]bool)
	for len(more) != 0 {
		c := more[0]
		for more = more[1:]; len(more) != 0 && more[0].compare(c) == 0; more = more[1:] {
			c.n += more[0].n
		}
		if c.n == 0 {
			continue
		}
		was := x.served.first(func(o servedCertificate) int { return o.compare(c) }).n
		c.n += was
		changes = append(changes, change[servedCertificate]{c, c.n == 0})
		n := 0
		switch {
		case was == 0:
			n = 1
		case c.n == 0:
			n = -1
		default:
			continue
		}
		owners[c.Secret.Namespace] += n
		for _, name := range c.Names {
			if suffix, ok := strings.CutPrefix(name, "*."); ok {
				wildcards[suffix+"\n"+c.Secret.Namespace] += n
				suffixes[suffix] = true
			}
		}
	}
	x.served, x.owners, x.wildcards = x.served.with(changes), x.owners.with(owners), x.wildcards.with(wildcards)
	return suffixes
}

// moved are the changes that lead from the list of sites of what was known before
// to that of what is known now.
func (x *strict) moved(now *strict, changed []changedSite, suffixes map[string]bool) []change[strictSite] {
	var changes []change[strictSite]
	move := func(was, is *Site) {
		var from, to strictSite
		leaves, comes := false, false
		if was != nil {
			from, leaves = x.strictSite(was)
		}
		if is != nil {
			to, comes = now.strictSite(is)
		}
		if leaves && comes && from.compare(to) == 0 {
			leaves, comes = false, from != to
		}
		if leaves {
			changes = append(changes, change[strictSite]{from, true})
		}
		if comes {
			changes = append(changes, change[strictSite]{to, false})
		}
	}
	for _, c := range changed {
		move(c.was, c.is)
	}
	stay := x.staying(changed)
	if x.lowest() != now.lowest() {
		for s := range x.under.all() {
			stay(s.Site, move)
		}
		return changes
	}
	for suffix := range suffixes {
		if x.ownersOf(suffix) == now.ownersOf(suffix) {
			continue
		}
		for s := range x.under.from(func(s underSite) int { return strings.Compare(parent(s.Host), suffix) }) {
			if parent(s.Host) != suffix {
				break
			}
			stay(s.Site, move)
		}
	}
	return changes
}

// staying returns a function that moves a site of before, unless it is no more.
func (x *strict) staying(changed []changedSite) func(s *Site, move func(was, is *Site)) {
	gone := make(map[*Site]bool)
	for _, c := range changed {
		if c.was != nil {
			gone[c.was] = true
		}
	}
	return func(s *Site, move func(was, is *Site)) {
		if !gone[s] {
			move(s, s)
		}
	}
}
