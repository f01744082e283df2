package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
)

// slowClient is a connection whose client keeps the server waiting.
type slowClient struct {
	name    string
	tls     string // the protocol after a handshake; "": none, "-": cleartext
	say     []byte
	trickle string // then this, once a second
	deaf    int    // stop reading after so many octets; 0: read on
	sip     int    // then read so many a second

	after  time.Duration // the end of what reason names
	reason string        // the connection's end; "timeout": the handshake's; "request": the backend's request
}

// TestTimes is the shipped configuration and a clock that runs by itself: each
// way to keep the server waiting ends when the time for it is over, no sooner
// and at most a second later.
func TestTimes(t *testing.T) {
	const (
		handshake = 10 * time.Second
		preface   = 10 * time.Second
		headers   = 10 * time.Second
		idle      = 75 * time.Second
		stall     = 60 * time.Second
		begun     = 20_000 // octets of a response
	)
	frames := func(f func(fr *http2.Framer, a *attacker)) []byte {
		var b bytes.Buffer
		b.WriteString(http2.ClientPreface)
		a := newBlocks(t)
		fr := http2.NewFramer(&b, nil)
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		_ = fr.WriteSettingsAck()
		_ = fr.WriteWindowUpdate(0, 1<<30)
		if f != nil {
			f(fr, a)
		}
		return b.Bytes()
	}
	request := func(path string, end bool, more func(fr *http2.Framer)) []byte {
		method := "GET"
		if !end {
			method = "POST"
		}
		return frames(func(fr *http2.Framer, a *attacker) {
			block := a.block(":method", method, ":scheme", "https", ":authority", "a.test", ":path", path)
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: end, BlockFragment: block})
			if more != nil {
				more(fr)
			}
		})
	}
	hello := firstFlight(t)
	half := func(line string) []byte { return []byte(line + " HTTP/1.1\r\nHost: a.test\r\nX: ") }
	whole := func(line, more string) []byte {
		return []byte(line + " HTTP/1.1\r\nHost: a.test\r\n" + more)
	}
	for _, c := range []slowClient{
		{name: "nothing", after: handshake, reason: "timeout"},
		{name: "half a ClientHello", say: hello[:len(hello)/2], after: handshake, reason: "timeout"},
		{name: "a ClientHello that trickles", say: hello[:5], trickle: "\x01", after: handshake, reason: "timeout"},

		{name: "no preface", tls: "h2", after: preface, reason: h2.ClosedPrefaceTimeout},
		{name: "half a preface", tls: "h2", say: []byte(http2.ClientPreface[:10]), after: preface, reason: h2.ClosedPrefaceTimeout},
		{name: "no SETTINGS", tls: "h2", say: []byte(http2.ClientPreface), after: preface, reason: h2.ClosedPrefaceTimeout},
		{name: "no acknowledgement", tls: "h2", say: []byte(http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"), after: preface, reason: h2.ClosedSettingsTimeout},

		{name: "half a HEADERS frame", tls: "h2", say: append(frames(nil), 0, 0, 9, 1, 4, 0, 0, 0, 1, 0x82), after: headers, reason: h2.ClosedHeaderTimeout},
		{name: "a HEADERS frame that trickles", tls: "h2", say: append(frames(nil), 0, 1, 0, 1, 4, 0, 0, 0, 1), trickle: "\x82", after: headers, reason: h2.ClosedHeaderTimeout},
		{name: "half a header block", tls: "h2", say: frames(func(fr *http2.Framer, a *attacker) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.block(":method", "GET")})
		}), after: headers, reason: h2.ClosedHeaderTimeout},
		{name: "half a header block beside a request", tls: "h2", say: request("/hold", true, func(fr *http2.Framer) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x82}})
		}), after: headers, reason: h2.ClosedHeaderTimeout},
		{name: "no request", tls: "http/1.1", after: headers, reason: http1.ClosedHeaderTimeout},
		{name: "half a head", tls: "http/1.1", say: half("GET /"), after: headers, reason: http1.ClosedHeaderTimeout},
		{name: "a head that trickles", tls: "http/1.1", say: half("GET /"), trickle: "x", after: headers, reason: http1.ClosedHeaderTimeout},
		{name: "no request in cleartext", tls: "-", after: headers, reason: http1.ClosedHeaderTimeout},
		{name: "half a head in cleartext", tls: "-", say: half("GET /"), after: headers, reason: http1.ClosedHeaderTimeout},
		{name: "a head in cleartext that trickles", tls: "-", say: half("GET /"), trickle: "x\r\nX: ", after: headers, reason: http1.ClosedHeaderTimeout},
		{name: "half a second head", tls: "http/1.1", say: append(whole("GET /", "\r\n"), half("GET /")...), after: headers, reason: http1.ClosedHeaderTimeout},

		{name: "idle from the start", tls: "h2", say: frames(nil), after: idle, reason: h2.ClosedIdle},
		{name: "idle after a request", tls: "h2", say: request("/", true, nil), after: idle, reason: h2.ClosedIdle},
		{name: "idle but for PING", tls: "h2", say: frames(nil), trickle: "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678", after: idle, reason: h2.ClosedIdle},
		{name: "idle after a request", tls: "http/1.1", say: whole("GET /", "\r\n"), after: idle, reason: http1.ClosedIdle},
		{name: "idle after a redirect in cleartext", tls: "-", say: whole("GET /", "\r\n"), after: idle, reason: http1.ClosedIdle},

		{name: "half a body", tls: "h2", say: request("/read", false, func(fr *http2.Framer) { _ = fr.WriteData(1, false, []byte("x")) }), after: stall, reason: "request"},
		{name: "half a DATA frame", tls: "h2", say: append(request("/read", false, nil), 0, 0, 9, 0, 0, 0, 0, 0, 1, 'x'), after: stall, reason: h2.ClosedStall},
		{name: "a body that trickles", tls: "h2", say: request("/read", false, nil), trickle: "\x00\x00\x01\x00\x00\x00\x00\x00\x01x", after: stall, reason: "request"},
		{name: "a window that trickles", tls: "h2", say: request("/big", true, nil), trickle: "\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01", after: stall, reason: "request"},
		{name: "a response unread", tls: "h2", say: request("/big", true, nil), deaf: begun, after: stall, reason: h2.ClosedStall},
		{name: "no window for a response", tls: "h2", say: request("/big", true, nil), after: stall, reason: "request"},
		{name: "half a body", tls: "http/1.1", say: whole("POST /read", "Content-Length: 9\r\n\r\nx"), after: stall, reason: "request"},
		{name: "half a body that goes nowhere", tls: "http/1.1", say: whole("POST /read", "Content-Length: 9\r\n\r\nx"), after: stall, reason: http1.ClosedEnded},
		{name: "half a chunk", tls: "http/1.1", say: whole("POST /read", "Transfer-Encoding: chunked\r\n\r\n9\r\nx"), after: stall, reason: http1.ClosedEnded},
		{name: "a body that trickles", tls: "http/1.1", say: whole("POST /read", "Content-Length: 999\r\n\r\n"), trickle: "x", after: stall, reason: "request"},
		{name: "chunks that trickle", tls: "http/1.1", say: whole("POST /read", "Transfer-Encoding: chunked\r\n\r\n"), trickle: "1\r\nx\r\n", after: stall, reason: "request"},
		{name: "a response in sips", tls: "http/1.1", say: whole("GET /drip", "\r\n"), deaf: 1, sip: 100, after: stall, reason: http1.ClosedEnded},
		{name: "a response unread", tls: "http/1.1", say: whole("GET /big", "\r\n"), deaf: begun, after: stall, reason: http1.ClosedStall},
		{name: "a response unread, its request", tls: "http/1.1", say: whole("GET /big", "\r\n"), deaf: begun, after: stall, reason: "request"},
	} {
		t.Run(strings.Join([]string{c.tls, c.name}, " "), func(t *testing.T) { c.run(t) })
	}
}

