package balance

import (
	"errors"
	"math"
	"net/netip"
	"syscall"
	"time"

	"github.com/ingress421/ingress421/proxy/upstream"
)

const (
	// leastConnect and connectShare bound what one of several endpoints gets of the
	// time to connect: the latter is a part of all of it.
	leastConnect = 250 * time.Millisecond
	connectShare = 10
	// tooLittle is not worth another try.
	tooLittle = 10 * time.Millisecond
	// maxRepeats is how often a request is repeated that a backend may have seen.
	maxRepeats = 2
)

// Turn is one request's way through the endpoints of its backend. It belongs to
// one goroutine, and can be used again once it is zero.
type Turn struct {
	backend *Backend
	req     *upstream.Request
	number  uint64
	aim     aim
	m       *member
	sent    int64 // when the present try began

	total, left time.Duration // to connect in; total <= 0: no limit
	tried       []*endpoint
	repeats     int // of what may have been seen
}

// AimAt has the request go where all others of a key go, to one of so many
// endpoints, as long as they do not rest. It is called before Begin.
func (t *Turn) AimAt(key Key, among int) {
	t.aim = aim{kind: atKey, key: key, among: uint64(max(among, 1))}
}

// Resume has the request go to the endpoint of a session, which [Backend.Session]
// has read, or, where known is false, begin one. It is called before Begin.
func (t *Turn) Resume(session SessionKey, known bool, tie Tie) {
	t.aim = aim{kind: atSession, session: session, known: known, Tie: tie}
}

// Begin picks the endpoint that req is sent to first, now, and says in req how
// long connecting may take. It returns false if there is none; else End must be
// called when req has its response, or is given up.
func (t *Turn) Begin(b *Backend, req *upstream.Request, now time.Time) bool {
	t.backend, t.req = b, req
	t.sent = b.registry.clock(now)
	t.number = b.ledger.requests.Add(1)
	if len(b.members) == 0 {
		return false
	}
	if t.m = b.holder(req); t.m == nil {
		t.m = t.aim.find(b, t.number, t.sent, t.safe())
	}
	if t.m == nil {
		turn := t.number
		if t.aim.kind != atAny {
			turn = mix(turn) // by lot: those that are at home count too, as they come
		}
		t.m = b.begin(turn, t.sent, t.safe())
	}
	t.m.inFlight.Add(1)
	t.total = req.ConnectTimeout
	if t.total == 0 {
		t.total = b.registry.connectTimeout
	}
	t.left = t.total
	if len(b.members) > 1 {
		t.allot(len(b.members) - 1)
	}
	return true
}

// Pool is where the request is sent now.
func (t *Turn) Pool() *upstream.Pool { return t.m.pool }

// Endpoint is the address of the endpoint that the request is sent to now.
func (t *Turn) Endpoint() netip.AddrPort { return t.m.addr }

// End is told when the request uses no endpoint any more.
func (t *Turn) End() { t.m.inFlight.Add(-1) }

// Answered is told that the head of a response came.
func (t *Turn) Answered() {
	if t.m.fails.Load() == 0 {
		return
	}
	now := t.backend.registry.clock(time.Now())
	if rested, told := t.m.answer(t.sent, now); rested > 0 {
		t.backend.probeOthers(now)
		if told {
			t.backend.tellBack(t.m.endpoint, rested)
		}
	}
}

// Cookie returns what the client of a session is to bring from now on; false:
// nothing else than it has. It is called behind Answered.
func (t *Turn) Cookie() (value string, ok bool) { return t.aim.cookie(t.backend, t.m.endpoint) }

// Misdirected is told that the response was a 421. That is about a connection, so
// that a fresh one may do better (RFC 9110 section 15.5.20), here or elsewhere.
// again: the request is to be sent once more, by Pool.
func (t *Turn) Misdirected() (again bool) {
	t.Answered()
	if t.req.Fresh || t.req.Body != nil || t.req.Upgrade != "" {
		return false
	}
	t.tried = append(t.tried, t.m.endpoint)
	next, _ := t.other()
	if next == nil {
		next = t.m
	}
	if !t.afford() {
		return false
	}
	t.req.Fresh = true
	t.turnTo(next, t.backend.registry.clock(time.Now()))
	return true
}

// Failed is told that there was no response, and why. again: the request is to be
// sent once more, by Pool.
func (t *Turn) Failed(err error) (again bool) {
	var e *upstream.Error
	if !errors.As(err, &e) {
		return false
	}
	now := t.backend.registry.clock(time.Now())
	t.count(e, now)
	unseen := !e.Sent && !e.BodyRead && (noConnection(e) || e.Reason == upstream.ReasonRefused)
	switch {
	case unseen:
		if noConnection(e) && !t.spend(now) {
			return false
		}
	case lost(e) && t.safe() && t.repeats < maxRepeats:
		t.repeats++
	default:
		return false
	}
	t.tried = append(t.tried, t.m.endpoint)
	next, rests := t.other()
	if next == nil {
		if next = t.sameAgain(unseen); next == nil {
			return false
		}
	}
	free := noConnection(e) && t.m.resting() && !rests
	if !free && !t.afford() {
		return false
	}
	t.turnTo(next, now)
	return true
}

