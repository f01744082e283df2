package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// oneSite is a map of a.test with one backend.
func oneSite(t testing.TB, b *hostmap.Backend) *hostmap.Map {
	t.Helper()
	ca := newAuthority(t)
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")}, Routes: routeTo(b)}),
	}})
}

// onBoth runs a test with a client of each protocol, so that neither can come
// to differ from the other.
func onBoth(t *testing.T, m *hostmap.Map, change func(*Config), f func(t *testing.T, w *world, rt http.RoundTripper)) {
	t.Helper()
	for _, protocol := range []string{message.HTTP1, message.HTTP2} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t, m, change)
			tr := w.client(protocol, "a.test")
			tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, w.https)
			}
			f(t, w, tr)
		})
	}
}

func TestForward(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		case "/big":
			_, _ = w.Write(big)
		case "/chunks":
			for i := range 3 {
				fmt.Fprintf(w, "chunk %d\n", i)
				_ = http.NewResponseController(w).Flush()
			}
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
		case "/request-trailers":
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		case "/418":
			http.Error(w, "teapot", 418)
		case "/early":
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(103)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "late")
		case "/server":
			w.Header().Set("Server", "backend/1")
			w.Header().Set("Alt-Svc", `h3=":443"`)
		}
	}))
	onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		const site = "https://a.test"
		send := func(method, path string, body io.Reader) answer {
			return roundTrip(t, rt, method, site+path, func(r *http.Request) {
				if body != nil {
					r.Body = io.NopCloser(body)
					r.ContentLength = -1
					if n, ok := body.(interface{ Len() int }); ok {
						r.ContentLength = int64(n.Len())
					}
				}
			})
		}
		if a := send("POST", "/echo", strings.NewReader("hello")); a.body != "hello" || a.Header.Get("X-Length") != "5" {
			t.Errorf("small body: %q, length %s", a.body, a.Header.Get("X-Length"))
		}
		if a := send("POST", "/echo", bytes.NewReader(big)); a.body != string(big) {
			t.Errorf("1 MiB body: %d octets back", len(a.body))
		}
		if a := send("PUT", "/echo", struct{ io.Reader }{bytes.NewReader(big)}); a.body != string(big) || a.Header.Get("X-Length") != "-1" {
			t.Errorf("body of unknown length: %d octets back, length %s", len(a.body), a.Header.Get("X-Length"))
		}
		if a := send("GET", "/big", nil); a.body != string(big) {
			t.Errorf("1 MiB response: %d octets", len(a.body))
		}
		if a := send("GET", "/chunks", nil); a.body != "chunk 0\nchunk 1\nchunk 2\n" {
			t.Errorf("chunks: %q", a.body)
		}
		if a := send("GET", "/trailers", nil); a.body != "body" || a.Trailer.Get("X-Sum") != "42" {
			t.Errorf("trailers: %q, %v", a.body, a.Trailer)
		}
		if a := roundTrip(t, rt, "POST", site+"/request-trailers", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), -1
			r.Trailer = http.Header{"X-Sum": {"43"}}
		}); a.body != "43" {
			t.Errorf("request trailer: %q", a.body)
		}
		if a := send("HEAD", "/big", nil); a.body != "" || a.ContentLength != int64(len(big)) && a.ContentLength != -1 {
			t.Errorf("HEAD: %d octets, length %d", len(a.body), a.ContentLength)
		}
		if a := send("GET", "/204", nil); a.StatusCode != 204 || a.body != "" {
			t.Errorf("204: %d %q", a.StatusCode, a.body)
		}
		if a := send("GET", "/304", nil); a.StatusCode != 304 || a.Header.Get("Etag") != `"x"` {
			t.Errorf("304: %d %v", a.StatusCode, a.Header)
		}
		if a := send("GET", "/418", nil); a.StatusCode != 418 || a.body != "teapot\n" {
			t.Errorf("418: %d %q", a.StatusCode, a.body)
		}
		if a := send("GET", "/418", nil); a.Header.Get("Server") != "ingress421" || len(a.Header["Date"]) != 1 {
			t.Errorf("server %q, date %q", a.Header.Get("Server"), a.Header["Date"])
		}
		if a := send("GET", "/server", nil); a.Header.Get("Server") != "backend/1" || a.Header.Get("Alt-Svc") != "" {
			t.Errorf("server %q, alt-svc %q", a.Header.Get("Server"), a.Header.Get("Alt-Svc"))
		}
		var hints http.Header
		if a := roundTrip(t, rt, "GET", site+"/early", func(r *http.Request) {
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { hints = http.Header(h); return nil },
			}))
		}); a.body != "late" || hints.Get("Link") == "" || a.Header.Get("Link") != "" {
			t.Errorf("early hints: %v, then %q with %v", hints, a.body, a.Header)
		}
	})
}

