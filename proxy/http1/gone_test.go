package http1

import (
	"sync/atomic"
	"testing"
	"time"
)

// canceler says when it was told.
type canceler struct{ told chan time.Time }

func (c canceler) Cancel() { c.told <- time.Now() }

// Whoever answers is told within two looks that the client has gone.
func TestClientGone(t *testing.T) {
	t.Parallel()
	for _, request := range []string{get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"} {
		for _, after := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, time.Minute} {
			var left, told time.Time
			bubble(t, Limits{}, func(x *Exchange) {
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
				time.Sleep(time.Second)
				c.ended(ClosedEnded)
			})
			if d := told.Sub(left); d < 0 || d > 2*watchEvery {
				t.Errorf("%q, gone after %v: told %v later", request, after, d)
			}
		}
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
