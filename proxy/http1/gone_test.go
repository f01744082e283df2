package http1

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// canceler says when it was told.
type canceler struct{ told chan time.Time }

func (c canceler) Cancel() { c.told <- time.Now() }

// resets is a connection whose client ends it with a reset.
type resets struct{ net.Conn }

func (r resets) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = syscall.ECONNRESET
	}
	return n, err
}

// halves is a connection whose client ends its direction alone, with the octet
// fin.
type halves struct {
	net.Conn
	over bool // owned by the reader
}

const fin = "\x04"

func (h *halves) Read(p []byte) (int, error) {
	if h.over {
		return 0, io.EOF
	}
	n, err := h.Conn.Read(p)
	if h.over = strings.HasSuffix(string(p[:n]), fin); h.over {
		if n--; n == 0 {
			return 0, io.EOF
		}
	}
	return n, err
}

// Whoever answers is told within two looks that the client has gone: at once where
// it has reset the connection, and some time after it has ended it, as it may wait
// for the answer.
func TestClientGone(t *testing.T) {
	t.Parallel()
	reset := func(nc net.Conn) net.Conn { return resets{nc} }
	end := func(nc net.Conn) net.Conn { return nc }
	for _, how := range []struct {
		shape func(net.Conn) net.Conn
		least time.Duration
	}{{reset, 0}, {end, halfClosed}} {
		for _, request := range []string{get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"} {
			for _, after := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, time.Minute} {
				var left, told time.Time
				bubbleOn(t, how.shape, Limits{}, func(x *Exchange) {
					for n, _ := x.Read(make([]byte, 9)); n > 0; n, _ = x.Read(make([]byte, 9)) {
					}
					gone := canceler{make(chan time.Time, 1)}
					x.OnCancel(gone)
					told = <-gone.told
					x.OnCancel(gone) // who asks later is told too
					<-gone.told
					x.OnCancel(nil)
					x.Abort()
				}, func(c *client) {
					c.say(request)
					time.Sleep(after)
					left = time.Now()
					_ = c.nc.Close()
					time.Sleep(how.least + time.Second)
					c.ended(ClosedEnded)
				})
				if d := told.Sub(left) - how.least; d < 0 || d > 3*watchEvery {
					t.Errorf("%q, gone after %v: told %v later than asked", request, after, d)
				}
			}
		}
	}
}

// A client that has ended its direction gets its answer, if that does not take
// too long; the connection ends behind it.
func TestHalfClosedClient(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, 150 * time.Millisecond, halfClosed - time.Second} {
		bubbleOn(t, func(nc net.Conn) net.Conn { return &halves{Conn: nc} }, Limits{}, func(x *Exchange) {
			x.OnCancel(canceler{}) // would block for ever
			time.Sleep(takes)
			echo(x)
			x.OnCancel(nil)
		}, func(c *client) {
			c.say(get + fin)
			time.Sleep(takes)
			c.expect(answer("200 OK", "GET /1 "))
			c.ended(ClosedPeer)
		})
	}
}

// While an answer is waited for, what the client sends ahead is kept for when
// its turn comes, also where it comes in pieces and is more than a buffer.
func TestPipelinedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, length := range []int{100, 3 * smallBuffer} {
		bubble(t, Limits{}, func(x *Exchange) {
			x.OnCancel(canceler{}) // would block for ever
			if x.Target == "/slow" {
				time.Sleep(time.Minute)
			}
			echo(x)
			x.OnCancel(nil)
		}, func(c *client) {
			c.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
			time.Sleep(time.Second)
			c.say("GET /1 HT")
			time.Sleep(time.Second)
			c.say(pad("TP/1.1\r\nHost: a\r\nX: ", length, "\r\n\r\n"))
			c.expect("")
			time.Sleep(time.Minute)
			c.expect(answer("200 OK", "GET /slow ") + answer("200 OK", "GET /1 "))
			time.Sleep(70 * time.Second) // no deadline is left of the watch
			c.say(get)
			c.expect(answer("200 OK", "GET /1 "))
		})
	}
}

// Many requests, each answered about when the watch looks, lose nothing.
func TestWatchRaces(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	bubble(t, Limits{}, func(x *Exchange) {
		time.Sleep(2*watchEvery - 5*time.Millisecond + time.Duration(n.Add(1)%11)*time.Millisecond)
		echo(x)
	}, func(c *client) {
		for range 200 {
			c.say("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
			time.Sleep(time.Second)
			c.expect(answer("200 OK", "POST /1 x"))
		}
	})
}