// What a backend learns of the client is what we know, not what the client
// says (threats: identity spoofing by forwarded fields).
func TestForwardedFields(t *testing.T) {
	onBoth(t, oneSite(t, echo(t, "b")), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		spoofed := []string{
			"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-Ip", "Forwarded",
			"X-Forwarded-Client-Cert", "Client-Cert", "Client-Cert-Chain", "Ssl-Client-Verify", "X_forwarded_for",
			"X-Forwarded_proto", "Client_cert", "Proxy-Authorization", "Keep-Alive", "Proxy-Connection",
		}
		a := roundTrip(t, rt, "GET", "https://a.test/", func(r *http.Request) {
			for _, n := range spoofed {
				r.Header[n] = []string{"evil"}
			}
			r.Header["X-Kept"] = []string{"kept"}
			r.Header["Cookie"] = []string{"a=1; b=2"}
			r.Header["Te"] = []string{"trailers"}
		})
		for n, v := range a.Header {
			if strings.Contains(strings.Join(v, " "), "evil") {
				t.Errorf("%s: %q reached the backend", n, v)
			}
		}
		want := map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.test",
			"X-Forwarded-Port": "443", "X-Real-Ip": "127.0.0.1", "X-Kept": "kept", "Cookie": "a=1; b=2",
		}
		for n, v := range want {
			if got := a.Header["X-Echo-"+n]; len(got) != 1 || got[0] != v {
				t.Errorf("%s at the backend: %q, want %q", n, got, v)
			}
		}
		if got := a.Header.Get("X-Host"); got != "a.test" {
			t.Errorf("Host at the backend: %q", got)
		}
	})
}

// A field named by Connection is for one hop, and cannot take ours away.
func TestConnectionTokens(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	a := w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close, x-forwarded-for, X-Hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n\r\n")
	if a.header["x-echo-x-forwarded-for"] != "127.0.0.1" || a.header["x-echo-x-hop"] != "" || a.header["x-echo-x-kept"] != "2" {
		t.Errorf("at the backend: %v", a.header)
	}
}

// What was matched is what is forwarded.
func TestPaths(t *testing.T) {
	secret, open := echo(t, "secret"), echo(t, "open")
	ca := newAuthority(t)
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")},
		Routes: []*hostmap.Route{
			{Type: hostmap.Prefix, Path: "/secret", Backend: secret},
			{Type: hostmap.Prefix, Path: "/open", Backend: open},
		},
	})}})
	w := newWorld(t, m, nil)
	for _, tt := range []struct{ path, status, backend, forwarded string }{
		{"/open/x?q=/../secret", "200", "open", "/open/x?q=/../secret"},
		{"/open/../secret", "200", "secret", "/secret"},
		{"/open/%2e%2E/secret/", "200", "secret", "/secret/"},
		{"/open/.%2e/secret", "200", "secret", "/secret"},
		{"/open/./x", "200", "open", "/open/x"},
		{"/open/..;/secret", "200", "open", "/open/..;/secret"},
		{"/open/%2fsecret", "200", "open", "/open/%2fsecret"},
		{"/open//../secret", "200", "open", "/open/secret"},
		{"/../../secret", "200", "secret", "/secret"},
		{"/secre%74", "200", "secret", "/secret"},
		{"/open\\..\\secret", "404", "", ""},
		{"/", "404", "", ""},
		{"/opened", "404", "", ""},
	} {
		check := func(protocol string, a rawAnswer) {
			if a.status != tt.status || a.header["x-backend"] != tt.backend || a.header["x-path"] != tt.forwarded {
				t.Errorf("%s %s: %s from %q as %q, want %s from %q as %q", protocol, tt.path,
					a.status, a.header["x-backend"], a.header["x-path"], tt.status, tt.backend, tt.forwarded)
			}
		}
		check("h2", w.rawH2("a.test", nil).get("https", "a.test", tt.path))
		check("http/1.1", w.rawHTTP1("a.test", "GET "+tt.path+" HTTP/1.1\r\nHost: a.test\r\n\r\n"))
	}
}

