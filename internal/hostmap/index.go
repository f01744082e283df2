package hostmap

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"strings"
)

// entry is a site as Judge sees it on the usual way of a request: all that is
// read of the site there, key included. It has the size of a cache line,
// because with a hundred thousand sites the cost of a look-up is the number of
// places in memory it goes to.
type entry struct {
	site *Site
	// sure is the first of the site's, all is its own.
	sure *Certificate
	all  *Route
	// hash is part of the key's hash.
	hash uint32
	// minVersion is the class's.
	minVersion uint16
	is         traits
	// length and key are the site's key; of one that is longer, key begins
	// with where in the index's texts it stands.
	length uint8
	key    [32]byte
}

// traits are what Judge asks of a site with yes or no, and its rule.
type traits uint8

const (
	// ruleMask are the bits of the Rule.
	ruleMask traits = 1<<2 - 1
	// policed: the site's TLS policy asks for something.
	policed traits = 1 << 2
	// reporting: the site only reports.
	reporting traits = 1 << 3
	// gated: its class has trusted gateways.
	gated traits = 1 << 4
	// twice: there is a second sure certificate.
	twice traits = 1 << 5
	// closing: its class closes connections after a 421.
	closing traits = 1 << 6
)

func newEntry(s *Site) entry {
	e := entry{site: s, sure: s.sure[0], all: s.all(), minVersion: s.Class.MinVersion, is: traits(s.Rule)}
	if s.Policy.asks() {
		e.is |= policed
	}
	if s.Report {
		e.is |= reporting
	}
	if len(s.Class.TrustedGateways) != 0 {
		e.is |= gated
	}
	if s.sure[1] != nil {
		e.is |= twice
	}
	if s.Class.CloseOnMisdirected {
		e.is |= closing
	}
	return e
}

func (e *entry) rule() Rule { return Rule(e.is & ruleMask) }

// indexKey is what a site is found by: its host, or what follows the "*." of
// a wildcard.
func indexKey(s *Site) string { return strings.TrimPrefix(s.Host, "*.") }

// index finds entries by key. It is a hash table of its own, because the
// built-in map goes to more places.
type index struct {
	seed maphash.Seed
	// entries are twice as many as there are sites. A site's entry is where
	// the hash of its key says, or at the next place that was free; free ones
	// have no site.
	entries []entry
	// texts are the keys that entries have no room for.
	texts string
}

// newIndex indexes sites, no two of which have one key.
func newIndex(sites []*Site) index {
	if len(sites) == 0 {
		return index{}
	}
	x := index{seed: maphash.MakeSeed(), entries: make([]entry, 2*len(sites))}
	var texts strings.Builder
	for _, s := range sites {
		key := indexKey(s)
		i, hash := x.home(key)
		for x.entries[i].site != nil {
			i = x.next(i)
		}
		e := &x.entries[i]
		*e = newEntry(s)
		e.hash, e.length = hash, uint8(len(key)) // a host has at most 253 octets
		if copy(e.key[:], key) < len(key) {
			binary.LittleEndian.PutUint64(e.key[:], uint64(texts.Len()))
			texts.WriteString(key)
		}
	}
	x.texts = texts.String()
	return x
}

// home is the place where a key's entry is looked for first, and a part of the
// key's hash that does not decide on the place.
func (x *index) home(key string) (place int, hash uint32) {
	all := maphash.String(x.seed, key)
	hi, _ := bits.Mul64(all, uint64(len(x.entries)))
	return int(hi), uint32(all)
}

func (x *index) next(place int) int {
	if place++; place < len(x.entries) {
		return place
	}
	return 0
}

// find returns the entry of a key, or nil. It does not allocate.
func (x *index) find(key string) *entry {
	if len(x.entries) == 0 {
		return nil
	}
	for i, hash := x.home(key); ; i = x.next(i) {
		e := &x.entries[i]
		if e.site == nil {
			return nil
		}
		if e.hash == hash && int(e.length) == len(key) && x.has(e, key) {
			return e
		}
	}
}

// has tells whether a key of the entry's length is the entry's.
func (x *index) has(e *entry, key string) bool {
	if len(key) <= len(e.key) {
		return string(e.key[:len(key)]) == key
	}
	at := binary.LittleEndian.Uint64(e.key[:])
	return x.texts[at:at+uint64(len(key))] == key
}
