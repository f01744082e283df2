package http1

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A client that keeps the server waiting is given up after the time that
// belongs to what it does.
func TestTimes(t *testing.T) {
	t.Parallel()
	limits := Limits{HeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second, StallTimeout: 60 * time.Second}
	for _, tt := range []struct {
		name, say, trickle string
		every              time.Duration
		min, max           time.Duration
		reason             string
	}{
		{name: "nothing said", min: 9 * time.Second, max: 11 * time.Second, reason: ClosedHeaderTimeout},
		{name: "half a head", say: "GET /", min: 9 * time.Second, max: 11 * time.Second, reason: ClosedHeaderTimeout},
		{name: "a head that trickles", say: "GET /", trickle: "x", every: time.Second, min: 9 * time.Second, max: 11 * time.Second, reason: ClosedHeaderTimeout},
		{name: "idle", say: get, min: 65 * time.Second, max: 85 * time.Second, reason: ClosedIdle},
		{name: "half a second head", say: get + "GET", min: 9 * time.Second, max: 11 * time.Second, reason: ClosedHeaderTimeout},
		{name: "half a body", say: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx", min: 50 * time.Second, max: 61 * time.Second, reason: ClosedEnded},
		{name: "half a chunk", say: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx", min: 50 * time.Second, max: 61 * time.Second, reason: ClosedEnded},
		{name: "half a trailer", say: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX", min: 50 * time.Second, max: 61 * time.Second, reason: ClosedEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, limits, func(x *Exchange) {
				if _, err := io.ReadAll(x); err != nil {
					x.Abort()
					return
				}
				_ = x.Respond(200, nil, nil)
			}, func(c *client) {
				begin := time.Now()
				go func() {
					var err error
					for err == nil && tt.every > 0 {
						time.Sleep(tt.every)
						_, err = io.WriteString(c.nc, tt.trickle)
					}
				}()
				c.say(tt.say)
				for c.why() == "" && time.Since(begin) < 5*time.Minute {
					time.Sleep(100 * time.Millisecond)
				}
				d := time.Since(begin)
				c.ended(tt.reason)
				c.hung()
				if d < tt.min || d > tt.max {
					t.Errorf("after %v, want %v to %v", d, tt.min, tt.max)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// A client that does not read its response is given up, and one that reads
// slowly is not.
func TestResponseStalls(t *testing.T) {
	t.Parallel()
	for _, reads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			there, here := net.Pipe()
			c := newEngine(func(x *Exchange) {
				_ = x.WriteHeader(200, nil, false)
				for range 10 {
					if _, err := x.Write(make([]byte, 1000)); err != nil {
						return
					}
				}
				_ = x.WriteEnd(nil)
			}).NewConn(there, Limits{StallTimeout: time.Minute}, nil)
			ended := make(chan string, 1)
			begin := time.Now()
			go func() { reason, _ := c.Serve(); ended <- reason }()
			_, _ = io.WriteString(here, "GET / HTTP/1.0\r\n\r\n")
			if !reads {
				if reason := <-ended; reason != ClosedStall {
					t.Errorf("ended with %q", reason)
				}
				if d := time.Since(begin); d < 50*time.Second || d > 61*time.Second {
					t.Errorf("after %v", d)
				}
				_ = here.Close()
				return
			}
			buf := make([]byte, 4096)
			for {
				time.Sleep(40 * time.Second)
				if _, err := here.Read(buf); err != nil {
					break
				}
			}
			if reason := <-ended; reason != ClosedEnded {
				t.Errorf("ended with %q", reason)
			}
		})
	}
}

// Time that a client spends idle, or its answer takes, is no stall.
func TestNoStall(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		_ = x.WriteHeader(200, fields("content-length", "2"), false)
		for range 2 {
			time.Sleep(10 * time.Minute)
			_, _ = x.Write([]byte("a"))
		}
		_ = x.WriteEnd(nil)
	}, func(c *client) {
		for range 3 {
			c.say(get)
			time.Sleep(21 * time.Minute)
			c.expect(answer("200 OK", "aa"))
		}
	})
}
