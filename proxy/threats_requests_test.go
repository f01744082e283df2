package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestNoDialForNonsense: requests that no origin is meant for are answered
// here, and no connection to a backend is made for them.
func TestNoDialForNonsense(t *testing.T) {
	var dials atomic.Int32
	spared := echo(t, "b")
	w := newWorld(t, besideGood(t, spared), func(c *Config) {
		c.Upstream.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == spared.Endpoints[0].String() {
				dials.Add(1)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	good := w.neighbour("good.test")
	ends := "\r\nHost: a.test\r\n\r\n"
	got := map[string]rawAnswer{}
	for _, line := range []string{
		"CONNECT a.test:443 HTTP/1.1", "CONNECT a.test HTTP/1.1", "CONNECT 127.0.0.1:22 HTTP/1.1", "CONNECT /x HTTP/1.1", "PRI * HTTP/2.0", "PRI * HTTP/1.1", "PRI / HTTP/1.1",
		"GET /%zz HTTP/1.1", "GET /a%2 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "GET *x HTTP/1.1", "GET http://a.test:0/ HTTP/1.1", "GET ftp://a.test/ HTTP/1.1",
	} {
		got["TLS: "+line] = w.rawHTTP1("a.test", line+ends)
		got["cleartext: "+line] = w.rawHTTP1("", line+ends)
	}
	for name, fields := range map[string][]string{
		"CONNECT":                   {":method", "CONNECT", ":authority", "a.test:443"},
		"CONNECT elsewhere":         {":method", "CONNECT", ":authority", "127.0.0.1:22"},
		"CONNECT with a path":       {":method", "CONNECT", ":scheme", "https", ":authority", "a.test", ":path", "/"},
		"CONNECT of a protocol":     {":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https", ":authority", "a.test", ":path", "/"},
		":protocol without CONNECT": {":method", "GET", ":protocol", "websocket", ":scheme", "https", ":authority", "a.test", ":path", "/"},
		"OPTIONS *":                 {":method", "OPTIONS", ":scheme", "https", ":authority", "a.test", ":path", "*"},
		"GET *":                     {":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "*"},
		"PRI *":                     {":method", "PRI", ":scheme", "https", ":authority", "a.test", ":path", "*"},
		"PRI /":                     {":method", "PRI", ":scheme", "https", ":authority", "a.test", ":path", "/"},
		"GET /%zz":                  {":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/%zz"},
		// Every proxy that was tried serves this one (RFC 9110 section 7.4).
		":scheme http": {":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/"},
	} {
		c := w.rawH2("a.test", nil)
		got["h2: "+name] = c.answer(c.send(true, fields...))
	}
	// Malformed by RFC 9113 section 8: a stream error.
	malformed := map[string]bool{"h2: CONNECT with a path": true, "h2: :protocol without CONNECT": true}
	// Judged before anything else is.
	misdirected := map[string]bool{"h2: :scheme http": true, "TLS: GET ftp://a.test/ HTTP/1.1": true, "cleartext: GET ftp://a.test/ HTTP/1.1": true}
	for name, a := range got {
		switch {
		case malformed[name]:
			if a.status != "reset" || a.reset != http2.ErrCodeProtocol {
				t.Errorf("%s: %+v, want a reset with PROTOCOL_ERROR", name, a)
			}
		case misdirected[name]:
			if a.status != "421" {
				t.Errorf("%s: %+v, want 421", name, a)
			}
		case a.status != "400" && a.status != "405":
			t.Errorf("%s: %+v, want 400 or 405", name, a)
		}
	}
	if n := dials.Load(); n != 0 {
		t.Errorf("%d connections to the backend", n)
	}
	// Upgrades that are not for us are no upgrades: the request is served as it is.
	for _, protocol := range []string{"h2c", "TLS/1.0", "foo, bar"} {
		a := w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nUpgrade: "+protocol+"\r\n\r\n")
		if a.status != "200" || a.header["x-echo-upgrade"] != "" || a.header["x-echo-http2-settings"] != "" {
			t.Errorf("Upgrade: %s: %+v", protocol, a)
		}
	}
	good.unharmed(t)
}

// TestPathConfusion asks for /secret in every spelling that some server reads
// as it. Such a path either goes to the backend of /secret, as /secret, or not
// to the backend of /open in a way that RFC 3986 reads as /secret.
func TestPathConfusion(t *testing.T) {
	secret, open := echo(t, "secret"), echo(t, "open")
	ca := newAuthority(t)
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")},
		Routes: []*hostmap.Route{
			{Type: hostmap.Prefix, Path: "/secret", Backend: secret},
			{Type: hostmap.Prefix, Path: "/", Backend: open},
		},
	})}})
	w := newWorld(t, m, nil)
	good := w.neighbour("a.test")
	var paths []string
	for _, up := range []string{"..", "%2e%2e", "%2E.", ".%2e", "%2e%2E", "..;", "..;x=y", "..%00", "..%2f", "..%5c", "..\\", "%252e%252e", ".", "%2e", "", "...", "..%20", "%u002e%u002e", "%c0%ae%c0%ae"} {
		for _, form := range []string{"/open/%s/secret", "/%s/secret", "/open/x/%s/%[1]s/secret", "//%s/secret", "/open/%s//secret", "/%s/secret/%[1]s/secret", "/open/%s/secret/.", "/open/secret/%s/%[1]s/secret/"} {
			paths = append(paths, fmt.Sprintf(form, up))
		}
	}
	for _, p := range []string{"/secret", "/secret/", "/secret/x", "//secret", "/./secret", "/secret;x", "/secret%2f", "/Secret", "/secre%74", "/%73ecret", "/open/..", "/open/../", "/secret/..", "/secret/../", "/..", "/"} {
		paths = append(paths, p, p+"?/../secret")
	}
	h2 := w.rawH2("a.test", nil)
	for _, p := range paths {
		forH2 := h2.get("https", "a.test", p)
		if forH2.status == "reset" || forH2.gone {
			h2 = w.rawH2("a.test", nil)
		}
		forH1 := w.rawHTTP1("a.test", "GET "+p+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		if forH1.header["x-path"] != forH2.header["x-path"] || forH1.header["x-backend"] != forH2.header["x-backend"] {
			t.Errorf("%s: HTTP/1.1 %s of %s, HTTP/2 %s of %s", p, forH1.header["x-path"], forH1.header["x-backend"], forH2.header["x-path"], forH2.header["x-backend"])
		}
		if forH2.status != "200" {
			if forH2.status != "400" && forH2.status != "404" && forH2.status != "reset" {
				t.Errorf("%s: %+v", p, forH2)
			}
			continue
		}
		forwarded, _, _ := strings.Cut(forH2.header["x-path"], "?")
		want := "open"
		if resolved := resolve3986(forwarded); resolved == "/secret" || strings.HasPrefix(resolved, "/secret/") {
			want = "secret"
		}
		if forH2.header["x-backend"] != want {
			t.Errorf("%s reached %q as %s, want %q", p, forH2.header["x-backend"], forwarded, want)
		}
		if resolve3986(p) != forwarded && !strings.Contains(p, "?") {
			t.Errorf("%s is forwarded as %s, not as %s", p, forwarded, resolve3986(p))
		}
	}
	t.Logf("%d paths", len(paths))
	good.unharmed(t)
}

