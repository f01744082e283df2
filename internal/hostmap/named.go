package hostmap

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// named is a backend with the number of routes that name it. Backends of one key
// (one Service port, asked in one way) are told apart by turn.
type named struct {
	*Backend
	turn, n int
}

func (b named) compare(o named) int {
	if c := b.Backend.compare(o.Backend); c != 0 {
		return c
	}
	return cmp.Compare(b.turn, o.turn)
}

// compare orders backends by Service. Equal are those of one key.
func (k *Backend) compare(o *Backend) int {
	// One after the other: lists of them are sorted.
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(k.Service, o.Service); c != 0 {
		return c
	}
	if c := strings.Compare(k.Port, o.Port); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(k.Protocol, o.Protocol),
		strings.Compare(k.ServerName, o.ServerName),
		bytes.Compare(k.CAID[:], o.CAID[:]),
	)
}

// withNamed returns a list of backends of which some are named by so many more
// routes, or by fewer.
func withNamed(list *ordered[named], more map[*Backend]int) ordered[named] {
	changes := make([]change[named], 0, len(more))
	for b, n := range more {
		if n != 0 {
			changes = append(changes, change[named]{item: named{b, -1, n}})
		}
	}
	slices.SortFunc(changes, func(a, b change[named]) int { return a.item.Backend.compare(b.item.Backend) })
	last := -1 // turn of the key
	for i := range changes {
		c := &changes[i].item
		if i == 0 || changes[i-1].item.Backend.compare(c.Backend) != 0 {
			last = -1
		}
		for k := range list.from(func(k named) int { return k.Backend.compare(c.Backend) }) {
			if k.Backend.compare(c.Backend) != 0 {
				break
			}
			if last = max(last, k.turn); k.Backend == c.Backend {
				c.turn, c.n = k.turn, k.n+c.n
			}
		}
		if c.turn < 0 {
			last++
			c.turn = last
		}
		changes[i].gone = c.n == 0
	}
	return list.with(changes)
}
