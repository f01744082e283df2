package proxy

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// chatter is a WebSocket backend that sends back what it gets.
func chatter(t testing.TB) *hostmap.Backend {
	return backend(t, "chat", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, p, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, p); err != nil {
				return
			}
		}
	}))
}

// chatters are ways to a chatter: by an Upgrade, and by an extended CONNECT, which a
// server of our own in front of it takes.
var chatters = map[string]func(t testing.TB) *hostmap.Backend{
	"HTTP/1.1": chatter,
	"HTTP/2": func(t testing.TB) *hostmap.Backend {
		inner := newWorld(t, oneSite(t, chatter(t)), nil)
		return &hostmap.Backend{
			Namespace: "default", Service: "inner", Port: "443", Protocol: hostmap.GRPCS,
			Endpoints: []netip.AddrPort{netip.MustParseAddrPort(inner.https)},
		}
	},
}

func TestWebSocketHTTP1(t *testing.T) {
	for name, to := range chatters {
		t.Run(name, func(t *testing.T) { testWebSocketHTTP1(t, to(t)) })
	}
}

func testWebSocketHTTP1(t *testing.T, b *hostmap.Backend) {
	w := newWorld(t, oneSite(t, b), nil)
	tr := w.client(message.HTTP1, "a.test")
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.https)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "wss://a.test/chat", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatalf("%v %v", err, resp)
	}
	for _, text := range []string{"hello", strings.Repeat("x", 20_000)} {
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(ctx); err != nil || string(p) != text {
			t.Fatalf("%d octets back: %v", len(p), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
	// A misdirected handshake is answered as any other request.
	_, resp, err = websocket.Dial(ctx, "wss://b.test/chat", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err == nil || resp == nil || resp.StatusCode != 421 {
		t.Errorf("misdirected: %v %v", resp, err)
	}
}

// RFC 8441: WebSocket on one stream of an HTTP/2 connection.
func TestWebSocketHTTP2(t *testing.T) {
	for name, to := range chatters {
		t.Run(name, func(t *testing.T) { testWebSocketHTTP2(t, to(t)) })
	}
}

func testWebSocketHTTP2(t *testing.T, b *hostmap.Backend) {
	w := newWorld(t, oneSite(t, b), nil)
	c := w.rawH2("a.test", nil)
	id := c.send(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat", ":authority", "a.test",
		"sec-websocket-version", "13", "origin", "https://a.test")
	// A masked text frame (RFC 6455 section 5.2) with a mask of zeros.
	if err := c.fr.WriteData(id, false, []byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'}); err != nil {
		t.Fatal(err)
	}
	var got []byte
	status := ""
	for len(got) < 4 {
		f, err := c.fr.ReadFrame()
		if err != nil {
			t.Fatalf("%v; status %s, %q", err, status, got)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			status = f.PseudoValue("status")
			for _, h := range f.Fields {
				if h.Name == "sec-websocket-accept" || h.Name == "upgrade" || h.Name == "connection" {
					t.Errorf("%s in a response on HTTP/2", h.Name)
				}
			}
		case *http2.DataFrame:
			got = append(got, f.Data()...)
		case *http2.RSTStreamFrame:
			t.Fatalf("reset %v", f.ErrCode)
		}
	}
	if status != "200" || string(got) != "\x81\x02hi" {
		t.Errorf("status %s, %q", status, got)
	}
	// The client's end is the backend's end.
	if err := c.fr.WriteData(id, true, nil); err != nil {
		t.Fatal(err)
	}
	c.answer(id)
}

// How the ends of a tunnel on HTTP/2 go over to TCP, and back (RFC 8441 section
// 5, RFC 9113 section 8.5).
func TestTunnelEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		// backend goes on after its 101, client after that.
		backend func(*net.TCPConn)
		client  func(c *rawH2, id uint32)
		want    rawAnswer
	}{
		{
			name: "client ends, backend goes on",
			backend: func(nc *net.TCPConn) {
				all, _ := io.ReadAll(nc)
				_, _ = nc.Write(append(all, " and more"...))
				_ = nc.Close()
			},
			client: func(c *rawH2, id uint32) { _ = c.fr.WriteData(id, true, []byte("all")) },
			want:   rawAnswer{status: "200", body: "all and more"},
		},
		{
			name: "client ends, backend is silent",
			backend: func(nc *net.TCPConn) {
				_, _ = io.Copy(io.Discard, nc)
			},
			client: func(c *rawH2, id uint32) { _ = c.fr.WriteData(id, true, nil) },
			want:   rawAnswer{status: "reset", reset: http2.ErrCodeCancel},
		},
		{
			name: "backend ends",
			backend: func(nc *net.TCPConn) {
				_, _ = nc.Write([]byte("bye"))
				_ = nc.Close()
			},
			client: func(*rawH2, uint32) {},
			want:   rawAnswer{status: "200", body: "bye"},
		},
		{
			name: "backend resets",
			backend: func(nc *net.TCPConn) {
				_ = nc.SetLinger(0)
				_ = nc.Close()
			},
			client: func(*rawH2, uint32) {},
			want:   rawAnswer{status: "reset", reset: http2.ErrCodeCancel},
		},
		{
			name:    "HEADERS in a tunnel",
			backend: func(nc *net.TCPConn) { _, _ = io.Copy(io.Discard, nc) },
			client: func(c *rawH2, id uint32) {
				_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0x00, 1, 'x', 1, 'y'}, EndStream: true, EndHeaders: true})
			},
			want: rawAnswer{status: "reset", reset: http2.ErrCodeProtocol},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tunnelTo(t, tt.backend)
			w := newWorld(t, oneSite(t, b), func(c *Config) { c.Limits.StallTimeout = 500 * time.Millisecond })
			c := w.rawH2("a.test", nil)
			id := c.send(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "a.test", "sec-websocket-version", "13")
			tt.client(c, id)
			got := c.answer(id)
			if got.status != tt.want.status || got.body != tt.want.body || got.reset != tt.want.reset {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// tunnelTo is a WebSocket backend that goes on as it likes after its 101.
func tunnelTo(t *testing.T, then func(*net.TCPConn)) *hostmap.Backend {
	return backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		// RFC 6455 section 4.2.2.
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // what the RFC asks for
		_, _ = fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		tcp, _ := nc.(*net.TCPConn)
		_ = tcp.SetDeadline(time.Time{})
		then(tcp)
	}))
}

