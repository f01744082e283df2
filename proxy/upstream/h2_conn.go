package upstream

import (
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
	"github.com/ingress421/ingress421/proxy/owned"
)

const (
	// idleHTTP2 is how long connections that speak HTTP/2 are kept. They say
	// GOAWAY before they close, so a longer limit risks nothing.
	idleHTTP2 = 60 * time.Second
	// pingEvery is how long a backend with requests to answer may say nothing
	// before it is asked whether it lives, pingWait how long that may take.
	pingEvery = 15 * time.Second
	pingWait  = 15 * time.Second
	// pingRest is the time between two questions while a backend says nothing
	// else: gRPC servers take more than two within 5 minutes for an abuse.
	pingRest = 310 * time.Second
	// h2MaxStreams bounds the streams of one connection, whatever the backend
	// allows.
	h2MaxStreams = 250
	// h2LastID is where a connection ends because identifiers run out.
	h2LastID = 1 << 30
)

// h2conn is a connection that speaks HTTP/2. It carries many exchanges at once.
type h2conn struct {
	set     *h2set        // immutable; told of free streams, and when the connection takes none any more
	nc      net.Conn      // immutable
	own     bool          // immutable; of one exchange alone
	buffers *buffers      // immutable
	streams *sync.Pool    // immutable; of *h2stream
	process *Budget       // immutable
	stall   time.Duration // immutable; how long a write may take, <= 0: for ever
	born    time.Time     // immutable

	// Owned by the read loop.
	rd      h2reader
	fr      *http2.Framer
	dec     *hpack.Decoder
	head    h2head
	control frame.Meter // frames of the backend's that serve nobody

	mu owned.Mutex // never held over a system call

	// Guarded by mu: streams.
	open      map[uint32]*h2stream
	reserved  int  // streams promised to exchanges that have not opened them
	max       int  // how many there may be; 1 until SETTINGS have come
	greeted   bool // SETTINGS have come
	tunnels   bool // ... and offer extended CONNECT (RFC 8441 section 3)
	nextID    uint32
	leaving   bool        // no new streams
	dead      *Error      // why the connection is over; nil: it is not
	closing   bool        // nc is to be closed when all is written
	woken     []*h2stream // to be told, before the next read, that something came
	recvAvail int         // connection window we gave
	out       frame.Out   // what we say
	broken    bool        // nothing can be written any more
	maxList   uint32      // the backend's SETTINGS_MAX_HEADER_LIST_SIZE
	earned    int64       // control frames that our requests may have caused
	paid      int64       // what was added to earned, ever

	slow atomic.Bool // the last write has blocked

	// Guarded by mu: the clock.
	timer     *time.Timer
	fire      int64 // when timer fires
	idleSince int64 // without a stream; 0: it has some
	busySince int64 // with one
	heard     int64 // when something else than a PING last came
	asked     int64 // when a PING was sent that was not answered; 0: none
	lastAsked int64 // when one was last sent
}

// newH2conn makes a connection of nc, whose TLS handshake, if any, is done. What
// is sent first leaves with the first request. The read loop is for the caller to
// start.
func newH2conn(t *h2set, nc net.Conn, own bool) *h2conn {
	c := &h2conn{
		set: t, nc: nc, own: own, buffers: &t.buffers, streams: &t.streams, process: &t.process,
		stall: t.cfg.SendTimeout, born: time.Now(),
		open: make(map[uint32]*h2stream), max: 1, nextID: 1, recvAvail: h2ConnWindow,
		maxList: math.MaxUint32, fire: math.MaxInt64, idleSince: 1,
	}
	c.out.Init(&c.mu, (*h2wire)(c), &t.frames, h2WriteBuf)
	c.rd.nc, c.rd.buffers, c.rd.clock, c.rd.before = nc, c.buffers, c.clock, c.tell
	c.fr = http2.NewFramer(io.Discard, &c.rd)
	c.fr.SetReuseFrames()
	c.dec = hpack.NewDecoder(4096, c.head.field)
	c.dec.SetMaxStringLength(h2MaxBlock)
	c.control = frame.NewMeter(h2ControlBurst, h2ControlRate)
	c.mu.Lock()
	c.appendPreface()
	c.timer = time.AfterFunc(math.MaxInt64, c.tick)
	c.arm(int64(idleHTTP2))
	c.mu.Unlock()
	return c
}

// clock is the connection's time: nanoseconds since it was made, never 0.
func (c *h2conn) clock() int64 { return int64(time.Since(c.born)) + 1 }

// serve is the read loop.
func (c *h2conn) serve() {
	var err error
	for err == nil {
		err = c.readFrame()
	}
	var he *h2Error
	switch {
	case errors.As(err, &he):
		reason := parseReason(he.err)
		c.mu.Lock()
		if c.dead == nil {
			c.appendGoAway(he.code)
		}
		c.fail(&Error{Reason: reason, Err: he.err, Sent: true})
		c.closeSoon()
		c.mu.Unlock()
	default:
		if err == io.EOF {
			err = errTruncated
		}
		c.kill(&Error{Reason: ReasonReset, Err: err, Sent: true})
	}
	c.mu.Lock()
	c.tellAll() // of what came before the end
	c.rd.drop()
	c.mu.Unlock()
}

