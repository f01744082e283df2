package proxy

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// relay is a backend that sends what it gets to the server's own listener, as a
// Service that stands for our balancer does: to the host that turn tells.
type relay struct {
	httputil.ReverseProxy
	https  atomic.Pointer[string]
	passed atomic.Int32
	turn   func(host string) string
}

func newRelay(turn func(host string) string) *relay {
	r := &relay{turn: turn}
	r.Rewrite = func(p *httputil.ProxyRequest) {
		r.passed.Add(1)
		host := r.turn(p.In.Host)
		p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "https", *r.https.Load(), host
	}
	r.Transport = &http.Transport{TLSClientConfig: &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}} //nolint:gosec // a test
	return r
}

func TestLoopIsCut(t *testing.T) {
	r := newRelay(func(host string) string { return host })
	onBoth(t, oneSite(t, backend(t, "ourselves", r)), nil, func(t *testing.T, w *world, rt http.RoundTripper) {
		r.https.Store(&w.https)
		for _, contentType := range []string{"text/plain", "application/grpc"} {
			r.passed.Store(0)
			a := roundTrip(t, rt, "GET", "https://a.test/", func(r *http.Request) { r.Header.Set("Content-Type", contentType) })
			if n := r.passed.Load(); n != 3 {
				t.Errorf("%s: the request went round %d times, want %d", contentType, n, 3)
			}
			if contentType != "text/plain" {
				if a.Header.Get("Grpc-Status") != "13" || a.Header.Get("Grpc-Message") != "loop" {
					t.Errorf("gRPC: status %d, header %v, want grpc-status 13 and the reason", a.StatusCode, a.Header)
				}
				continue
			}
			if a.StatusCode != 508 || !strings.Contains(a.body, "loop") ||
				a.Header.Get("Proxy-Status") != `ingress421; error=proxy_loop_detected; details="loop"` {
				t.Errorf("status %d, header %v, body %q, want 508 for a loop", a.StatusCode, a.Header, a.body)
			}
		}
	})
}

// A backend may ask for another host by the way that its own request came.
func TestHairpinIsNoLoop(t *testing.T) {
	r := newRelay(func(string) string { return "b.test" })
	ca := newAuthority(t)
	certificates := []*hostmap.Certificate{ca.serverCert("both", "a.test", "b.test")}
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: certificates, Routes: routeTo(backend(t, "bff", r))}),
		hostmap.NewSite(hostmap.Site{Host: "b.test", Certificates: certificates, Routes: routeTo(echo(t, "api"))}),
	}})
	onBoth(t, m, nil, func(t *testing.T, w *world, rt http.RoundTripper) {
		r.https.Store(&w.https)
		a := roundTrip(t, rt, "GET", "https://a.test/", nil)
		if a.StatusCode != 200 || a.Header.Get("X-Backend") != "api" {
			t.Errorf("status %d from %q, want 200 from api", a.StatusCode, a.Header.Get("X-Backend"))
		}
	})
}

func TestLoopField(t *testing.T) {
	marks := func(n int) string { return strings.TrimSuffix(strings.Repeat("ingress421-00000000, ", n), ", ") }
	tests := []struct {
		name   string
		change func(http.Header)
		status int
		want   string // begins what the backend is told
	}{
		{"none", func(http.Header) {}, 200, "ingress421-"},
		{"of a CDN", func(h http.Header) { h.Set("CDN-Loop", "cdn.example; a=b") }, 200, "cdn.example; a=b | ingress421-"},
		{"few of others", func(h http.Header) { h.Set("CDN-Loop", marks(9)) }, 200, marks(9) + " | ingress421-"},
		{"many of others", func(h http.Header) { h.Set("CDN-Loop", marks(10)) }, 508, ""},
		{"many of others in several fields", func(h http.Header) { h["Cdn-Loop"] = strings.Split(marks(10), ", ") }, 508, ""},
		{"for one hop only", func(h http.Header) {
			h.Set("CDN-Loop", "cdn.example")
			h.Set("Connection", "cdn-loop")
		}, 200, "cdn.example | ingress421-"},
	}
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Told", strings.Join(r.Header["Cdn-Loop"], " | "))
	}))
	onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		for _, tt := range tests {
			if rt.(*http.Transport).Protocols.HTTP2() && tt.name == "for one hop only" {
				continue // RFC 9113 section 8.2.2
			}
			a := roundTrip(t, rt, "GET", "https://a.test/", func(r *http.Request) { tt.change(r.Header) })
			if told := a.Header.Get("X-Told"); a.StatusCode != tt.status || !strings.HasPrefix(told, tt.want) {
				t.Errorf("%s: status %d, the backend was told %q; want %d, %q...", tt.name, a.StatusCode, told, tt.status, tt.want)
			}
		}
	})
}

// What the compiler could not know about an endpoint is seen when it is dialled.
func TestNoConnectionToOurselves(t *testing.T) {
	listening := func(t *testing.T) (net.Listener, netip.AddrPort) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				_ = nc.Close()
				t.Error("a connection was opened")
			}
		}()
		return ln, netip.MustParseAddrPort(ln.Addr().String())
	}
	_, own := listening(t)
	tests := []struct {
		name     string
		endpoint netip.AddrPort
	}{
		{"an own listener", own},
		{"metadata service", netip.MustParseAddrPort("169.254.169.254:80")},
		{"metadata service behind NAT64", netip.MustParseAddrPort("[64:ff9b::a9fe:a9fe]:80")},
	}
	for _, tt := range tests {
		for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.HTTPS, hostmap.H2C} {
			t.Run(tt.name+" "+protocol.String(), func(t *testing.T) {
				b := &hostmap.Backend{
					Namespace: "default", Service: "b", Port: "80", Protocol: protocol, Endpoints: []netip.AddrPort{tt.endpoint},
				}
				w := newWorld(t, oneSite(t, b), func(c *Config) {
					c.Self = func() hostmap.Self { return hostmap.Self{Listeners: []netip.AddrPort{own}} }
				})
				a := roundTrip(t, w.client(message.HTTP1, "a.test"), "GET", "https://"+w.https+"/", func(r *http.Request) { r.Host = "a.test" })
				if a.StatusCode != 502 || !strings.Contains(a.body, "connect") {
					t.Errorf("status %d, body %q, want 502 connect", a.StatusCode, a.body)
				}
			})
		}
	}
}