// The limits of a tunnel are those of its connection, whosever host it is for.
func TestTunnelLimits(t *testing.T) {
	cert := newAuthority(t).serverCert("ab", "a.test", "b.test")
	quick, slow := hostmap.BuiltinClass(), hostmap.BuiltinClass()
	quick.Limits.StallTimeout, slow.Limits.StallTimeout = 300*time.Millisecond, time.Hour
	silent := tunnelTo(t, func(nc *net.TCPConn) { _, _ = io.Copy(io.Discard, nc) })
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Class: quick, Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(silent)}),
		hostmap.NewSite(hostmap.Site{Host: "b.test", Class: slow, Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(silent)}),
	}}), nil)
	c := w.rawH2("a.test", nil)
	id := c.send(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "b.test", "sec-websocket-version", "13")
	_ = c.fr.WriteData(id, true, nil)
	if got := c.answer(id); got.reset != http2.ErrCodeCancel {
		t.Errorf("got %+v, want a reset after the stall timeout of a.test's class", got)
	}
}

// A request under way is finished by a server that is told to stop, and new
// connections of the moment are served too.
func TestDrain(t *testing.T) {
	started, release := make(chan struct{}, 4), make(chan struct{})
	b := backend(t, "slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		started <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "whole")
	}))
	onBoth(t, oneSite(t, b), nil, func(t *testing.T, w *world, rt http.RoundTripper) {
		release = make(chan struct{})
		got := make(chan string, 1)
		go func() {
			req, _ := http.NewRequestWithContext(context.Background(), "GET", "https://a.test/", nil)
			resp, err := rt.RoundTrip(req)
			if err != nil {
				got <- err.Error()
				return
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				got <- err.Error()
				return
			}
			got <- string(body)
		}()
		<-started
		stopped := make(chan struct{})
		go func() {
			w.stop()
			close(stopped)
		}()
		select {
		case <-stopped:
			t.Fatal("stopped with a request under way")
		case <-time.After(2 * drainAccept):
		}
		close(release)
		if body := <-got; body != "whole" {
			t.Errorf("the request under way: %s", body)
		}
		<-stopped
	})
}

func TestDrainDeadline(t *testing.T) {
	started := make(chan struct{}, 1)
	b := backend(t, "hung", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-r.Context().Done()
	}))
	w := newWorld(t, oneSite(t, b), func(c *Config) { c.DrainTimeout = 100 * time.Millisecond })
	conn := w.rawH2("a.test", nil)
	conn.send(true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.test")
	<-started
	begin := time.Now()
	w.stop()
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("stopped after %v", took)
	}
}