// reserve promises a stream to the caller, who must open it or release it. With
// greeted, it does so only once SETTINGS have come.
func (c *h2conn) reserve(greeted bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if greeted && !c.greeted || c.leaving || c.dead != nil || len(c.open)+c.reserved >= c.max {
		return false
	}
	c.reserved++
	return true
}

// release gives a reserved stream back.
func (c *h2conn) release() {
	c.mu.Lock()
	c.reserved--
	c.freed()
	c.mu.Unlock()
}

// h2state is what a connection has for those who wait for a stream, the most
// hopeful last.
type h2state uint8

const (
	h2gone     h2state = iota // nothing
	h2closed                  // it allows no streams at present
	h2full                    // a stream, when another has ended
	h2greeting                // its SETTINGS are still to come
)

// state is what the connection has; patience is the time for its SETTINGS, <= 0:
// any.
func (c *h2conn) state(patience time.Duration) h2state {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.leaving || c.dead != nil:
		return h2gone
	case !c.greeted && patience > 0 && c.clock() > int64(patience):
		return h2gone
	case !c.greeted:
		return h2greeting
	case c.max == 0:
		return h2closed
	}
	return h2full
}

// leave says that no more streams are to be opened. Callers hold mu.
func (c *h2conn) leave() {
	if !c.leaving {
		c.leaving = true
		c.set.remove(c)
	}
	c.freed()
}

// retire closes the connection when it has no streams any more.
func (c *h2conn) retire() {
	c.mu.Lock()
	c.leave()
	c.mu.Unlock()
}

// freed is called when there may be a stream for another exchange, or no use for
// the connection. Callers hold mu.
func (c *h2conn) freed() {
	switch {
	case len(c.open)+c.reserved > 0:
	case c.dead != nil:
	case c.leaving || c.own:
		c.appendGoAway(http2.ErrCodeNo)
		c.fail(&Error{Reason: ReasonReset, Err: net.ErrClosed})
		c.closeSoon()
	case c.idleSince == 0:
		c.idleSince = c.clock()
		c.arm(c.idleSince + int64(idleHTTP2))
	}
	if !c.leaving {
		// Those who wait know already of one that leaves, and take part in a
		// dialling: it would end when they look again.
		c.set.wake(1)
	}
}

// fail ends the connection and all its streams; e says of those that were
// written what became of them. Callers hold mu.
func (c *h2conn) fail(e *Error) {
	if c.dead != nil {
		return
	}
	c.dead = e
	c.leave()
	c.timer.Stop()
	for _, s := range c.open {
		of := e
		if s.at >= c.out.Taken() {
			of = &Error{Reason: ReasonRefused, Err: e.Err} // nothing of it was written
		}
		s.fail(of)
	}
	c.out.Stop()
}

// closeSoon closes the socket when all that we say was written, or cannot be.
// Callers hold mu.
func (c *h2conn) closeSoon() {
	c.closing = true
	// Whoever flushes may be stuck.
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	go func() {
		c.out.FlushAll(0)
		c.mu.Lock()
		c.out.AwaitFlushed()
		c.mu.Unlock()
		hangUp(c.nc)
	}()
}

// kill closes the connection at once.
func (c *h2conn) kill(e *Error) {
	c.mu.Lock()
	c.fail(e)
	closing := c.closing
	c.mu.Unlock()
	if !closing {
		hangUp(c.nc)
	}
}

// closeStream takes s off the connection, and gives its place to another.
// Callers hold mu.
func (c *h2conn) closeStream(s *h2stream) {
	if s.closed {
		return
	}
	s.closed = true
	c.out.Forget(&s.out)
	delete(c.open, s.id)
	c.freed()
}

// tell wakes those for whom something has come, all at once before the next read:
// by then a small response is whole. What must be written meanwhile another
// goroutine writes, since a backend that writes before it reads must be heard.
func (c *h2conn) tell() {
	c.mu.Lock()
	c.tellAll()
	for c.out.Full() && !c.broken && c.dead == nil {
		c.watchWrite()
		c.out.AwaitRoom()
	}
	c.flushSoon()
	c.mu.Unlock()
}

// tellAll wakes those for whom something has come. Callers hold mu.
func (c *h2conn) tellAll() {
	for i, s := range c.woken {
		s.inWoken = false
		s.cond.Broadcast()
		c.woken[i] = nil
	}
	c.woken = c.woken[:0]
}

// wake has the stream's owner told that something has come. Callers hold mu.
func (c *h2conn) wake(s *h2stream) {
	if !s.inWoken {
		s.inWoken = true
		c.woken = append(c.woken, s)
	}
}

// gone is for frames of a stream that is not open: one that was never opened is
// an error of the connection (RFC 9113 section 5.1). Callers hold mu.
func (c *h2conn) gone(id uint32) error {
	if id%2 == 0 || id >= c.nextID {
		return h2Protocol("frame on an idle stream")
	}
	return nil
}
