package hostmap

import (
	"cmp"
	"iter"
)

// tally counts keys, and shares what did not change as an [ordered] list does.
type tally[K cmp.Ordered] struct {
	ordered[counted[K]]
}

type counted[K cmp.Ordered] struct {
	key K
	n   int
}

func (c counted[K]) compare(o counted[K]) int { return cmp.Compare(c.key, o.key) }

// with returns the tally after so many more of some keys, or fewer.
func (t *tally[K]) with(more map[K]int) tally[K] {
	changes := make([]change[counted[K]], 0, len(more))
	for key, n := range more {
		if n != 0 {
			n += t.first(func(c counted[K]) int { return cmp.Compare(c.key, key) }).n
			changes = append(changes, change[counted[K]]{counted[K]{key, n}, n == 0})
		}
	}
	return tally[K]{t.ordered.with(changes)}
}

// keysFrom yields the keys that are counted, from one on.
func (t *tally[K]) keysFrom(key K) iter.Seq[K] {
	return func(yield func(K) bool) {
		for c := range t.from(func(c counted[K]) int { return cmp.Compare(c.key, key) }) {
			if !yield(c.key) {
				return
			}
		}
	}
}
