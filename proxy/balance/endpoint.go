package balance

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingress421/ingress421/proxy/upstream"
)

const (
	firstRest   = time.Second
	longestRest = 30 * time.Second
	// probeEvery is the time between two probes of an endpoint of which the first
	// is not over, and how long a rest that is over waits for a request that can be
	// repeated.
	probeEvery = time.Second
	// lostInRow is how many connections in a row, without an answer between, an
	// endpoint may lose before it rests; lostByMost holds where more than half of
	// a backend's endpoints would rest.
	lostInRow  = 3
	lostByMost = 2 * lostInRow
)

// key is what identifies an endpoint. Any tenant's EndpointSlice may name any
// address: what his requests meet there must not move another's.
type key struct {
	namespace  string
	addr       netip.AddrPort
	protocol   upstream.Protocol
	serverName string
	caID       string
}

// endpoint is what is known of one, by whatever backends of a namespace name it. Times are in ns
// on the Registry's clock.
type endpoint struct {
	key      key
	addr     netip.AddrPort
	named    int // by how many backends that were not released; guarded by Registry.mu
	inFlight atomic.Int32
	// rest is when the endpoint may be probed; 0: it does not rest.
	rest atomic.Int64
	// fails is how often it has failed since it answered last. Written under mu.
	fails atomic.Int32
	// warming is since when it takes less than its share; 0: it does not.
	warming atomic.Int64

	mu     sync.Mutex
	rests  int   // guarded by mu; in a row
	failed int64 // guarded by mu; when it did so last
	began  int64 // guarded by mu; when the first of these rests did
	told   bool  // guarded by mu; the log says that it rests
}

func (e *endpoint) resting() bool { return e.rest.Load() != 0 }

// probe reports that a request that begins now is the one that finds out whether
// a rest that is over was long enough. safe: it can be repeated whatever becomes
// of it.
func (e *endpoint) probe(now int64, safe bool) bool {
	due := e.rest.Load()
	if due == 0 || now < due || !safe && now < due+int64(probeEvery) {
		return false
	}
	return e.rest.CompareAndSwap(due, now+int64(probeEvery))
}

// probeNow ends the time of a rest, though not the rest.
func (e *endpoint) probeNow(now int64) {
	if due := e.rest.Load(); due > now {
		e.rest.CompareAndSwap(due, now)
	}
}

// fail counts a failure of a request that was sent to the endpoint at a time, and
// has the endpoint rest if there were enough in a row. It returns for how long,
// if it is the first rest.
func (e *endpoint) fail(sent, now int64, enough int) (first time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if sent < e.failed {
		return 0
	}
	e.failed = now
	fails := e.fails.Add(1)
	if !e.resting() {
		if int(fails) < enough {
			return 0
		}
		e.began, e.rests = now, 0
	}
	d := restFor(e.rests)
	e.rests++
	e.rest.Store(now + int64(d))
	if e.rests > 1 {
		return 0
	}
	return d
}

// restFor is the length of a rest after n others.
func restFor(n int) time.Duration {
	d := longestRest
	if n < 5 {
		d = firstRest << n
	}
	return d - d/4 + rand.N(d/2)
}

// answer is told of a response to a request that was sent to the endpoint at a
// time. It returns for how long the endpoint had rested, if it did, and whether
// the log says so.
func (e *endpoint) answer(sent, now int64) (rested time.Duration, told bool) {
	if e.fails.Load() == 0 {
		return 0, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if sent < e.failed {
		return 0, false // what has failed since was sent later
	}
	e.fails.Store(0)
	if e.rest.Swap(0) == 0 {
		return 0, false
	}
	e.warming.Store(now)
	told, e.told = e.told, false
	return time.Duration(now - e.began), told
}

// tell notes whether the log says that the endpoint rests.
func (e *endpoint) tell(told bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = told && e.resting()
}
