package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/proxy/message"
)

const hsts = "max-age=31536000; includeSubDomains"

// termsMap is a.test with a route to b for each of the terms, below the path of
// its name.
func termsMap(t testing.TB, b *hostmap.Backend, class *hostmap.Class) *hostmap.Map {
	t.Helper()
	user, err := hostmap.NewPathRegex(`/user/(\d+)(/.*)?$`)
	if err != nil {
		t.Fatal(err)
	}
	ranges := func(prefixes ...string) hostmap.Ranges { return hostmap.NewRanges(prefixesOf(prefixes...)...) }
	routes := []*hostmap.Route{
		{Path: "/small", Terms: hostmap.Terms{MaxBodySize: 1000}},
		{Path: "/here", Terms: hostmap.Terms{Allow: ranges("127.0.0.0/8", "2001:db8::/32")}},
		{Path: "/elsewhere", Terms: hostmap.Terms{Allow: ranges("203.0.113.0/24"), Redirect: hostmap.Redirect{Status: 301, Target: "/secret"}}},
		{Path: "/denied", Terms: hostmap.Terms{Allow: ranges("0.0.0.0/0"), Deny: ranges("127.0.0.1/32")}},
		{Path: "/old", Terms: hostmap.Terms{Redirect: hostmap.Redirect{Status: 301, Target: "https://new.example/x?y"}, MaxBodySize: 10}},
		{Path: "/away", Terms: hostmap.Terms{Redirect: hostmap.Redirect{Status: 307, Target: "/there"}}},
		{Path: "/app", Terms: hostmap.Terms{RewriteTarget: "/v2"}},
		{Type: hostmap.Regex, Regex: user, Path: user.String(), Terms: hostmap.Terms{RewriteTarget: "/u/$1$2"}},
		{Path: "/impatient", Terms: hostmap.Terms{ReadTimeout: 100 * time.Millisecond}},
		{Path: "/"},
	}
	for _, r := range routes {
		if r.Type != hostmap.Regex {
			r.Type = hostmap.Prefix
		}
		r.Backend = b
	}
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Class: class, Routes: routes, Terms: hostmap.Terms{HSTS: hsts},
		Certificates: []*hostmap.Certificate{newAuthority(t).serverCert("a", "a.test")},
	})}})
}

var backendProtocols = []hostmap.Protocol{hostmap.HTTP, hostmap.HTTPS, hostmap.H2C, hostmap.GRPC, hostmap.GRPCS}

