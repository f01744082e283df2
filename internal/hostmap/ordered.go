package hostmap

import (
	"iter"
	"slices"
	"sort"
)

// item is what an [ordered] list holds. Two items that compare equal are one
// place in the list.
type item[T any] interface {
	comparable
	compare(T) int
}

// ordered is a sorted list that shares what did not change with those it was
// made from, and those that are made from it: it is kept in chunks, and a change
// copies the chunks it falls into. It is immutable, the zero one empty.
type ordered[T item[T]] struct {
	chunks [][]T // none empty
	count  int
}

const (
	// chunkMost bounds a chunk, chunkFull is how long chunks are made and
	// chunkLeast is what is joined with its neighbour.
	chunkMost, chunkFull, chunkLeast = 256, 192, 64
)

// change sets an item, or takes the one that compares equal away.
type change[T item[T]] struct {
	item T
	gone bool
}

// with returns the list after some changes, each of another item, in any order;
// it sorts them.
func (o *ordered[T]) with(changes []change[T]) ordered[T] {
	if len(changes) == 0 {
		return *o
	}
	slices.SortFunc(changes, func(a, b change[T]) int { return a.item.compare(b.item) })
	out := ordered[T]{chunks: make([][]T, 0, len(o.chunks)+1+2*len(changes)/chunkFull), count: o.count}
	at := 0
	for len(changes) != 0 && at < len(o.chunks) {
		// The chunk that the first change falls into, and all of its changes.
		to := max(at, o.chunkOf(func(i T) int { return i.compare(changes[0].item) }))
		out.chunks = append(out.chunks, o.chunks[at:to]...)
		n := len(changes)
		if to+1 < len(o.chunks) {
			after := o.chunks[to+1][0]
			n = sort.Search(n, func(i int) bool { return changes[i].item.compare(after) >= 0 })
		}
		out.add(merge(o.chunks[to], changes[:n]), len(o.chunks[to]))
		at, changes = to+1, changes[n:]
	}
	if at < len(o.chunks) {
		out.chunks = append(out.chunks, o.chunks[at:]...)
	}
	if len(changes) != 0 { // The list was empty.
		out.add(merge(nil, changes), 0)
	}
	return out
}

// add appends items that took the place of so many others, in chunks.
func (o *ordered[T]) add(items []T, before int) {
	o.count += len(items) - before
	if last := len(o.chunks) - 1; len(items) < chunkLeast && last >= 0 && len(o.chunks[last])+len(items) <= chunkMost {
		items = slices.Concat(o.chunks[last], items)
		o.chunks = o.chunks[:last]
	}
	for len(items) > chunkMost {
		o.chunks = append(o.chunks, slices.Clone(items[:chunkFull]))
		items = items[chunkFull:]
	}
	if len(items) != 0 {
		o.chunks = append(o.chunks, slices.Clip(items))
	}
}

// merge returns sorted items after sorted changes.
func merge[T item[T]](items []T, changes []change[T]) []T {
	out := make([]T, 0, len(items)+len(changes))
	for _, c := range changes {
		n := 0
		for n < len(items) && items[n].compare(c.item) < 0 {
			n++
		}
		out = append(out, items[:n]...)
		if n < len(items) && items[n].compare(c.item) == 0 {
			n++
		}
		items = items[n:]
		if !c.gone {
			out = append(out, c.item)
		}
	}
	return append(out, items...)
}

// chunkOf returns the last chunk that begins with an item at which at is at most
// 0, else the first.
func (o *ordered[T]) chunkOf(at func(T) int) int {
	return max(0, sort.Search(len(o.chunks), func(i int) bool { return at(o.chunks[i][0]) > 0 })-1)
}

// from yields the items from the first on at which at is not negative. at grows
// with its item, as compare does.
func (o *ordered[T]) from(at func(T) int) iter.Seq[T] {
	return func(yield func(T) bool) {
		if len(o.chunks) == 0 {
			return
		}
		for i := o.chunkOf(func(t T) int { return cmpAfter(at(t)) }); i < len(o.chunks); i++ {
			c := o.chunks[i]
			for _, t := range c[sort.Search(len(c), func(j int) bool { return at(c[j]) >= 0 }):] {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// cmpAfter has chunkOf find the last chunk that begins before the place looked
// for, which may hold it.
func cmpAfter(at int) int {
	if at >= 0 {
		return 1
	}
	return -1
}

// first returns the first item at which at is 0, the zero one for none.
func (o *ordered[T]) first(at func(T) int) (found T) {
	for t := range o.from(at) {
		if at(t) == 0 {
			return t
		}
		break
	}
	return found
}

// all yields the items in order.
func (o *ordered[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, c := range o.chunks {
			for _, t := range c {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// since yields what differs from a list before: the item that was and the one
// that is, either of which may be the zero one. It does not look into chunks that
// both lists have.
func (o *ordered[T]) since(before *ordered[T]) iter.Seq2[T, T] {
	return func(yield func(before, after T) bool) {
		var none T
		a, b := cursor[T]{left: before.chunks}, cursor[T]{left: o.chunks}
		for {
			skipShared(&a, &b)
			old, was := a.item()
			now, is := b.item()
			switch order := 0; {
			case !was && !is:
				return
			case was && is:
				if order = old.compare(now); order < 0 {
					now, is = none, false
				} else if order > 0 {
					old, was = none, false
				}
			}
			if old != now && !yield(old, now) {
				return
			}
			if was {
				a.at++
			}
			if is {
				b.at++
			}
		}
	}
}

// cursor is a place in a list: an item of the first chunk that is left.
type cursor[T item[T]] struct {
	left [][]T
	at   int
}

func (c *cursor[T]) item() (t T, ok bool) {
	if len(c.left) != 0 && c.at == len(c.left[0]) {
		c.left, c.at = c.left[1:], 0
	}
	if len(c.left) == 0 {
		return t, false
	}
	return c.left[0][c.at], true
}

// skipShared moves two cursors past the chunks that their lists share.
func skipShared[T item[T]](a, b *cursor[T]) {
	for {
		_, more := a.item()
		_, moreToo := b.item()
		if !more || !moreToo || a.at != 0 || b.at != 0 || &a.left[0][0] != &b.left[0][0] || len(a.left[0]) != len(b.left[0]) {
			return
		}
		a.left, b.left = a.left[1:], b.left[1:]
	}
}