func TestBadRequests(t *testing.T) {
	var reached atomic.Int32
	b := backend(t, "b", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	w := newWorld(t, oneSite(t, b), nil)
	for _, authority := range []string{
		"", "a.test,b.test", "user@a.test", "a%2etest", "a.test:0", "a.test:99999", "a.test:x", "a..test", ".a.test",
		"-a.test", "a.test..", "ä.test", "a test", "[::1", "1.2.3.4.5", "a.test/x",
	} {
		if a := w.rawH2("a.test", nil).get("https", authority, "/"); a.status != "400" && a.status != "reset" {
			t.Errorf("h2 authority %q: %+v", authority, a)
		}
		if strings.ContainsAny(authority, " /ä") || authority == "" {
			continue // no field, or another meaning, on HTTP/1.1
		}
		if a := w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: "+authority+"\r\n\r\n"); a.status != "400" {
			t.Errorf("http/1.1 host %q: %+v", authority, a)
		}
	}
	expects := w.rawH2("a.test", nil)
	for name, a := range map[string]rawAnswer{
		"host differs":      w.rawH2("a.test", nil).get("https", "a.test", "/", "host", "b.test"),
		"two hosts":         w.rawH2("a.test", nil).get("https", "-", "/", "host", "a.test", "host", "b.test"),
		"no host":           w.rawH2("a.test", nil).get("https", "-", "/"),
		"absolute path":     w.rawH2("a.test", nil).get("https", "a.test", "https://b.test/"),
		"star":              w.rawH2("a.test", nil).get("https", "a.test", "*"),
		"userinfo":          w.rawHTTP1("a.test", "GET https://u@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		"TE and CL":         w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc"),
		"connect http/1.1":  w.rawHTTP1("a.test", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		"connect cleartext": w.rawHTTP1("", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"),
		"expects http/1.1":  w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: payment\r\nContent-Length: 3\r\n\r\nabc"),
		"expects h2":        expects.answer(expects.send(false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/", "expect", "payment")),
		"pri":               w.rawHTTP1("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	} {
		if a.status != "400" && a.status != "405" && a.status != "501" && a.status != "505" && a.status != "reset" &&
			!(a.status == "417" && strings.HasPrefix(name, "expects")) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	c := w.rawH2("a.test", nil)
	if a := c.answer(c.send(true, ":method", "CONNECT", ":authority", "a.test:443")); a.status != "405" && a.status != "reset" {
		t.Errorf("connect h2: %+v", a)
	}
	// The same host said in two ways is no conflict.
	if a := w.rawH2("a.test", nil).get("https", "a.test", "/", "host", "A.TEST.:443"); a.status != "200" {
		t.Errorf("equal hosts: %+v", a)
	}
	if n := reached.Load(); n != 1 {
		t.Errorf("the backend saw %d requests, want 1", n)
	}
}

func TestBackendFaults(t *testing.T) {
	listen := func(serve func(net.Conn)) netip.AddrPort { return tcpBackend(t, "b", serve).Endpoints[0] }
	readHead := func(nc net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(nc)) }
	closed := listen(func(net.Conn) {})
	refused := func() netip.AddrPort {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		return netip.MustParseAddrPort(ln.Addr().String())
	}()
	good := echo(t, "good").Endpoints[0]
	for _, tt := range []struct {
		name      string
		endpoints []netip.AddrPort
		missing   string
		status    int
		details   string
	}{
		{"no endpoints", nil, "", 503, "no_endpoints"},
		{"no service", nil, hostmap.MissingService, 503, "service_not_found"},
		{"refused", []netip.AddrPort{refused}, "", 502, "connect"},
		{"closed before an answer", []netip.AddrPort{closed}, "", 502, "reset"},
		{"no answer in time", []netip.AddrPort{listen(func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })}, "", 504, "read_timeout"},
		{"nonsense", []netip.AddrPort{listen(func(nc net.Conn) { readHead(nc); _, _ = io.WriteString(nc, "HTTP/1.1 two hundred\r\n\r\n") })}, "", 502, "bad_response"},
		{"another endpoint", []netip.AddrPort{refused, good}, "", 200, ""},
	} {
		b := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Endpoints: tt.endpoints, Missing: tt.missing}
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, oneSite(t, b), func(c *Config) { c.Upstream.ReadTimeout = 200 * time.Millisecond }, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for range 2 {
					a := roundTrip(t, rt, "GET", "https://a.test/", nil)
					if a.StatusCode != tt.status || !strings.Contains(a.Header.Get("Proxy-Status"), tt.details) {
						t.Errorf("%d, proxy-status %q; want %d, %s", a.StatusCode, a.Header.Get("Proxy-Status"), tt.status, tt.details)
					}
				}
			})
		})
	}
	t.Run("body cut short", func(t *testing.T) {
		cut := listen(func(nc net.Conn) {
			readHead(nc)
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 100_000))
		})
		b := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Endpoints: []netip.AddrPort{cut}}
		onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://a.test/", nil)
			resp, err := rt.RoundTrip(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if err == nil {
				t.Error("the client took half a response for a whole one")
			}
		})
	})
}