// encodedUnreserved is what RFC 3986 section 6.2.2.2 has decoded.
var encodedUnreserved = regexp.MustCompile(`(?i)%(2[de]|3\d|4[1-9a-f]|5[0-9a]|5f|6[1-9a-f]|7[0-9ae])`)

// resolve3986 decodes what needs no encoding and removes dot segments, by the
// letter of RFC 3986 sections 6.2.2.2 and 5.2.4: empty segments are segments.
func resolve3986(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = encodedUnreserved.ReplaceAllStringFunc(path, func(e string) string {
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		return string(rune(n))
	})
	var out []string
	segments := strings.Split(path, "/")[1:]
	for i, s := range segments {
		dots := s
		last := i == len(segments)-1
		switch {
		case dots == "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		case dots == ".":
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

// TestSpoofedFields sends every field by which backends know what a proxy
// vouches for, in spellings that some backend takes for it, and has Connection
// name ours. A backend sees our values only.
func TestSpoofedFields(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	good := w.neighbour("a.test")
	names := []string{
		"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server", "x-forwarded-scheme", "x-forwarded-ssl",
		"x-real-ip", "x-client-ip", "forwarded", "x-forwarded-client-cert", "x-forwarded-tls-client-cert", "client-cert", "client-cert-chain", "ssl-client-cert",
		"ssl-client-verify", "ssl-client-subject-dn", "x-ssl-client-cert", "x-original-forwarded-for", "front-end-https", "x-scheme", "proxy-authorization",
	}
	ours := map[string]string{
		"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "a.test", "x-forwarded-port": "443", "x-real-ip": "127.0.0.1",
	}
	check := func(what string, a rawAnswer) {
		t.Helper()
		if a.status != "200" {
			t.Errorf("%s: %+v", what, a)
			return
		}
		for n, v := range a.header {
			if strings.Contains(v, "evil") {
				t.Errorf("%s: %s: %s at the backend", what, n, v)
			}
		}
		for n, v := range ours {
			if got := a.header["x-echo-"+n]; got != v {
				t.Errorf("%s: %s: %q at the backend, want %q", what, n, got, v)
			}
		}
	}
	h2 := w.rawH2("a.test", nil)
	for _, n := range names {
		under := strings.ReplaceAll(n, "-", "_")
		mixed := strings.Replace(n, "-", "_", 1)
		for _, spelt := range []string{n, under, mixed} {
			check("h2 "+spelt, h2.get("https", "a.test", "/", spelt, "evil", spelt, "evil"))
		}
		for _, spelt := range []string{n, strings.ToUpper(n), http.CanonicalHeaderKey(n), under, strings.ToUpper(under), http.CanonicalHeaderKey(mixed)} {
			check("http/1.1 "+spelt, w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"+spelt+": evil\r\n"+spelt+":evil\r\n\r\n"))
		}
	}
	for _, tokens := range []string{
		"close, X-Forwarded-For, X-Real-IP", "x-forwarded-proto,close,x-forwarded-host,x-forwarded-port", "close, x_forwarded_for", "close, Host, X-Forwarded-Proto", "X-Real-Ip\t, close",
	} {
		check("Connection: "+tokens, w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: "+tokens+"\r\nX-Forwarded-For: evil\r\n\r\n"))
		check("connection: "+tokens, w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: "+tokens+"\r\nconnection: x-real-ip\r\n\r\n"))
	}
	good.unharmed(t)
}

// TestPostsToAnImpatientBackend sends ten thousand POSTs at all times before
// and after a backend closes its idle connections, a second after their last
// request: at most one may be answered 502, and none may be processed twice.
func TestPostsToAnImpatientBackend(t *testing.T) {
	const (
		idle    = time.Second
		about   = 100 * time.Millisecond
		conns   = 20
		workers = 100 // on each
		posts   = 10_000
	)
	var mu sync.Mutex
	seen := map[string]int{}
	ended := 0 // connections that were idle for too long
	b := tcpBackend(t, "b", func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for {
			_ = nc.SetReadDeadline(time.Now().Add(idle))
			// An event loop reads what has come before it closes what is late;
			// a goroutine that had to wait for a processor would not.
			if _, err := br.Peek(1); err != nil && !pending(nc) {
				_ = nc.Close()
				mu.Lock()
				ended++
				mu.Unlock()
				return
			}
			_ = nc.SetReadDeadline(time.Now().Add(patience))
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if req.Method == http.MethodPost {
				mu.Lock()
				seen[req.Header.Get("Id")]++
				mu.Unlock()
			}
			if _, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
				return
			}
		}
	})
	w := newWorld(t, oneSite(t, b), nil)
	good := w.neighbour("a.test")
	var failed, next atomic.Int64
	var wg sync.WaitGroup
	for range conns {
		cc := w.h2Client("a.test", nil)
		for range workers {
			wg.Go(func() {
				for id := next.Add(1); id <= posts; id = next.Add(1) {
					a := roundTrip(t, cc, "POST", "https://a.test/", func(r *http.Request) {
						r.Header.Set("Id", fmt.Sprint(id))
						r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 4
					})
					if a.StatusCode != 200 {
						t.Logf("%d: %d %s", id, a.StatusCode, a.Header.Get("Proxy-Status"))
						failed.Add(1)
					}
					// About the backend's idle limit: the subject of the test,
					// not synchronisation.
					time.Sleep(idle - about + rand.N(2*about))
				}
			})
		}
	}
	wg.Wait()
	good.unharmed(t)
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d POSTs: %d failed, %d were processed twice; the backend has closed %d connections", posts, failed.Load(), twice, ended)
	if failed.Load() > posts/10_000 || twice > 0 {
		t.Errorf("%d failed, %d were processed twice", failed.Load(), twice)
	}
	if ended < workers/5 {
		t.Errorf("the backend has closed %d connections: the test tells nothing", ended)
	}
}

// pending tells whether a connection has something to read.
func pending(nc net.Conn) bool {
	c, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	_ = nc.SetReadDeadline(time.Time{})
	_ = raw.Read(func(fd uintptr) bool {
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return n > 0
}
