package h2

import (
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
	"github.com/ingress421/ingress421/proxy/owned"
)

// Conn is one client's connection.
type Conn struct {
	nc     net.Conn  // immutable
	cork   *Cork     // beneath nc, or nil; immutable
	socket patient   // below both; nil where that is none; immutable
	engine *Engine   // immutable
	limits Limits    // immutable
	born   time.Time // immutable
	data   any       // the owner's; immutable

	loop owned.Goroutine // the read loop

	// Owned by the read loop.
	rd      frame.Reader
	fr      *http2.Framer
	dec     *hpack.Decoder
	head    headBlock
	now     int64       // clock at the last read
	inData  bool        // the frame that is not whole is DATA
	partial bool        // partialSince is set
	resets  frame.Meter // streams reset before the response's end, and requests refused
	control frame.Meter // unearned control frames
	tiny    frame.Meter // unearned DATA frames of next to nothing, and on streams that are gone

	mu owned.Mutex // never held over a system call

	// Guarded by mu: what comes in.
	streams      map[uint32]*Stream // open or half-closed
	lingering    frame.List         // ... those of them that only the client has to end; first answered first
	running      uint32             // Handle calls under way
	opened       uint64             // streams ever
	maxID        uint32             // highest stream the client has used
	recv         inflow             // connection window we gave
	widened      int32              // by how much the windows of streams are larger than StreamWindow
	dead         bool               // nothing is read or written any more
	stop         string             // why the read loop shall end in good order
	reason       string             // why the connection ended; the first holds
	resetIDs     []uint32           // ring of streams we have reset lately
	resetNext    int
	partialSince int64            // when the read loop began to wait for what is missing of a frame or header block
	partialData  bool             // ... which is a DATA frame
	early        map[uint32]uint8 // urgencies of streams that are not yet open; nil while there are none

	// Guarded by mu: what goes out.
	out     outgoing
	acked   bool  // our SETTINGS were acknowledged
	weighed int64 // when weigh last looked
	pace    Pace  // of the DATA that waits for its turn

	// Guarded by mu: the clocks.
	timer     *time.Timer
	greetTime int64  // when the client's SETTINGS came; 0: not yet. Written by the read loop
	cold      bool   // the timer waits for the idle timeout, the read loop holds no buffer
	cool      bool   // the read loop shall give its buffer back
	idleSince int64  // 0: not idle at the last tick
	seen      uint64 // opened at the last tick
	expires   int64  // when MaxAge drains the connection; 0: never

	// Guarded by mu: drain.
	draining   bool   // Drain was called
	drainSince int64  // when the first GOAWAY was sent; 0: not yet
	lastSent   bool   // the second GOAWAY was sent
	lastID     uint32 // ... with this stream
}

func newConn(g *Engine, nc net.Conn, limits Limits, data any) *Conn {
	c := &Conn{engine: g, nc: nc, limits: limits, data: data, born: time.Now()}
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		c.cork, _ = t.NetConn().(*Cork)
	}
	c.socket = socketOf(nc)
	c.out.Init(&c.mu, (*wire)(c), &g.buffers, writeBuffer)
	c.out.tableSize = tableLimit
	c.recv.init(c.limits.ConnWindow)
	c.rd.Init((*source)(c), &g.buffers)
	c.fr = http2.NewFramer(io.Discard, &c.rd)
	c.fr.SetReuseFrames()
	c.fr.SetMaxReadFrameSize(frame.MaxPayload)
	c.dec = hpack.NewDecoder(4096, c.head.field)
	c.head.init(g, &c.limits)
	c.resets = frame.NewMeter(c.limits.ResetBurst, c.limits.ResetRate)
	c.control = frame.NewMeter(c.limits.ControlBurst, c.limits.ControlRate)
	c.tiny = frame.NewMeter(c.limits.TinyDataBurst, c.limits.TinyDataRate)
	if age := c.limits.MaxAge; age > 0 {
		c.expires = int64(float64(age) * (0.9 + 0.2*rand.Float64()))
	}
	return c
}

// Data returns what the owner has given the connection.
func (c *Conn) Data() any { return c.data }

// NetConn returns the connection beneath.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Serve answers the connection's requests until it is over, closes it, and says
// why it ended: in one of the Closed constants, and with the error unless that
// was in good order (the client closed it, it was idle, it was drained or closed
// here). Calls of Handle may still be under way.
func (c *Conn) Serve() (reason string, err error) {
	var origins []string
	var tell bool
	if c.engine.Origins != nil {
		origins, tell = c.engine.Origins(c)
	}
	c.loop.Own()
	c.mu.Lock()
	c.out.preface(&c.limits, origins, tell)
	c.timer = time.AfterFunc(c.limits.tick(), c.tick)
	c.mu.Unlock()

	err = c.readPreface()
	for err == nil {
		err = c.readFrame()
		for err == errCold {
			// Here, and not in what is called: as long as this waits, each frame
			// of the stack counts.
			err = c.awoken(c.socket.AwaitRead())
		}
	}
	err = c.end(err)

	c.mu.Lock()
	reason = c.reason
	c.releaseBuffers()
	c.mu.Unlock()
	c.rd.Close()
	return reason, err
}

// releaseBuffers gives back what an idle connection does not need. Callers hold
// mu.
func (c *Conn) releaseBuffers() {
	c.mu.Check()
	if c.out.Release() && len(c.streams) == 0 {
		c.streams, c.resetIDs = nil, nil
	}
}

// halt lets the read loop end the connection in good order. Callers hold mu.
func (c *Conn) halt(reason string) {
	c.mu.Check()
	if c.stop == "" && !c.dead {
		c.stop = reason
		c.out.Wake() // the read loop may wait for the client to read
		c.nc.SetReadDeadline(aLongTimeAgo)
	}
}

var aLongTimeAgo = time.Unix(1, 0)