// refusingStreams is an endpoint that says of each request that it has not
// processed it, when it has been sent so many octets of its body. It counts them.
func refusingStreams(t *testing.T, after int, refused *atomic.Int64) netip.AddrPort {
	return tcpBackend(t, "bad", func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, len(http2.ClientPreface)))
		fr := http2.NewFramer(nc, nc)
		_ = fr.WriteSettings()
		for got := 0; ; {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() {
					_ = fr.WriteSettingsAck()
				}
				continue
			case *http2.HeadersFrame:
				got = 0
			case *http2.DataFrame:
				if n := len(f.Data()); n > 0 {
					_ = fr.WriteWindowUpdate(0, uint32(n))
					_ = fr.WriteWindowUpdate(f.StreamID, uint32(n))
				}
				if got > after {
					continue // on its way when it was refused
				}
				got += len(f.Data())
			default:
				continue
			}
			if got >= after {
				refused.Add(1)
				_ = fr.WriteRSTStream(f.Header().StreamID, http2.ErrCodeRefusedStream)
				got = after + 1
			}
		}
	}).Endpoints[0]
}

// An endpoint that refuses what it has not processed fails no request that
// another endpoint can be given.
func TestRefusingEndpoint(t *testing.T) {
	var refused atomic.Int64
	bad := refusingStreams(t, 0, &refused)
	good := backendOf(t, hostmap.H2C, func(http.ResponseWriter, *http.Request) {}).Endpoints[0]
	for _, tt := range []struct {
		name      string
		endpoints []netip.AddrPort
		status    int
		details   string
	}{
		{"alone", []netip.AddrPort{bad}, 502, `error=connection_terminated; details="refused"`},
		{"beside another", []netip.AddrPort{bad, good}, 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Protocol: hostmap.H2C, Endpoints: tt.endpoints}
			onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for range 2 {
					before := refused.Load()
					a := roundTrip(t, rt, "GET", "https://a.test/", nil)
					if a.StatusCode != tt.status || !strings.Contains(a.Header.Get("Proxy-Status"), tt.details) {
						t.Errorf("%d, proxy-status %q; want %d, %s", a.StatusCode, a.Header.Get("Proxy-Status"), tt.status, tt.details)
					}
					if n := refused.Load() - before; n > 2 {
						t.Errorf("sent %d times to one endpoint", n)
					}
				}
			})
		})
	}
}

