package balance

import (
	"math/bits"
	"slices"
	"time"

	"github.com/ingress421/ingress421/proxy/upstream"
)

// warmUp is for how long an endpoint that is new beside others, or has just come
// back, takes less than its share: a tenth at first, then more by and by. Caches
// fill and code is compiled by the first requests, and who was overloaded must
// not be so again at once.
const (
	warmUp    = 10 * time.Second
	leastWarm = warmUp / 10
)

// begin returns where the request with a number begins that is for any endpoint:
// there is one. safe: it can be repeated whatever becomes of it.
func (b *Backend) begin(turn uint64, now int64, safe bool) *member {
	if len(b.members) == 1 {
		return &b.members[0]
	}
	n := uint64(len(b.near))
	m := &b.near[turn%n]
	if !m.resting() {
		return b.lessLoaded(m, turn, now)
	}
	if m.probe(now, safe) {
		return m
	}
	// turn/n, as turn%n is the same each time that this member has its turn.
	if other := b.pick(turn/n, nil); other != nil {
		return other
	}
	return b.least(turn, nil)
}

// lessLoaded returns m, whose turn it is, or another of those that are near, drawn
// by lot, where that has fewer requests in flight. Of two so chosen the busier is
// seldom much busier than the rest, and to look at two is all it costs
// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
func (b *Backend) lessLoaded(m *member, turn uint64, now int64) *member {
	n := uint64(len(b.near))
	if n == 1 {
		return m
	}
	lot := mix(turn)
	if !m.takes(lot, now) {
		if other := pick(b.near, turn/n, (*member).steady); other != nil {
			return other
		}
		return m
	}
	skip, rest := bits.Mul64(lot, n-1)
	other := &b.near[(turn+1+skip)%n]
	if other.inFlight.Load() < m.inFlight.Load() && !other.resting() && other.takes(rest, now) {
		return other
	}
	return m
}

// takes says whether e takes a request with a lot: while it warms up, some.
func (e *endpoint) takes(lot uint64, now int64) bool {
	since := e.warming.Load()
	if since == 0 {
		return true
	}
	warm := now - since
	if warm >= int64(warmUp) {
		e.warming.CompareAndSwap(since, 0)
		return true
	}
	return int64(lot%uint64(warmUp)) < max(warm, int64(leastWarm))
}

// steady says that m neither rests nor warms up.
func (m *member) steady() bool { return !m.resting() && m.warming.Load() == 0 }

// holder returns the member to which the request's client has a connection that
// it is logged in on; nil: there is none.
func (b *Backend) holder(req *upstream.Request) *member {
	if !req.Login.HoldsAny() {
		return nil
	}
	for i := range b.members {
		if req.Login.Holds(b.members[i].pool, req) {
			return &b.members[i]
		}
	}
	return nil
}

// pick returns one of the members that do not rest and were not tried, those
// that are near before others, as many numbers as there are in turn; nil: there
// is none.
func (b *Backend) pick(turn uint64, tried []*endpoint) *member {
	fit := func(m *member) bool { return m.fit(tried) }
	if m := pick(b.near, turn, fit); m != nil {
		return m
	}
	return pick(b.members[len(b.near):], turn, fit)
}

// pick returns one of the members that are fit, as many numbers as there are in
// turn; nil: there is none.
func pick(among []member, turn uint64, fit func(*member) bool) *member {
	count := uint64(0)
	for i := range among {
		if fit(&among[i]) {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	at := turn % count
	var last *member
	for i := range among {
		if m := &among[i]; fit(m) {
			if last = m; at == 0 {
				break
			}
			at--
		}
	}
	return last // fewer by now, if another request has found one at fault
}

// fit says that m does not rest and was not tried.
func (m *member) fit(tried []*endpoint) bool {
	return !m.resting() && !slices.Contains(tried, m.endpoint)
}

// hasOther says that some member but m does not rest and was not tried.
func (b *Backend) hasOther(m *member, tried []*endpoint) bool {
	for i := range b.members {
		if other := &b.members[i]; other.endpoint != m.endpoint && other.fit(tried) {
			return true
		}
	}
	return false
}

// least returns, of the members that were not tried, one that has failed the
// least often in a row, as many numbers as there are in turn; nil: there is none.
func (b *Backend) least(turn uint64, tried []*endpoint) (least *member) {
	n := uint64(len(b.members))
	for i := range n {
		m := &b.members[(turn+i)%n]
		if !slices.Contains(tried, m.endpoint) && (least == nil || m.fails.Load() < least.fails.Load()) {
			least = m
		}
	}
	return least
}
