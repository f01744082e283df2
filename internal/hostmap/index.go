package hostmap

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// entry is a site as Judge sees it on the usual way of a request: all that is
// read of the site there, key included, side by side. With a hundred thousand
// sites the cost of a look-up is the number of places in memory it goes to.
type entry struct {
	site *Site
	// class, sure, all, rule and report are the site's.
	class *Class
	sure  [2]*Certificate
	all   *Route
	// hash is part of the key's hash.
	hash uint32
	rule Rule
	// policed tells that the site's TLS policy asks for something.
	policed bool
	report  bool
	// length and key are the site's key, where it is short enough.
	length uint8
	key    [76]byte
}

func newEntry(s *Site) entry {
	e := entry{
		site: s, class: s.Class, sure: s.sure, all: s.all(),
		rule: s.Rule, policed: s.Policy.asks(), report: s.Report,
	}
	if key := indexKey(s); len(key) <= len(e.key) {
		e.length = uint8(copy(e.key[:], key))
	}
	return e
}

// indexKey is what a site is found by: its host, or what follows the "*." of
// a wildcard.
func indexKey(s *Site) string { return strings.TrimPrefix(s.Host, "*.") }

func (e *entry) is(key string) bool {
	if e.length != 0 {
		return string(e.key[:e.length]) == key
	}
	return indexKey(e.site) == key
}

// index finds entries by key. It is a hash table of its own, because the
// built-in map goes to more places.
type index struct {
	seed maphash.Seed
	// entries are twice as many as there are sites. A site's entry is where
	// the hash of its key says, or at the next place that was free; free ones
	// have no site.
	entries []entry
}

// newIndex indexes sites, no two of which have one key.
func newIndex(sites []*Site) index {
	if len(sites) == 0 {
		return index{}
	}
	x := index{seed: maphash.MakeSeed(), entries: make([]entry, 2*len(sites))}
	for _, s := range sites {
		i, hash := x.home(indexKey(s))
		for x.entries[i].site != nil {
			i = x.next(i)
		}
		x.entries[i] = newEntry(s)
		x.entries[i].hash = hash
	}
	return x
}

// home is the place where a key's entry is looked for first, and a part of the
// key's hash that does not decide on the place.
func (x *index) home(key string) (place int, rest uint32) {
	hash := maphash.String(x.seed, key)
	hi, _ := bits.Mul64(hash, uint64(len(x.entries)))
	return int(hi), uint32(hash)
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
		if e.hash == hash && e.is(key) {
			return e
		}
	}
}