// safe says that the request can be repeated whatever has become of it (RFC 9110
// section 9.2.2).
func (t *Turn) safe() bool {
	return t.req.Body == nil && t.req.Upgrade == "" && t.req.Idempotent()
}

// noConnection says that the endpoint took no connection, or none that can be
// used.
func noConnection(e *upstream.Error) bool {
	switch e.Reason {
	case upstream.ReasonConnect, upstream.ReasonConnectTimeout, upstream.ReasonTLS:
		return true
	}
	return false
}

// lost says that the connection ended before the first octet of a response.
func lost(e *upstream.Error) bool { return e.Reason == upstream.ReasonReset && e.Silent }

// ours says that it is this machine that has too little of something.
func ours(err error) bool {
	for _, errno := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// count holds a failure against the endpoint, if it is one of the endpoint's.
func (t *Turn) count(e *upstream.Error, now int64) {
	enough := 1
	switch {
	case e.Reason == upstream.ReasonTLS && t.req.ServerName != "", ours(e.Err):
		return
	case noConnection(e):
	case e.Reason == upstream.ReasonCanceled && !e.Sent && !e.BodyRead && now-t.sent >= int64(leastConnect):
		// The client did not wait as long as we would have.
	case lost(e):
		enough = t.backend.enoughLost(t.m.endpoint)
	default:
		return
	}
	if len(t.backend.members) < 2 {
		enough = math.MaxInt // Somebody has to take the requests.
	}
	if rest := t.m.fail(t.sent, now, enough); rest > 0 {
		t.backend.ledger.ejections.Add(1)
		t.m.tell(t.backend.tellRest(t.m.endpoint, e, rest))
	}
}

// spend takes the time that the present try had off what is left to connect in.
// It returns false if no more than that is left.
func (t *Turn) spend(now int64) bool {
	if t.total <= 0 {
		return true
	}
	spent := time.Duration(now - t.sent)
	if given := t.req.ConnectTimeout; given > 0 {
		// The TLS handshake has as long as the connection before it. What is over
		// that was not for connecting.
		spent = min(spent, 2*given)
	}
	t.left -= spent
	return t.left > tooLittle
}

// other returns an endpoint of the newest map that was not tried, one that does
// not rest if there is one, and whether it does; nil: there is none.
func (t *Turn) other() (next *member, rests bool) {
	t.backend = t.backend.ledger.newest.Load()
	turn := t.number + uint64(len(t.tried))
	if next = t.aim.instead(t.backend, t.tried); next != nil {
		return next, false
	}
	if next = t.backend.pick(turn, t.tried); next != nil {
		return next, false
	}
	return t.backend.least(turn, t.tried), true
}

// sameAgain returns the only endpoint there is for a request that it may not have
// seen; nil: there is none, or it cannot be expected to do better.
func (t *Turn) sameAgain(unseen bool) *member {
	if unseen || t.req.Fresh || len(t.backend.members) != 1 || t.backend.members[0].endpoint != t.m.endpoint {
		return nil
	}
	t.req.Fresh = true
	return &t.backend.members[0]
}

// afford spends a token of the backend's.
func (t *Turn) afford() bool {
	l := t.backend.ledger
	if l.budget.take(t.backend.registry.clock(time.Now()), l.requests.Load()) {
		return true
	}
	l.overBudget.Add(1)
	return false
}

// turnTo makes m the one to send the request to.
func (t *Turn) turnTo(m *member, now int64) {
	t.m.inFlight.Add(-1)
	m.inFlight.Add(1)
	t.m, t.sent = m, now
	t.backend.ledger.retries.Add(1)
	t.allot(len(t.backend.members) - len(t.tried) - 1)
}

// allot says in the request how long connecting may take now that others of its
// endpoints can still be tried.
func (t *Turn) allot(others int) {
	total, left := t.total, t.left
	if total <= 0 {
		if others <= 0 {
			t.req.ConnectTimeout = -1
			return
		}
		total, left = upstream.DefaultConnectTimeout, upstream.DefaultConnectTimeout
	}
	if others <= 0 {
		t.req.ConnectTimeout = left
		return
	}
	give := left / 2
	if t.backend.hasOther(t.m, t.tried) {
		give = min(give, max(total/connectShare, leastConnect))
	}
	t.req.ConnectTimeout = give
}
