package hostmap

import (
	"hash/maphash"
	"math/bits"
	"slices"
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
	slot Slot
	// tag is part of the key's hash. Its lowest bits say where in its shard the
	// entry is looked for first.
	tag uint16
	// minor is the class's lowest TLS version, without the 3 of its first octet.
	minor uint8
	is    traits
	// length is that of the site's key, and key is the key, or how it begins.
	length uint8
	key    [31]byte
}

// Slot is a number that no other site of a map has. A host keeps its own from a
// map to the one that is made of it with an [Editor], so that what belongs to
// hosts can stand in an array. 0 is no site's.
type Slot uint32

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
	// anyVersion: its class has no lowest TLS version.
	anyVersion traits = 1 << 7
)

func newEntry(s *Site, slot Slot) entry {
	e := entry{site: s, sure: s.sure[0], all: s.all(), slot: slot, minor: uint8(s.Class.MinVersion), is: traits(s.Rule)}
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
	if s.Class.MinVersion == 0 {
		e.is |= anyVersion
	}
	return e
}

func (e *entry) rule() Rule { return Rule(e.is & ruleMask) }

// below tells whether a TLS version is below the class's lowest.
func (e *entry) below(version uint16) bool {
	return version < 3<<8|uint16(e.minor) && e.is&anyVersion == 0
}

// indexKey is what a site is found by: its host, or what follows the "*." of
// a wildcard.
func indexKey(s *Site) string { return strings.TrimPrefix(s.Host, "*.") }

// index finds entries by key. It is a hash table of its own, because the
// built-in map goes to more places and cannot share what did not change with the
// index of another map. It is immutable, the zero one empty.
type index struct {
	seed maphash.Seed
	// shards are chosen by the highest bits of a key's hash.
	shards []*shard
	// counts are how many entries each shard has, count is how many all have.
	counts []uint8
	count  int
}

// shard is a hash table that is copied as a whole. An entry is where its tag
// says, or at the next place that was free; free ones have no site, and one at
// least is free. It has the size of a page of memory.
type shard [shardSize]entry

const (
	shardSize = 64
	// shardMean is how many entries a shard of a new index has in the mean, and
	// shardMost how many one may have: with more, all are dealt out anew, which
	// a seed brings about once in thousands of times for a million sites.
	shardMean, shardMost = 28, 60
)

// with returns the index without some keys, and with some entries, each of which
// takes the place of the one of its key.
func (x *index) with(gone []string, set []entry) index {
	if len(gone) == 0 && len(set) == 0 {
		return *x
	}
	if len(x.shards) == 0 {
		return x.anew(gone, set)
	}
	out := index{seed: x.seed, shards: slices.Clone(x.shards), counts: slices.Clone(x.counts), count: x.count}
	own := make([]bool, len(x.shards))
	for _, key := range gone {
		out.remove(key, own)
	}
	for i := range set {
		e := set[i]
		if !out.put(&e, own) {
			return x.anew(gone, set)
		}
	}
	if len(out.shards) > 1 && out.count < len(out.shards)*shardMean/3 {
		return x.anew(gone, set)
	}
	return out
}

// anew is with, of shards that have their mean number of entries. Seeds are
// tried until no shard has too many.
func (x *index) anew(gone []string, set []entry) index {
	stale := make(map[string]bool, len(gone)+len(set))
	for _, key := range gone {
		stale[key] = true
	}
	for i := range set {
		stale[indexKey(set[i].site)] = true
	}
	var all []entry
	for _, s := range x.shards {
		for i := range s {
			if s[i].site != nil && !stale[indexKey(s[i].site)] {
				all = append(all, s[i])
			}
		}
	}
	all = append(all, set...)
	if len(all) == 0 {
		return index{}
	}
	n := (len(all) + shardMean - 1) / shardMean
	for {
		out := index{seed: maphash.MakeSeed(), shards: make([]*shard, n), counts: make([]uint8, n)}
		own := make([]bool, n)
		for i := range out.shards {
			out.shards[i], own[i] = new(shard), true
		}
		room := true
		for i := 0; i < len(all) && room; i++ {
			room = out.put(&all[i], own)
		}
		if room {
			return out
		}
	}
}

// shardOf returns a shard of an index under construction, to be changed. own are
// those that are no other index's.
func (x *index) shardOf(i int, own []bool) *shard {
	if !own[i] {
		own[i] = true
		s := *x.shards[i]
		x.shards[i] = &s
	}
	return x.shards[i]
}

// put adds an entry to an index under construction, in the place of that of its
// key where there is one. It tells whether there was room.
func (x *index) put(e *entry, own []bool) bool {
	key := indexKey(e.site)
	at, tag := x.home(key)
	e.tag, e.length, e.key = tag, uint8(len(key)), [len(e.key)]byte{} // a host has at most 253 octets
	copy(e.key[:], key)
	s := x.shardOf(at, own)
	if old := s.find(key, tag); old != nil {
		*old = *e
		return true
	}
	if x.counts[at] == shardMost {
		return false
	}
	x.counts[at]++
	x.count++
	s.add(e)
	return true
}

// remove takes the entry of a key out of an index under construction.
func (x *index) remove(key string, own []bool) {
	at, tag := x.home(key)
	s := x.shardOf(at, own)
	e := s.find(key, tag)
	if e == nil {
		return
	}
	x.counts[at]--
	x.count--
	gone, old := e.site, *s
	*s = shard{}
	for i := range old {
		if old[i].site != nil && old[i].site != gone {
			s.add(&old[i])
		}
	}
}

// add puts an entry at the first place that is free for it.
func (s *shard) add(e *entry) {
	i := e.tag % shardSize
	for s[i].site != nil {
		i = (i + 1) % shardSize
	}
	s[i] = *e
}

// home is the number of the shard that has a key, and the tag of the key's entry.
func (x *index) home(key string) (shard int, tag uint16) {
	all := maphash.String(x.seed, key)
	hi, _ := bits.Mul64(all, uint64(len(x.shards)))
	return int(hi), uint16(all)
}

// find returns the entry of a key, or nil. It does not allocate.
func (x *index) find(key string) *entry {
	if len(x.shards) == 0 {
		return nil
	}
	i, tag := x.home(key)
	return x.shards[i].find(key, tag)
}

func (s *shard) find(key string, tag uint16) *entry {
	for i := tag % shardSize; ; i = (i + 1) % shardSize {
		e := &s[i]
		if e.site == nil {
			return nil
		}
		if e.tag == tag && int(e.length) == len(key) && e.has(key) {
			return e
		}
	}
}

// has tells whether a key of the entry's length is the entry's.
func (e *entry) has(key string) bool {
	if len(key) <= len(e.key) {
		return string(e.key[:len(key)]) == key
	}
	return string(e.key[:]) == key[:len(e.key)] && indexKey(e.site) == key
}