// TestTerms: the terms of a route hold whichever protocols client and backend
// speak, and what they refuse is told as every refusal is.
func TestTerms(t *testing.T) {
	const onward = 202 // the backend has answered
	tests := []struct {
		name, method, path string
		declared, chunked  int // octets of the body, one way or the other
		status             int
		reason             string
		want               string // what the backend was asked for, or Location
	}{
		{"no terms", "GET", "/x?y", 0, 0, onward, "", "/x?y 0"},
		{"small enough", "POST", "/small", 1000, 0, onward, "", "/small 1000"},
		{"small enough, not declared", "POST", "/small", 0, 1000, onward, "", "/small 1000"},
		{"no body", "GET", "/small", 0, 0, onward, "", "/small 0"},
		{"declared to be too large", "POST", "/small", 1001, 0, 413, "body_size", ""},
		{"too large", "POST", "/small", 0, 1001, 413, "body_size", ""},
		{"much too large", "PUT", "/small", 0, 1 << 20, 413, "body_size", ""},
		{"allowed", "GET", "/here", 0, 0, onward, "", "/here 0"},
		{"not allowed, nor told where it was", "GET", "/elsewhere", 0, 0, 403, "source_range", ""},
		{"denied", "GET", "/denied", 0, 0, 403, "source_range", ""},
		{"denied by any other way to say it", "GET", "/x/%2e%2e/%64eni%65d/./y", 0, 0, 403, "source_range", ""},
		{"moved", "GET", "/old/a?b", 0, 0, 301, "", "https://new.example/x?y"},
		{"moved, with a body", "POST", "/old", 11, 0, 301, "", "https://new.example/x?y"},
		{"moved for a while", "POST", "/away", 1, 0, 307, "", "/there"},
		{"another path", "GET", "/app/a%2fb?c=/../d", 0, 0, onward, "", "/v2/a%2fb?c=/../d 0"},
		{"another path than was matched", "GET", "/x/../app/./y", 0, 0, onward, "", "/v2/y 0"},
		{"another path, of groups", "POST", "/user/42/x?y", 4, 0, onward, "", "/u/42/x?y 4"},
		{"another path, of an empty group", "GET", "/user/42", 0, 0, onward, "", "/u/42 0"},
		{"too late", "GET", "/impatient", 0, 0, 504, "read_timeout", ""},
	}
	for _, protocol := range backendProtocols {
		t.Run(protocol.String(), func(t *testing.T) {
			b := backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				n, err := io.Copy(io.Discard, r.Body)
				if r.URL.Path == "/impatient" {
					<-r.Context().Done()
					return
				}
				if err == nil && strings.HasPrefix(r.URL.Path, "/small") && n > 1000 {
					t.Errorf("the backend was sent %d octets", n)
				}
				w.Header().Set("X-Seen", fmt.Sprintf("%s %d", r.RequestURI, n))
				w.Header().Set("Strict-Transport-Security", "max-age=1")
				w.WriteHeader(onward)
			})
			var access testkit.Buffer
			onBoth(t, termsMap(t, b, nil), func(c *Config) { c.AccessLog, c.AccessLogTo = AccessLogJSON, &access }, func(t *testing.T, w *world, rt http.RoundTripper) {
				asked := map[int]int{}
				for _, tt := range tests {
					a := roundTrip(t, rt, tt.method, "https://a.test/", func(r *http.Request) {
						path, query, _ := strings.Cut(tt.path, "?")
						r.URL.Opaque, r.URL.RawQuery = "//a.test"+path, query
						switch {
						case tt.declared > 0:
							r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", tt.declared))), int64(tt.declared)
						case tt.chunked > 0:
							r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", tt.chunked))), -1
						}
					})
					asked[tt.status]++
					if a.StatusCode != tt.status {
						t.Errorf("%s: status %d, body %q, want %d", tt.name, a.StatusCode, a.body, tt.status)
						continue
					}
					_, details, _ := strings.Cut(a.Header.Get("Proxy-Status"), `details="`)
					if strings.TrimSuffix(details, `"`) != tt.reason || tt.reason != "" && !strings.Contains(a.body, tt.reason) {
						t.Errorf("%s: proxy-status %q, body %q, want %s", tt.name, a.Header.Get("Proxy-Status"), a.body, tt.reason)
					}
					if got := a.Header.Get("X-Seen") + a.Header.Get("Location"); got != tt.want {
						t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
					}
					if got := a.Header["Strict-Transport-Security"]; !slices.Equal(got, []string{hsts}) {
						t.Errorf("%s: strict-transport-security %q", tt.name, got)
					}
				}
				w.stop()
				for status, n := range asked {
					if got := counterSum(t, w.registry, "ingress421_requests_total", "code", strconv.Itoa(status)); int(got) != n {
						t.Errorf("the metric has %v of %d, want %d", got, status, n)
					}
				}
				for reason, n := range map[string]int{"body_size": 3, "source_range": 3} {
					if got := strings.Count(access.String(), `"reason":"`+reason+`"`); got != n {
						t.Errorf("the log has %d lines of %s, want %d", got, reason, n)
					}
				}
				access = testkit.Buffer{}
			})
		})
	}
}

// TestUploadBeyondItsSize: a body that is not declared is cut where it grows too
// large, at once, however slow its client is, and the backend never gets more.
func TestUploadBeyondItsSize(t *testing.T) {
	for _, protocol := range backendProtocols {
		t.Run(protocol.String(), func(t *testing.T) {
			type upload struct {
				n   int64
				err error
			}
			uploads := make(chan upload, 1)
			b := backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("begin") {
					_ = http.NewResponseController(w).EnableFullDuplex()
					w.WriteHeader(http.StatusOK)
					_ = http.NewResponseController(w).Flush()
				}
				n, err := io.Copy(io.Discard, r.Body)
				uploads <- upload{n, err}
			})
			onBoth(t, termsMap(t, b, nil), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for _, query := range []string{"", "?begin"} {
					body, feed := io.Pipe()
					answered := make(chan struct{})
					go func() {
						_, _ = feed.Write(make([]byte, 900))
						if query != "" {
							<-answered
						}
						_, _ = feed.Write(make([]byte, 900))
					}()
					req, _ := http.NewRequestWithContext(context.Background(), "POST", "https://a.test/small"+query, body)
					resp, err := rt.RoundTrip(req)
					close(answered)
					if err != nil {
						t.Fatalf("%q: %v", query, err)
					}
					want := http.StatusRequestEntityTooLarge
					if query != "" {
						want = http.StatusOK
					}
					if resp.StatusCode != want {
						t.Errorf("%q: status %d, want %d", query, resp.StatusCode, want)
					}
					if u := <-uploads; u.err == nil || u.n > 1000 {
						t.Errorf("%q: the backend got %d octets, and then %v", query, u.n, u.err)
					}
					_ = resp.Body.Close()
					_ = feed.Close()
				}
			})
		})
	}
}