// A client that gives up frees the backend at once.
func TestCancel(t *testing.T) {
	started, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	b := backend(t, "b", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://a.test/", nil)
		go func() {
			<-started
			cancel()
		}()
		if resp, err := rt.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			t.Error("an answer to a canceled request")
		}
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Error("the backend still works for a client that has gone")
		}
	})
}

// A 421 of a backend's is about our connection to it, and must not send the
// client looking for another one to us.
func TestUpstreamMisdirected(t *testing.T) {
	var requests atomic.Int32
	var always atomic.Bool
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1); always.Load() || requests.Load() == 1 {
			w.WriteHeader(421)
		}
	}))
	onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		requests.Store(0)
		always.Store(false)
		if a := roundTrip(t, rt, "GET", "https://a.test/", nil); a.StatusCode != 200 || requests.Load() != 2 {
			t.Errorf("%d after %d tries, want 200 after 2", a.StatusCode, requests.Load())
		}
		always.Store(true)
		a := roundTrip(t, rt, "GET", "https://a.test/", nil)
		if a.StatusCode != 502 || !strings.Contains(a.Header.Get("Proxy-Status"), "upstream_misdirected") {
			t.Errorf("%d %q, want 502 upstream_misdirected", a.StatusCode, a.Header.Get("Proxy-Status"))
		}
		requests.Store(0)
		a = roundTrip(t, rt, "POST", "https://a.test/", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
		})
		if a.StatusCode != 502 || requests.Load() != 1 {
			t.Errorf("POST: %d after %d tries, want 502 after 1", a.StatusCode, requests.Load())
		}
	})
}

// Each request takes the next endpoint, whatever connection it came by.
func TestRoundRobin(t *testing.T) {
	b := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80"}
	for i := range 10 {
		b.Endpoints = append(b.Endpoints, echo(t, strconv.Itoa(i)).Endpoints[0])
	}
	w := newWorld(t, oneSite(t, b), nil)
	seen := map[string]int{}
	for range 5 {
		cc := w.h2Client("a.test", nil)
		for range 4 {
			seen[roundTrip(t, cc, "GET", "https://a.test/", nil).Header.Get("X-Backend")]++
		}
	}
	for i := range 10 {
		if seen[strconv.Itoa(i)] != 2 {
			t.Fatalf("20 requests to 10 endpoints: %v", seen)
		}
	}
}

func TestCleartext(t *testing.T) {
	ca := newAuthority(t)
	b := echo(t, "b")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "plain.test", Routes: routeTo(b)}),
		hostmap.NewSite(hostmap.Site{Host: "tls.test", Terms: hostmap.Terms{HTTPSRedirect: true}, Certificates: []*hostmap.Certificate{ca.serverCert("a", "tls.test")}, Routes: routeTo(b)}),
		hostmap.NewSite(hostmap.Site{Host: "mtls.test", Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire), Routes: routeTo(b)}),
	}})
	w := newWorld(t, m, func(c *Config) { c.ExternalHTTPSPort = 8443 })
	for _, tt := range []struct{ request, status, location string }{
		{"GET / HTTP/1.1\r\nHost: plain.test", "200", ""},
		{"GET / HTTP/1.0\r\nHost: plain.test", "200", ""},
		{"GET http://plain.test/ HTTP/1.1\r\nHost: other.test", "200", ""},
		{"GET https://plain.test/ HTTP/1.1\r\nHost: plain.test", "421", ""},
		{"GET /x?y HTTP/1.1\r\nHost: TLS.test:8080", "308", "https://tls.test:8443/x?y"},
		{"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: tls.test", "200", ""},
		{"GET / HTTP/1.1\r\nHost: mtls.test", "421", ""},
		{"GET / HTTP/1.1\r\nHost: nowhere.test", "404", ""},
		{"GET / HTTP/1.1\r\nHost: plain.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "200", ""},
	} {
		if a := w.rawHTTP1("", tt.request+"\r\n\r\n"); a.status != tt.status || a.header["location"] != tt.location {
			t.Errorf("%q: %s %s, want %s %s", tt.request, a.status, a.header["location"], tt.status, tt.location)
		}
	}
}

