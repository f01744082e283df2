package h2

import (
	"errors"
	"net"
	"os"
	"time"
)

// source is the connection as its Reader reads it. All of it runs on the read loop.
type source Conn

// clock is the connection's time: nanoseconds since it was made, never 0.
func (c *Conn) clock() int64 { return int64(time.Since(c.born)) + 1 }

// Before runs before every read, which may block: it starts the clock of a frame
// that is not whole, and writes what waits. mid: part of a frame header is here.
//
// A client that reads nothing of what it is told is not heard any more: each of
// its frames may be answered with one of ours.
func (src *source) Before(mid bool) {
	c := (*Conn)(src)
	c.loop.Check()
	mid = mid || c.rd.Mid || c.head.active
	c.mu.Lock()
	for c.out.Full() && !c.dead && c.stop == "" {
		c.partialSince = 0 // it is not the client that is late
		c.out.AwaitRoom()
	}
	if mid {
		if c.partialSince == 0 {
			c.partialSince = c.clock()
		}
		c.partialData = c.inData
	} else {
		c.partialSince = 0
	}
	c.partial = mid
	n := c.out.Len()
	flush := c.out.Claim()
	c.mu.Unlock()
	switch {
	case !flush:
	case n <= oneWrite:
		c.out.Flush(nil, flushTurns)
	default:
		// That much may block, and a client that writes before it reads would
		// never be heard.
		c.out.FlushApart()
	}
}

// Read reads once, or does what the timer wants the read loop to.
func (src *source) Read(p []byte) (int, error) {
	c := (*Conn)(src)
	n, err := c.nc.Read(p)
	c.now = c.clock()
	if n > 0 {
		return n, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, c.interrupted()
	}
	return 0, err
}

// patient is a socket that can wait with little of the stack until there is
// something to read.
type patient interface{ AwaitRead() error }

// socketOf is what nc reads from, nil where that is no socket.
func socketOf(nc net.Conn) patient {
	for {
		above, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			p, _ := nc.(patient)
			return p
		}
		nc = above.NetConn()
	}
}

// interrupted does what the read loop was interrupted for. errCold: it may be long
// until there is something to read, and what waits for it is to give up.
func (c *Conn) interrupted() error {
	cold, err := c.attend()
	if err == nil && cold && c.socket != nil {
		return errCold
	}
	return err
}

// awoken is what to do once the socket has ended to wait, with err. Nothing of a
// frame is here.
func (c *Conn) awoken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c.interrupted()
	}
	return err
}

// Warm runs when a cold connection has read something.
func (src *source) Warm() {
	c := (*Conn)(src)
	c.mu.Lock()
	if c.cold && !c.dead {
		c.cold = false
		c.timer.Reset(c.limits.tick())
	}
	c.mu.Unlock()
}

// attend runs on the read loop after somebody has interrupted its waiting. cold:
// nothing of a frame is here, nor any buffer.
func (c *Conn) attend() (cold bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != "" {
		return false, errStop
	}
	c.nc.SetReadDeadline(time.Time{})
	if c.cool {
		c.cool = false
		if c.rd.Empty() && !c.rd.Mid && !c.head.active && !c.dead {
			if c.rd.Release() {
				c.forgetBlock()
			}
			c.releaseBuffers()
			c.cold = true
			c.timer.Reset(c.untilTick(c.clock()))
		}
	}
	return c.cold && !c.dead, nil
}

// forgetBlock makes the HPACK decoder let go of the last header block: it
// keeps a slice of it, and with it the whole read buffer, until the next.
func (c *Conn) forgetBlock() {
	c.dec.SetEmitEnabled(false)
	_, _ = c.dec.Write(indexedMethod) // cannot fail
	c.dec.Close()
	c.dec.SetEmitEnabled(true)
}

// indexedMethod is a header block that changes nothing in a decoder.
var indexedMethod = []byte{0x82}