// Nothing is dialled for a body that is declared to be too large, and a client
// that waits to be asked for it is not.
func TestDeclaredSizeIsNotDialled(t *testing.T) {
	b := echo(t, "b")
	w := newWorld(t, termsMap(t, b, nil), func(c *Config) {
		c.Upstream.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Error("dialled")
			return nil, errors.New("not to be dialled")
		}
	})
	a := w.rawHTTP1("a.test", "POST /small HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
	if a.status != "413" || a.header["connection"] != "close" {
		t.Errorf("status %s, header %v, want 413 and a close", a.status, a.header)
	}
	c := w.rawH2("a.test", nil)
	id := c.send(false, ":method", "POST", ":scheme", "https", ":authority", "a.test", ":path", "/small", "content-length", "1001")
	if a := c.answer(id); a.status != "413" {
		t.Errorf("status %s, want 413", a.status)
	}
	if a := c.get("https", "a.test", "/old"); a.status != "301" {
		t.Errorf("the connection does not go on: %s", a.status)
	}
}

// A call is told in gRPC's own words.
func TestTermsOfGRPC(t *testing.T) {
	b := backendOf(t, hostmap.GRPC, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	onBoth(t, termsMap(t, b, nil), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		for path, want := range map[string][2]string{"/denied": {"7", "source_range"}, "/small": {"8", "body_size"}} {
			a := roundTrip(t, rt, "POST", "https://a.test"+path, func(r *http.Request) {
				r.Header.Set("Content-Type", "application/grpc+proto")
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 2000))), -1
			})
			if got := [2]string{a.Header.Get("Grpc-Status"), a.Header.Get("Grpc-Message")}; got != want {
				t.Errorf("%s: status %d, %v, want %v", path, a.StatusCode, got, want)
			}
		}
	})
}

// A tunnel is no body: what goes through it has no size.
func TestTunnelHasNoSize(t *testing.T) {
	m := termsMap(t, backend(t, "b", http.HandlerFunc(echoTunnel)), nil)
	w := newWorld(t, m, nil)
	nc := w.dialHTTP1(true)
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(nc, "GET /small HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", resp, err)
	}
	sent := strings.Repeat("x", 5000)
	_, _ = io.WriteString(nc, sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(br, got); err != nil || string(got) != sent {
		t.Errorf("%v", err)
	}
}

func echoTunnel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", r.Header.Get("Upgrade"))
	w.WriteHeader(http.StatusSwitchingProtocols)
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer nc.Close()
	_, _ = io.Copy(nc, rw)
}

// TestSourceRanges: where a client is, is where its connection comes from, what a
// PROXY header says, or what a trusted gateway does. What such a gateway says and
// nobody can read is nowhere.
func TestSourceRanges(t *testing.T) {
	trusting := hostmap.BuiltinClass()
	trusting.Name, trusting.TrustedGateways = "trusting", prefixesOf("127.0.0.0/8", "10.0.0.0/8")
	tests := []struct {
		name          string
		class         *hostmap.Class
		proxyProtocol string
		said          string // head fields
		here          bool   // admitted by 127.0.0.0/8 and 2001:db8::/32
		denied        bool   // refused as 127.0.0.1
	}{
		{"the peer", nil, "", "", true, true},
		{"the peer, whatever it says", nil, "", "X-Forwarded-For: 203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\n", true, true},
		{"a PROXY header", nil, "PROXY TCP4 203.0.113.9 203.0.113.1 4711 80\r\n", "", false, false},
		{"a PROXY header, IPv6", nil, "PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\n", "", true, true},
		{"a gateway that says nothing", trusting, "", "", true, true},
		{"a gateway", trusting, "", "X-Forwarded-For: 203.0.113.9\r\n", false, false},
		{"a gateway behind another", trusting, "", "X-Forwarded-For: 127.0.0.1, 203.0.113.9, 10.0.0.7\r\n", false, false},
		{"a gateway, X-Real-IP alone", trusting, "", "X-Real-IP: 2001:db8::7\r\n", true, true},
		{"a gateway that cannot be read", trusting, "", "X-Forwarded-For: unknown\r\n", false, true},
		{"a gateway, mapped", trusting, "", "X-Forwarded-For: ::ffff:127.0.0.1\r\n", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, termsMap(t, echo(t, "b"), tt.class), func(c *Config) {
				if tt.proxyProtocol != "" {
					c.ProxyProtocolFrom = loopback()
				}
			})
			for path, admitted := range map[string]bool{"/here": tt.here, "/denied": !tt.denied} {
				nc, err := net.Dial("tcp", w.http)
				if err != nil {
					t.Fatal(err)
				}
				_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
				_, _ = io.WriteString(nc, tt.proxyProtocol+"GET "+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"+tt.said+"\r\n")
				resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil {
					t.Fatal(err)
				}
				want := http.StatusForbidden
				if admitted {
					want = http.StatusOK
				}
				if resp.StatusCode != want {
					t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
				}
				if got := resp.Header.Get("Strict-Transport-Security"); got != "" {
					t.Errorf("%s: strict-transport-security %q over cleartext", path, got)
				}
				_ = nc.Close()
			}
		})
	}
}