// run plays one client in a bubble of its own.
func (c *slowClient) run(t *testing.T) {
	m := oneSite(t, &hostmap.Backend{
		Namespace: "default", Service: "b", Port: "80", Endpoints: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:80")},
	})
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int64
		registry := prometheus.NewRegistry()
		cfg := Config{Registerer: registry}
		cfg.Upstream.Dial = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go timesBackend(there, &running)
			return here, nil
		}
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.Publish(m)
		ln := newPipes()
		var cleartext, secure net.Listener = nil, ln
		if c.tls == "-" {
			cleartext, secure = ln, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx, cleartext, secure) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Minute) // deaf clients, and goroutines that wait for more work, go
		}()
		nc, server := ln.dial()
		defer nc.Close()
		start := time.Now()
		go c.play(nc)
		over := func() bool {
			if c.reason == "request" {
				return running.Load() == 0
			}
			return server.closed.Load()
		}
		time.Sleep(c.after - 100*time.Millisecond - time.Since(start))
		synctest.Wait()
		if over() {
			t.Fatalf("over before %v", c.after)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if !over() {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			t.Fatalf("not over at %v; ten seconds later: %v", c.after+time.Second, over())
		}
		name, label := "ingress421_connections_closed_total", "reason"
		switch c.reason {
		case "request":
			return
		case "timeout":
			name, label = "ingress421_tls_handshakes_total", "result"
		}
		if n := counterSum(t, registry, name, label, c.reason); n != 1 {
			t.Errorf("%v connections ended for %s", n, c.reason)
		}
	})
}

