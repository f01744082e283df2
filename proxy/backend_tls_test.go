package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// tlsBackend is a backend that speaks HTTP/1.1 behind TLS.
func tlsBackend(t testing.TB, h http.HandlerFunc) *hostmap.Backend {
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	return &hostmap.Backend{
		Namespace: "default", Service: "b", Port: "443", Protocol: hostmap.HTTPS,
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort(srv.Listener.Addr().String())},
	}
}

// A response may flow for as long as it does: only each wait is limited, whatever
// the client's protocol and the request's length.
func TestLongResponseFromTLSBackend(t *testing.T) {
	const limit = 300 * time.Millisecond
	b := tlsBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for range 15 {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(limit / 6)
		}
	})
	w := newWorld(t, oneSite(t, b), func(c *Config) {
		c.Upstream.ReadTimeout, c.Upstream.SendTimeout, c.Limits.StallTimeout = limit, limit, limit
	})
	for _, head := range []string{"Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", "\r\n"} {
		a := w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"+head)
		if a.body != strings.Repeat("x", 15) {
			t.Errorf("%.20q: got %s, %q", head, a.status, a.body)
		}
	}
}

// Cookie crumbs are one field for a backend of HTTP/1.1 behind TLS (RFC 9113
// section 8.2.3).
func TestCookiesToTLSBackend(t *testing.T) {
	w := newWorld(t, oneSite(t, tlsBackend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %q", r.Proto, r.Header["Cookie"])
	})), nil)
	c := w.rawH2("a.test", nil)
	id := c.send(true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.test", "cookie", "a=b", "cookie", "c=d")
	if a := c.answer(id); a.body != `HTTP/1.1 ["a=b; c=d"]` {
		t.Errorf("got %q", a.body)
	}
}
