package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tlsHTTP1 is a backend that speaks HTTP/1.1 behind TLS.
func tlsHTTP1(t testing.TB, handler http.HandlerFunc) Target {
	ts := httptest.NewTLSServer(handler)
	t.Cleanup(ts.Close)
	return Target{Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: HTTPS}
}

// A response may take its time when the request, of known length and not whole,
// has ended: only each wait for more of it is limited.
func TestSlowResponseBehindTLS(t *testing.T) {
	const limit = 150 * time.Millisecond
	target := tlsHTTP1(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
		_, _ = io.Copy(io.Discard, r.Body)
		for range 8 {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(limit / 3)
		}
	})
	p := newClient(t, Config{ReadTimeout: limit, SendTimeout: limit}).Pool(target)
	r := &Request{Method: "POST", Path: "/", Host: "h", Body: &dripping{n: 3, every: time.Millisecond}, ContentLength: 3}
	if got := roundTrip(p, r); got != `200 "xxxxxxxx"` {
		t.Errorf("got %s", got)
	}
}

// What HTTP/2 splits is joined for HTTP/1.1 (RFC 9113 section 8.2.3), also behind
// TLS.
func TestCookiesBehindTLS(t *testing.T) {
	seen := make(chan []string, 1)
	p := newClient(t, Config{}).Pool(tlsHTTP1(t, func(w http.ResponseWriter, r *http.Request) { seen <- r.Header["Cookie"] }))
	r := get("/")
	r.Header = append(r.Header, newField("cookie", "a=b"), newField("x", "y"), newField("cookie", "c=d"))
	roundTrip(p, r)
	if got := <-seen; len(got) != 1 || got[0] != "a=b; c=d" {
		t.Errorf("got %q", got)
	}
}

// Octets that a backend sends unasked must not become the next response, even
// those that TLS has decrypted already.
func TestUnaskedBehindTLS(t *testing.T) {
	certificates := httptest.NewTLSServer(nil)
	certificates.Close()
	cfg := &tls.Config{Certificates: certificates.TLS.Certificates}
	var conns atomic.Int64
	var open sync.Map
	t.Cleanup(func() { open.Range(func(nc, _ any) bool { nc.(net.Conn).Close(); return true }) })
	addr := backend(t, func(nc net.Conn) {
		open.Store(nc, true)
		conns.Add(1)
		held := &held{Conn: nc}
		tc := tls.Server(held, cfg)
		for {
			req, err := http.ReadRequest(bufio.NewReader(tc))
			if err != nil {
				return
			}
			_ = req
			// Two records in one segment.
			held.hold = true
			_, _ = io.WriteString(tc, "HTTP/1.1 204 No Content\r\n\r\n")
			_, _ = io.WriteString(tc, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen")
			held.release()
		}
	})
	p := newClient(t, Config{}).Pool(Target{Addr: addr, Protocol: HTTPS})
	for range 5 {
		if got := roundTrip(p, get("/")); got != `204 whole ""` {
			t.Errorf("got %s", got)
		}
	}
	if conns.Load() != 5 {
		t.Errorf("%d connections for 5 requests", conns.Load())
	}
}

// held is a connection that sends what is written while hold in one piece.
type held struct {
	net.Conn
	hold bool
	buf  []byte
}

func (h *held) Write(p []byte) (int, error) {
	if h.hold {
		h.buf = append(h.buf, p...)
		return len(p), nil
	}
	return h.Conn.Write(p)
}

func (h *held) release() {
	_, _ = h.Conn.Write(h.buf)
	h.hold, h.buf = false, nil
}

// Many at once to a backend of which nothing is known yet: each finds out what it
// speaks, and no connection is left that nobody uses.
func TestUnknownBackend(t *testing.T) {
	for _, protocols := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}} {
		ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = nil
			w.Header().Set("Proto", r.Proto)
		}))
		ts.EnableHTTP2 = len(protocols) == 2
		ts.StartTLS()
		client := newClient(t, Config{})
		p := client.Pool(Target{Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: HTTPS})
		want := `200 proto=HTTP/1.1 whole ""`
		if ts.EnableHTTP2 {
			want = `200 proto=HTTP/2.0 whole ""`
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				r := get("/")
				if i%2 == 0 {
					r = postOf("body", 4)()
				}
				if got := roundTrip(p, r); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
		wg.Wait()
		client.Close()
		ts.Close()
	}
}

// A backend behind TLS that is known for HTTP/1.1 may learn HTTP/2, and the other
// way round.
func TestChangeOfProtocol(t *testing.T) {
	certificates := httptest.NewTLSServer(nil)
	certificates.Close()
	var now atomic.Pointer[string]
	h2, http1 := "h2", "http/1.1"
	addr := backend(t, func(nc net.Conn) {
		tc := tls.Server(nc, &tls.Config{Certificates: certificates.TLS.Certificates, NextProtos: []string{*now.Load()}})
		if tc.Handshake() != nil {
			return
		}
		if tc.ConnectionState().NegotiatedProtocol == "h2" {
			serveFrames(tc, settings(), func(c *framesConn, r framesRequest) {
				c.goAway(r.stream, 0)
				c.head(r.stream, true, ":status", "202")
			})
			return
		}
		answering("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")(tc)
	})
	p := newClient(t, Config{}).Pool(Target{Addr: addr, Protocol: HTTPS})
	for i, protocol := range []*string{&h2, &http1, &http1, &h2, &h2, &http1} {
		now.Store(protocol)
		want := `201 whole ""`
		if protocol == &h2 {
			want = `202 whole ""`
		}
		if got := roundTrip(p, postOf("body", 4)()); got != want {
			t.Errorf("%d: got %s, want %s", i, got, want)
		}
	}
}

// Names that requests choose do not make a Pool grow for ever.
func TestManyServerNames(t *testing.T) {
	var conns atomic.Int64
	target := tlsHTTP1(t, func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil })
	p := newClient(t, Config{IdleTimeout: time.Hour, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conns.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}).Pool(target)
	for i := range maxNames + 20 {
		r := get("/")
		r.ServerName = "n" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".example"
		if got := roundTrip(p, r); got != `200 whole ""` {
			t.Fatal(got)
		}
	}
	if n := len(p.names); n > maxNames {
		t.Errorf("%d names kept", n)
	}
}

// A connection after the first costs the backend no full handshake, with either
// protocol, and resumes nothing of another server name.
func TestSessionsAreResumed(t *testing.T) {
	cert := selfSigned(t)
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			var mu sync.Mutex
			var shakes []string // server name, and whether it was resumed
			cfg := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}
			addr := backend(t, func(nc net.Conn) {
				tc := tls.Server(nc, cfg)
				if tc.Handshake() != nil {
					return
				}
				state := tc.ConnectionState()
				mu.Lock()
				shakes = append(shakes, fmt.Sprintf("%s %v", state.ServerName, state.DidResume))
				mu.Unlock()
				if protocol == "h2" {
					serveFrames(tc, settings(), func(c *framesConn, r framesRequest) { c.head(r.stream, true, ":status", "200") })
				} else {
					answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(tc)
				}
			})
			p := newClient(t, Config{}).Pool(Target{Addr: addr, Protocol: HTTPS, ServerName: "a.test"})
			for _, name := range []string{"", "", "b.test", "b.test"} {
				r := get("/")
				r.Fresh, r.ServerName = true, name
				if got := roundTrip(p, r); got != `200 whole ""` {
					t.Fatal(got)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if got, want := strings.Join(shakes, ", "), "a.test false, a.test true, b.test false, b.test true"; got != want {
				t.Errorf("handshakes %s, want %s", got, want)
			}
		})
	}
}
