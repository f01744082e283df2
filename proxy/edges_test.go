package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// A response's head does not wait for its body: event streams have none for
// long.
func TestHeadLeavesBeforeTheBody(t *testing.T) {
	var release chan struct{}
	b := backend(t, "events", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "event")
	}))
	onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		release = make(chan struct{})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://a.test/", nil)
		head := make(chan error, 1)
		var resp *http.Response
		go func() {
			var err error
			resp, err = rt.RoundTrip(req)
			head <- err
		}()
		select {
		case err := <-head:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			close(release)
			t.Fatal("no head before the body")
		}
		close(release)
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "event" {
			t.Errorf("%q %v", body, err)
		}
		_ = resp.Body.Close()
	})
}

// On HTTP/1.1 an answer that comes before the body's end is not held back for
// the rest of the body, and ends the connection.
func TestEarlyAnswerHTTP1(t *testing.T) {
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(413)
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	w := newWorld(t, oneSite(t, b), nil)
	begin := time.Now()
	a := w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nhello")
	if a.status != "413" || a.header["connection"] != "close" || len(a.body) != 10_000 || time.Since(begin) > 10*time.Second {
		t.Errorf("%s %v, %d octets, after %v", a.status, a.header, len(a.body), time.Since(begin))
	}
}

// Upgrade is for a GET without content; beside anything else it is ignored.
func TestUpgradeOfOtherRequests(t *testing.T) {
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q", r.Method, r.Header.Get("Upgrade"), body)
	}))
	w := newWorld(t, oneSite(t, b), nil)
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	for request, want := range map[string]string{
		"POST / HTTP/1.1\r\nHost: a.test\r\n" + upgrade + "Content-Length: 5\r\n\r\nhello": `POST  "hello"`,
		"GET / HTTP/1.0\r\nHost: a.test\r\n" + upgrade + "\r\n":                            `GET  ""`,
		"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n":    `GET  ""`,
	} {
		if a := w.rawHTTP1("a.test", request); a.status != "200" || a.body != want {
			t.Errorf("%q: %s %q, want %q", request, a.status, a.body, want)
		}
	}
}

// RFC 8441 section 5: a backend that ignores the upgrade has opened no tunnel.
func TestRefusedTunnelHTTP2(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	c := w.rawH2("a.test", nil)
	a := c.answer(c.send(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "a.test"))
	if a.status != "502" || !strings.Contains(a.header["proxy-status"], "no_upgrade") {
		t.Errorf("%+v", a)
	}
}

// The backend is asked for the host that was judged, not for another way to
// say it.
func TestHostIsCanonical(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	for authority, want := range map[string]string{
		"a.test": "a.test", "A.test": "a.test", "a.test.": "a.test", "a.test.:443": "a.test:443", "a.test:0443": "a.test:443", "a.test:": "a.test",
	} {
		for protocol, a := range map[string]rawAnswer{
			message.HTTP2: w.rawH2("a.test", nil).get("https", authority, "/"),
			message.HTTP1: w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: "+authority+"\r\n\r\n"),
		} {
			if a.header["x-host"] != want || a.header["x-echo-x-forwarded-host"] != want {
				t.Errorf("%s %q: Host %q, X-Forwarded-Host %q, want %q", protocol, authority, a.header["x-host"], a.header["x-echo-x-forwarded-host"], want)
			}
		}
	}
}

// What may not stand in the header may not come in the trailer.
func TestSpoofedTrailers(t *testing.T) {
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, values := range r.Trailer {
			fmt.Fprintf(w, "%s=%s ", name, values)
		}
	}))
	w := newWorld(t, oneSite(t, b), nil)
	spoofed := "X-Forwarded-For: evil\r\nClient-Cert: evil\r\nX-Forwarded-Client-Cert: evil\r\nSsl-Client-Verify: evil\r\nClient_Cert: evil\r\nX-Kept: kept\r\n"
	a := w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n"+
		"Trailer: X-Forwarded-For, Client-Cert, X-Forwarded-Client-Cert, Ssl-Client-Verify, Client_Cert, X-Kept\r\n\r\n1\r\nx\r\n0\r\n"+spoofed+"\r\n")
	if a.body != "X-Kept=[kept] " {
		t.Errorf("http/1.1: %q", a.body)
	}
	c := w.rawH2("a.test", nil)
	id := c.send(false, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a.test")
	if err := c.fr.WriteData(id, false, []byte("x")); err != nil {
		t.Fatal(err)
	}
	c.next = id
	c.send(true, "x-forwarded-for", "evil", "client-cert", "evil", "client_cert", "evil", "x-kept", "kept")
	if a := c.answer(id); a.body != "X-Kept=[kept] " {
		t.Errorf("h2: %q", a.body)
	}
}

// What an endpoint that cannot be reached was to get, another gets, whole and
// once.
func TestNextEndpointGetsAll(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.H2C} {
		var seen atomic.Int64
		b := backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			body, err := io.ReadAll(r.Body)
			fmt.Fprint(w, string(body), err)
		})
		b.Endpoints = append(b.Endpoints, netip.MustParseAddrPort(ln.Addr().String()))
		w := newWorld(t, oneSite(t, b), nil)
		var wg sync.WaitGroup
		want := int64(0)
		for _, length := range []string{"", "5"} {
			for _, whole := range []bool{true, false} {
				// Several at once, so that the turns of one are taken by others.
				for range 8 {
					want++
					wg.Go(func() {
						c := w.rawH2("a.test", nil)
						fields := []string{":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a.test"}
						if length != "" {
							fields = append(fields, "content-length", length)
						}
						id := c.send(false, fields...)
						if whole {
							_ = c.fr.WriteData(id, true, []byte("hello"))
						} else {
							_ = c.fr.WriteData(id, false, []byte("he"))
							_ = c.fr.WritePing(false, [8]byte{})
							for { // the rest only after the proxy has seen the beginning
								f, err := c.fr.ReadFrame()
								if err != nil {
									t.Error(err)
									return
								}
								if f, ok := f.(*http2.PingFrame); ok && f.IsAck() {
									break
								}
							}
							_ = c.fr.WriteData(id, true, []byte("llo"))
						}
						if a := c.answer(id); a.status != "200" || a.body != "hello<nil>" {
							t.Errorf("%s, content-length %q, whole %v: %+v", protocol, length, whole, a)
						}
					})
				}
			}
		}
		wg.Wait()
		if seen.Load() != want {
			t.Errorf("%s: %d requests became %d", protocol, want, seen.Load())
		}
	}
}
