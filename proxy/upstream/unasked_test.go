package upstream

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a backend sends that belongs to no request must not become the answer to
// the next one (RFC 9112 section 9.2), however short a time the connection was
// idle.
func TestOctetsAfterTheResponse(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	tests := []struct {
		name, method, response, after string
		upgrade                       string
	}{
		{name: "body after HEAD", method: "HEAD", response: "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n", after: evil},
		{name: "chunks after HEAD", method: "HEAD", response: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", after: "0\r\n\r\n"},
		{name: "body after 204", method: "GET", response: "HTTP/1.1 204 No Content\r\n\r\n", after: evil},
		{name: "body after 205", method: "GET", response: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", after: evil},
		{name: "body after 304", method: "GET", response: "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n", after: evil},
		{name: "body after length 0", method: "GET", response: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", after: evil},
		{name: "more than the length", method: "GET", response: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", after: evil},
		{name: "more than the chunks", method: "GET", response: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", after: evil},
		{name: "after an interim response", method: "GET", response: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", after: evil},
		{name: "an interim response", method: "GET", response: "HTTP/1.1 204 No Content\r\n\r\n", after: "HTTP/1.1 103 Early Hints\r\nLink: </evil>\r\n\r\n"},
		{name: "after an upgrade that was refused", method: "GET", upgrade: "websocket", response: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", after: evil},
		{name: "one octet", method: "GET", response: "HTTP/1.1 204 No Content\r\n\r\n", after: "\n"},
		{name: "the end", method: "GET", response: "HTTP/1.1 204 No Content\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			free := make(chan struct{}) // the first response was read
			var conns atomic.Int64
			p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
				if conns.Add(1) > 1 {
					answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(nc)
					return
				}
				br := bufio.NewReader(nc)
				_, _ = http.ReadRequest(br)
				_, _ = io.WriteString(nc, tt.response)
				<-free
				_, _ = io.WriteString(nc, tt.after)
				if tt.after == "" {
					_ = nc.Close()
					return
				}
				_, _ = http.ReadRequest(br)
			})})
			first := &Request{Method: tt.method, Path: "/", Host: "h", Upgrade: tt.upgrade}
			if got := roundTrip(p, first); got[0] != '2' && got[0] != '3' {
				t.Fatal(got)
			}
			if len(p.http1.conns) != 1 {
				t.Fatalf("%d idle connections", len(p.http1.conns))
			}
			idle := p.http1.conns[0]
			close(free)
			for idle.look() == quiet {
				time.Sleep(100 * time.Microsecond) // the kernel has no event for another reader
			}
			idle.idleSince = time.Now() // as if it all had taken no time
			if got := roundTrip(p, get("/")); got != `200 whole "ok"` {
				t.Errorf("the next request: %s", got)
			}
			if n := conns.Load(); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
		})
	}
}

// The look takes nothing away from who reads after it, and leaves no trace.
func TestLook(t *testing.T) {
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))})
	for range 100 {
		if got := roundTrip(p, get("/")); got != `200 whole "ok"` {
			t.Fatal(got)
		}
		if len(p.http1.conns) != 1 || p.http1.conns[0].look() != quiet {
			t.Fatal("an idle connection is not quiet")
		}
	}
}

// Above TLS there are records that are nobody's response, and octets that were
// read and decrypted with others.
func TestLookAboveTLS(t *testing.T) {
	const ok, evil = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	large := strings.Repeat("x", 12<<10) // more than our buffer takes with the head
	tests := []struct {
		name, response, want string
		after                func(*tls.Conn)
		conns                int64
	}{
		{"nothing", ok, `200 whole "ok"`, func(*tls.Conn) {}, 1},
		{"octets in a record of their own", ok, `200 whole "ok"`, func(nc *tls.Conn) { _, _ = io.WriteString(nc, evil) }, 2},
		{"octets in the record of the response", "HTTP/1.1 200 OK\r\nContent-Length: 12288\r\n\r\n" + large + evil,
			"200 " + strconv.Quote(large), func(*tls.Conn) {}, 2},
		{"the end", ok, `200 whole "ok"`, func(nc *tls.Conn) { _ = nc.CloseWrite() }, 2},
		{"a lost connection", ok, `200 whole "ok"`, func(nc *tls.Conn) { _ = nc.NetConn().Close() }, 2},
	}
	cert := selfSigned(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			free, done := make(chan struct{}), make(chan struct{})
			var conns atomic.Int64
			addr := backend(t, func(nc net.Conn) {
				tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
				if conns.Add(1) > 1 {
					answering(ok)(tc)
					return
				}
				br := bufio.NewReader(tc)
				_, _ = http.ReadRequest(br)
				_, _ = io.WriteString(tc, tt.response)
				<-free
				tt.after(tc)
				close(done)
				if _, err := http.ReadRequest(br); err == nil {
					_, _ = io.WriteString(tc, ok)
				}
			})
			p := newClient(t, Config{}).Pool(Target{Addr: addr, Protocol: HTTPS})
			if got := roundTrip(p, get("/")); got != tt.want {
				t.Fatal(got)
			}
			close(free)
			<-done // loopback: what was written is there to be read
			if got := roundTrip(p, get("/")); got != `200 whole "ok"` {
				t.Errorf("the next request: %s", got)
			}
			if n := conns.Load(); n != tt.conns {
				t.Errorf("%d connections, want %d", n, tt.conns)
			}
		})
	}
}

func BenchmarkLook(b *testing.B) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	cert := selfSigned(b)
	for name, target := range map[string]Target{
		"cleartext": {Addr: backend(b, answering(ok))},
		"TLS": {Protocol: HTTPS, Addr: backend(b, func(nc net.Conn) {
			answering(ok)(tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}}))
		})},
	} {
		b.Run(name, func(b *testing.B) {
			p := newClient(b, Config{}).Pool(target)
			roundTrip(p, get("/"))
			c := p.http1.conns[0]
			b.ReportAllocs()
			for b.Loop() {
				if c.look() != quiet {
					b.Fatal("not quiet")
				}
				c.armRead(time.Now(), time.Minute)
			}
		})
	}
}

// selfSigned is a key pair that nobody verifies.
func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	return srv.TLS.Certificates[0]
}