// A 421 has no HSTS: the connection does not speak for the host.
func TestMisdirectedHasNoHSTS(t *testing.T) {
	ca := newAuthority(t)
	site := func(host string) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{
			Host: host, Certificates: []*hostmap.Certificate{ca.serverCert(host, host)},
			Routes: routeTo(echo(t, "b")), Terms: hostmap.Terms{HSTS: hsts},
		})
	}
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("a.test"), site("b.test")}}), nil)
	c := w.rawH2("a.test", nil)
	if a := c.get("https", "b.test", "/"); a.status != "421" || a.header["strict-transport-security"] != "" {
		t.Errorf("status %s, header %v", a.status, a.header)
	}
	if a := c.get("https", "a.test", "/"); a.status != "200" || a.header["strict-transport-security"] != hsts {
		t.Errorf("status %s, header %v", a.status, a.header)
	}
}

// TestTimeoutsOfARoute go before those of its class, which go before the server's.
func TestTimeoutsOfARoute(t *testing.T) {
	const soon, late = 100 * time.Millisecond, time.Minute
	hung := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tests := []struct {
		reason string
		terms  hostmap.Terms
		dial   func(context.Context, string, string) (net.Conn, error)
		body   int
	}{
		{"connect_timeout", hostmap.Terms{ConnectTimeout: soon}, hung, 0},
		{"read_timeout", hostmap.Terms{ReadTimeout: soon}, nil, 0},
		{"send_timeout", hostmap.Terms{SendTimeout: soon}, nil, 64 << 20},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and nothing from them
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			class := hostmap.BuiltinClass()
			class.Limits.ConnectTimeout, class.Limits.ReadTimeout, class.Limits.SendTimeout = late, late, late
			b := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Endpoints: []netip.AddrPort{netip.MustParseAddrPort(ln.Addr().String())}}
			m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
				Host: "a.test", Class: class, Routes: []*hostmap.Route{{Type: hostmap.Prefix, Path: "/", Backend: b, Terms: tt.terms}},
				Certificates: []*hostmap.Certificate{newAuthority(t).serverCert("a", "a.test")},
			})}})
			w := newWorld(t, m, func(c *Config) { c.Upstream.Dial = tt.dial })
			tr := w.client(message.HTTP2, "a.test")
			a := roundTrip(t, tr, "POST", "https://"+w.https+"/", func(r *http.Request) {
				r.Host = "a.test"
				if tt.body > 0 {
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", tt.body))), int64(tt.body)
				}
			})
			if a.StatusCode != http.StatusGatewayTimeout || !strings.Contains(a.body, tt.reason) {
				t.Errorf("status %d, body %q, want 504 %s", a.StatusCode, a.body, tt.reason)
			}
		})
	}
}

// A client that sends all of a large body before it looks at the answer still finds
// it there.
func TestRefusedUploadIsAnswered(t *testing.T) {
	w := newWorld(t, termsMap(t, echo(t, "b"), nil), nil)
	for name, head := range map[string]string{"declared": "Content-Length: 4194304\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\n400000\r\n"} {
		nc := w.dialHTTP1(true)
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(nc, "POST /small HTTP/1.1\r\nHost: a.test\r\n"+head)
		_, err := io.WriteString(nc, strings.Repeat("x", 4<<20))
		resp, rerr := http.ReadResponse(bufio.NewReader(nc), nil)
		if rerr != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: sending: %v; answer: %v, %v", name, err, resp, rerr)
		}
		_ = nc.Close()
	}
}
