package http1

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2/hpack"
)

// client is the other end of a connection in memory, in a bubble of synctest.
type client struct {
	t    *testing.T
	nc   net.Conn
	conn *Conn

	mu     sync.Mutex
	reason string          // why Serve ended; "" while it has not; guarded by mu
	seen   strings.Builder // guarded by mu
	closed bool            // guarded by mu
}

// bubble runs f with a connection that handle answers, whose refusals are
// answered with their status and word.
func bubble(t *testing.T, limits Limits, handle func(*Exchange), f func(*client)) {
	t.Helper()
	bubbleOn(t, func(nc net.Conn) net.Conn { return nc }, limits, handle, f)
}

// bubbleOn is bubble with a connection that the server has in another shape.
func bubbleOn(t *testing.T, shape func(net.Conn) net.Conn, limits Limits, handle func(*Exchange), f func(*client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := dialOn(t, shape, limits, handle)
		f(c)
		_ = c.nc.Close()
		synctest.Wait()
		time.Sleep(time.Minute)
		if c.why() == "" {
			t.Error("the connection is still served")
		}
	})
}

func newEngine(handle func(*Exchange)) *Engine {
	return &Engine{Handle: handle, Refuse: func(x *Exchange, status int, why string) {
		_ = x.Respond(status, nil, []byte(why))
	}}
}

func dial(t *testing.T, limits Limits, handle func(*Exchange)) *client {
	return dialOn(t, func(nc net.Conn) net.Conn { return nc }, limits, handle)
}

func dialOn(t *testing.T, shape func(net.Conn) net.Conn, limits Limits, handle func(*Exchange)) *client {
	there, here := net.Pipe()
	c := &client{t: t, nc: here, conn: newEngine(handle).NewConn(shape(there), limits, nil)}
	go func() {
		reason, _ := c.conn.Serve()
		c.mu.Lock()
		c.reason = reason
		c.mu.Unlock()
	}()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := here.Read(buf)
			c.mu.Lock()
			c.seen.Write(buf[:n])
			c.closed = err != nil
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// say sends, and waits until there is nothing more to happen.
func (c *client) say(s string) {
	go func() { _, _ = io.WriteString(c.nc, s) }()
	synctest.Wait()
}

// hear returns what has come since it was asked last.
func (c *client) hear() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.seen.Reset()
	return c.seen.String()
}

// expect fails unless want has come, and nothing else.
func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.hear(); got != want {
		c.t.Errorf("the client got\n%q, want\n%q", got, want)
	}
}

// ended fails unless the connection has ended, and so.
func (c *client) ended(reason string) {
	c.t.Helper()
	if got := c.why(); got != reason {
		c.t.Errorf("the connection ended with %q, want %q", got, reason)
	}
}

// why returns why the connection has ended, "" while it has not.
func (c *client) why() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// hung fails unless the server has closed.
func (c *client) hung() {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.t.Error("the server has not closed the connection")
	}
}

func fields(kv ...string) (h []hpack.HeaderField) {
	for i := 0; i < len(kv); i += 2 {
		h = append(h, hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	return h
}

// echo answers with the method, the target and the content.
func echo(x *Exchange) {
	body, err := io.ReadAll(x)
	if err != nil {
		_ = x.Respond(400, nil, []byte(err.Error()))
		return
	}
	_ = x.Respond(200, nil, fmt.Appendf(nil, "%s %s %s", x.Method, x.Target, body))
}

// answer is what a client gets for a whole response of the engine's.
func answer(status, body string, more ...string) string {
	s := "HTTP/1.1 " + status + "\r\n"
	s += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	for _, m := range more {
		s += m + "\r\n"
	}
	return s + "\r\n" + body
}

const (
	get        = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
	closeField = "Connection: close"
)