// PROXY protocol: required from whom it is configured for, refused from
// everybody else, and never the reason to trust anybody.
func TestProxyProtocol(t *testing.T) {
	trusting := hostmap.BuiltinClass()
	trusting.TrustedGateways = prefixesOf("203.0.113.0/24")
	ca := newAuthority(t)
	m := hostmap.New(hostmap.Spec{Class: trusting, Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Class: trusting, Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")}, Routes: routeTo(echo(t, "a"))}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Class: trusting, Certificates: []*hostmap.Certificate{ca.serverCert("c", "c.test")}, Routes: routeTo(echo(t, "c"))}),
	}})
	header := "PROXY TCP4 203.0.113.9 203.0.113.1 4711 443\r\n"
	get := func(w *world, header, host string) rawAnswer {
		nc, err := net.Dial("tcp", w.https)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(nc, header)
		tc := tls.Client(nc, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}) //nolint:gosec // as above
		if err := tc.HandshakeContext(t.Context()); err != nil {
			return rawAnswer{gone: true}
		}
		_, _ = io.WriteString(tc, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(tc), nil)
		if err != nil {
			return rawAnswer{gone: true}
		}
		_ = resp.Body.Close()
		return rawAnswer{status: resp.Status[:3], header: map[string]string{"for": resp.Header.Get("X-Echo-X-Forwarded-For")}}
	}
	t.Run("configured", func(t *testing.T) {
		w := newWorld(t, m, func(c *Config) { c.ProxyProtocolFrom = prefixesOf("127.0.0.0/8") })
		if a := get(w, header, "a.test"); a.status != "200" || a.header["for"] != "203.0.113.9" {
			t.Errorf("with a header: %+v", a)
		}
		// The source is one that the class trusts, but it is not the peer.
		if a := get(w, header, "c.test"); a.status != "421" {
			t.Errorf("a trusted source is taken for a trusted peer: %+v", a)
		}
		if a := get(w, "", "a.test"); !a.gone {
			t.Errorf("without a header: %+v", a)
		}
		if a := get(w, "PROXY nonsense\r\n", "a.test"); !a.gone {
			t.Errorf("with nonsense: %+v", a)
		}
	})
	t.Run("not configured for the peer", func(t *testing.T) {
		w := newWorld(t, m, func(c *Config) { c.ProxyProtocolFrom = prefixesOf("192.0.2.0/24") })
		if a := get(w, header, "a.test"); !a.gone {
			t.Errorf("with a header: %+v", a)
		}
		if a := get(w, "", "a.test"); a.status != "200" || a.header["for"] != "127.0.0.1" {
			t.Errorf("without a header: %+v", a)
		}
	})
	t.Run("a slow header keeps nobody waiting", func(t *testing.T) {
		w := newWorld(t, m, func(c *Config) { c.ProxyProtocolFrom = prefixesOf("127.0.0.0/8") })
		for _, addr := range []string{w.http, w.https} {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
		}
		if a := get(w, header, "a.test"); a.status != "200" {
			t.Errorf("%+v", a)
		}
	})
}

// A trusted gateway's connection carries requests for any host, but a client
// certificate is still asked for.
func TestTrustedGateway(t *testing.T) {
	ca, clients := newAuthority(t), newAuthority(t)
	class := hostmap.BuiltinClass()
	class.TrustedGateways = prefixesOf("127.0.0.1/32")
	site := func(host string, p hostmap.TLSPolicy) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Class: class, Policy: p, Certificates: []*hostmap.Certificate{ca.serverCert(host, host)}, Routes: routeTo(echo(t, host))})
	}
	w := newWorld(t, hostmap.New(hostmap.Spec{Class: class, Sites: []*hostmap.Site{
		site("a.test", hostmap.TLSPolicy{}), site("c.test", hostmap.TLSPolicy{}),
		site("m.test", hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, clientsOf(clients))),
	}}), nil)
	cc := w.h2Client("a.test", nil)
	for host, want := range map[string]int{"a.test": 200, "c.test": 200, "m.test": 421} {
		a := roundTrip(t, cc, "GET", "https://"+host+"/", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "203.0.113.7") })
		if a.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, a.StatusCode, want)
		}
		if want == 200 && a.Header.Get("X-Echo-X-Forwarded-For") != "203.0.113.7, 127.0.0.1" {
			t.Errorf("%s: X-Forwarded-For %q", host, a.Header.Get("X-Echo-X-Forwarded-For"))
		}
	}
}
