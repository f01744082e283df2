package balance

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Backend is a Service port with the endpoints that one host map names. It is
// immutable; what changes is in its endpoints and its ledger.
type Backend struct {
	registry *Registry
	ledger   *ledger
	members  []member
}

// member is an endpoint of a backend, and how it is reached. An endpoint that is
// named again gets another pool once its first one was let go.
type member struct {
	*endpoint
	pool *upstream.Pool
}

// ledger is what is known of a backend whatever its endpoints, and so outlives
// host maps.
type ledger struct {
	key      backendKey
	named    uint64        // by which map last; guarded by Registry.mu
	requests atomic.Uint64 // begun; also whose turn it is
	budget   budget
	newest   atomic.Pointer[Backend] // of the newest map

	retries, overBudget, ejections atomic.Uint64

	mu    sync.Mutex
	since int64 // guarded by mu; beginning of the span in which lines are counted
	lines int   // guarded by mu; logged in it
}

// backendKey tells backends from one another as the compiler does.
type backendKey struct {
	namespace, service, port string
	protocol                 hostmap.Protocol
	serverName               string
	caID                     [32]byte
}

// begin counts a request, and returns its number and where it begins: nil where
// there are no endpoints. safe: it can be repeated whatever becomes of it.
func (b *Backend) begin(now int64, safe bool) (turn uint64, m *member) {
	n := uint64(len(b.members))
	turn = b.ledger.requests.Add(1)
	switch n {
	case 0:
		return turn, nil
	case 1:
		return turn, &b.members[0]
	}
	m = &b.members[turn%n]
	if !m.resting() || m.probe(now, safe) {
		return turn, m
	}
	// turn/n, as turn%n is the same each time that this member has its turn.
	if other := b.pick(turn/n, nil); other != nil {
		return turn, other
	}
	return turn, b.least(turn, nil)
}

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

// pick returns one of the members that do not rest and were not tried, as many
// numbers as there are in turn; nil: there is none.
func (b *Backend) pick(turn uint64, tried []*endpoint) *member {
	count := uint64(0)
	for i := range b.members {
		if b.members[i].fit(tried) {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	at := turn % count
	var last *member
	for i := range b.members {
		if m := &b.members[i]; m.fit(tried) {
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

// enoughLost is how many connections lost in a row have e rest.
func (b *Backend) enoughLost(e *endpoint) int {
	rest := 1
	for i := range b.members {
		if m := &b.members[i]; m.endpoint != e && m.resting() {
			rest++
		}
	}
	if 2*rest > len(b.members) {
		return lostByMost
	}
	return lostInRow
}

// probeOthers has all that rest probed at once.
func (b *Backend) probeOthers(now int64) {
	for i := range b.members {
		b.members[i].probeNow(now)
	}
}
