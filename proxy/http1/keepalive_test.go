package http1

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Requests that come in one piece are answered in order, one after the other,
// and each with what belongs to it alone.
func TestPipelining(t *testing.T) {
	t.Parallel()
	const n = 500
	var say, want strings.Builder
	for i := range n {
		body := strings.Repeat("b", i%7)
		fmt.Fprintf(&say, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
		want.WriteString(answer("200 OK", fmt.Sprintf("POST /%d %s", i, body)))
	}
	under := 0
	bubble(t, Limits{}, func(x *Exchange) {
		if under++; under > 1 {
			t.Error("two requests at once")
		}
		time.Sleep(time.Millisecond)
		echo(x)
		under--
	}, func(c *client) {
		c.say(say.String())
		time.Sleep(time.Second)
		c.expect(want.String())
	})
}

// A connection goes on, and nothing of a request is left in the next.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	var got []string
	bubble(t, Limits{}, func(x *Exchange) {
		got = append(got, fmt.Sprint(x.Method, x.Target, x.Expect, x.ContentLength, pairs(x), x.Trailer()))
		_ = x.Respond(200, nil, nil)
	}, func(c *client) {
		c.say("POST /1 HTTP/1.1\r\nHost: a\r\nX: y\r\nExpect: z\r\nContent-Length: 1\r\n\r\nx")
		time.Sleep(10 * time.Second)
		c.say(get)
		c.expect(answer("200 OK", "") + answer("200 OK", ""))
	})
	want := []string{"POST/1z1[{host a} {x y} {expect z} {content-length 1}][]", "GET/10[{host a}][]"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A connection that waits keeps nothing of the request before, and no buffer.
func TestIdleHoldsNothing(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, echo, func(c *client) {
		c.say(pad("GET /1 HTTP/1.1\r\nHost: a\r\nX: ", 60<<10, "\r\n\r\n"))
		time.Sleep(time.Second)
		synctest.Wait()
		if c.conn.buf != nil {
			t.Errorf("it holds a buffer of %d octets", len(c.conn.buf))
		}
		x := &c.conn.x
		for _, f := range x.Header[:cap(x.Header)] {
			if f.Name != "" || f.Value != "" {
				t.Error("it holds a field")
			}
		}
		if x.Method != "" || x.Target != "" || cap(x.Header) > keptFields {
			t.Error("it holds a head")
		}
	})
}

// An answer may come before the content has. The client is told that the
// connection ends, and what it still sends is no request.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		if x.Target != "/early" {
			t.Errorf("smuggled: %s", x.Target)
		}
		_ = x.Respond(413, nil, nil)
	}, func(c *client) {
		c.say("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + get)
		c.expect("HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.say(get) // read, and given to nobody
		c.expect("")
		c.ended("")
		time.Sleep(lingerTime)
		c.ended(ClosedEnded)
		c.hung()
	})
}

// A client that goes on sending reads its answer, rather than a reset
// (RFC 9112 section 9.6).
func TestLingering(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"early":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
		"refused":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
		"pipelined": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc, _, ended := dialTCP(t, func(x *Exchange) {
				x.SetClose()
				_ = x.Respond(413, nil, nil)
			})
			_, _ = io.WriteString(nc, request)
			if _, err := nc.Write(make([]byte, 1000000)); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(nc)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 4") {
				t.Errorf("%q, %v", got, err)
			}
			_ = nc.Close()
			<-ended
		})
	}
}

// dialTCP is a connection over a socket, for what one in memory cannot show.
func dialTCP(t *testing.T, handle func(*Exchange)) (*net.TCPConn, *Conn, <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	here, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close() })
	_ = here.SetDeadline(time.Now().Add(20 * time.Second))
	there, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newEngine(handle).NewConn(there, Limits{}, nil)
	ended := make(chan string, 1)
	go func() { reason, _ := c.Serve(); ended <- reason }()
	return here.(*net.TCPConn), c, ended
}

// 100 asks for the content, once the owner wants it.
func TestContinue(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		if x.Expect != "100-continue" {
			t.Errorf("expects %q", x.Expect)
		}
		_ = x.WriteInterim(100, nil)
		echo(x)
	}, func(c *client) {
		c.say("POST /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
		c.expect("HTTP/1.1 100 Continue\r\n\r\n")
		c.say("abc")
		c.expect(answer("200 OK", "POST /1 abc"))
	})
}