// A connection goes on where every reader sees the request end in the same place,
// and one of HTTP/1.0 where it has asked for that.
func TestDoubtfulFramingClosesTheConnection(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	for name, tt := range map[string]struct{ request, status, connection string }{
		"chunked":              {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "200", ""},
		"chunks with more":     {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n", "200", "close"},
		"chunked and more":     {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "400", "close"},
		"HTTP/1.0":             {"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", "200", "close"},
		"HTTP/1.0 that asks":   {"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n", "200", "keep-alive"},
		"HTTP/1.0 and its kin": {"GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer_Encoding: chunked\r\n\r\n", "200", "close"},
	} {
		a := w.rawHTTP1("a.test", tt.request)
		if a.gone || a.status != tt.status || a.header["connection"] != tt.connection {
			t.Errorf("%s: %+v, want %s and %q", name, a, tt.status, tt.connection)
		}
	}
}

// What asks for no host at all is a balancer's health check, in cleartext.
func TestProbesWithoutAHost(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	for _, tt := range []struct{ serverName, request, want string }{
		{"", "OPTIONS / HTTP/1.0\r\n\r\n", "200"}, // HAProxy's default
		{"", "GET / HTTP/1.0\r\n\r\n", "200"},
		{"", "HEAD /healthz HTTP/1.0\r\nUser-Agent: x\r\n\r\n", "200"},
		{"", "OPTIONS * HTTP/1.0\r\n\r\n", "200"},
		{"", "GET / HTTP/1.0\r\nHost:\r\n\r\n", "400"},
		{"", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"", "POST / HTTP/1.0\r\n\r\n", "400"},
		{"", "GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", "400"},
		{"", "GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n\r\n", "404"}, // a kubelet's, or a cloud's: nobody serves it
		{"a.test", "OPTIONS / HTTP/1.0\r\n\r\n", "400"},
	} {
		a := w.rawHTTP1(tt.serverName, tt.request)
		if a.status != tt.want || a.header["server"] != "ingress421" || a.header["date"] == "" || a.header["x-backend"] != "" {
			t.Errorf("%q: %+v, want %s", tt.request, a, tt.want)
		}
	}
}

func TestListenWaitsForTheFirstMap(t *testing.T) {
	s, err := New(Config{HTTPAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Listen(ctx); err == nil {
		t.Error("a listener without a map")
	}
}

// A backend that fails, or answers, before the body is whole: the client gets
// the answer, and not only a reset.
func TestAnswerBeforeTheEndOfTheBody(t *testing.T) {
	early := backend(t, "early", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(413)
	}))
	gone := tcpBackend(t, "gone", func(nc net.Conn) { _, _ = nc.Read(make([]byte, 10)) })
	for _, tt := range []struct {
		name     string
		backend  *hostmap.Backend
		protocol hostmap.Protocol
		status   string
	}{
		{"HTTP/1.1 answers", early, hostmap.HTTP, "413"},
		{"HTTP/1.1 fails", gone, hostmap.HTTP, "502"},
		{"HTTP/2 fails", gone, hostmap.H2C, "502"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := *tt.backend
			b.Protocol = tt.protocol
			w := newWorld(t, oneSite(t, &b), nil)
			c := w.rawH2("a.test", nil)
			id := c.send(false, ":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a.test")
			if err := c.fr.WriteData(id, false, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if a := c.answer(id); a.status != tt.status {
				t.Errorf("%+v, want %s", a, tt.status)
			}
		})
	}
}
