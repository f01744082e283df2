package balance

import (
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
	// members are all endpoints, near the first of them, which take requests
	// before the rest: those that are meant for this node's zone, or all.
	members, near []member
	uid           string // of the Service

	seek  sync.Once
	found *homes // made by seek
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
	named    int           // by how many Backends that were not released; guarded by Registry.mu
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