// pipes is a listener in memory.
type pipes struct {
	accept chan *served
	closed chan struct{}
	once   sync.Once
}

// served is the server's end of a connection.
type served struct {
	net.Conn
	closed atomic.Bool
}

// Close implements net.Conn.
func (s *served) Close() error {
	s.closed.Store(true)
	return s.Conn.Close()
}

func newPipes() *pipes { return &pipes{accept: make(chan *served), closed: make(chan struct{})} }

// dial connects.
func (p *pipes) dial() (client net.Conn, server *served) {
	c, s := net.Pipe()
	server = &served{Conn: s}
	p.accept <- server
	return c, server
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.accept:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// play is the client.
func (c *slowClient) play(nc net.Conn) {
	defer nc.Close()
	if c.tls != "" && c.tls != "-" {
		tc := tls.Client(nc, &tls.Config{ServerName: "a.test", NextProtos: []string{c.tls}, InsecureSkipVerify: true}) //nolint:gosec // a test looks at what it is served
		if tc.Handshake() != nil {
			return
		}
		nc = tc
	}
	go func() {
		if _, err := nc.Write(c.say); err != nil || c.trickle == "" {
			return
		}
		for {
			time.Sleep(time.Second) // the bubble's second
			if _, err := io.WriteString(nc, c.trickle); err != nil {
				return
			}
		}
	}()
	if c.deaf != 0 {
		_, _ = io.CopyN(io.Discard, nc, int64(c.deaf))
		if c.sip != 0 {
			for {
				if _, err := io.CopyN(io.Discard, nc, int64(c.sip)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}
		time.Sleep(5 * time.Minute)
		return
	}
	_, _ = io.Copy(io.Discard, nc)
}

// timesBackend serves one connection: /big is a large response, /drip an endless
// one of small pieces, /hold one that does not come, /read the request's own
// body.
func timesBackend(nc net.Conn, running *atomic.Int64) {
	defer nc.Close()
	br := bufio.NewReader(nc)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		running.Add(1)
		switch req.URL.Path {
		case "/hold":
			_, err = br.Peek(1)
		case "/read":
			_, err = io.Copy(io.Discard, req.Body)
		}
		if req.URL.Path == "/drip" {
			_, err = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
			for err == nil {
				_, err = io.WriteString(nc, "0123456789")
			}
		}
		if err == nil {
			n := 5
			if req.URL.Path == "/big" {
				n = 4 << 20
			}
			res := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(n), Body: io.NopCloser(bytes.NewReader(make([]byte, n)))}
			err = res.Write(nc)
		}
		running.Add(-1)
		if err != nil {
			return
		}
	}
}
