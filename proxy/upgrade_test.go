package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// listening is a backend that serves each connection with script.
func listening(t testing.TB, script func(net.Conn)) *hostmap.Backend {
	t.Helper()
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
			go func() {
				defer nc.Close()
				script(nc)
			}()
		}
	}()
	return &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Endpoints: []netip.AddrPort{netip.MustParseAddrPort(ln.Addr().String())}}
}

// dialHTTP1 opens a connection for HTTP/1.1, with TLS or without.
func (w *world) dialHTTP1(secure bool) net.Conn {
	w.t.Helper()
	var nc net.Conn
	var err error
	if secure {
		nc, err = tls.Dial("tcp", w.https, &tls.Config{ServerName: "a.test", NextProtos: []string{"http/1.1"}, InsecureSkipVerify: true}) //nolint:gosec // a test
	} else {
		nc, err = net.Dial("tcp", w.http)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return nc
}

// Any one protocol may be asked for, by any method (RFC 9110 section 7.8):
// kubectl, docker and tailscale ask for these. Behind the 101 both directions
// are carried, and each ends by itself.
func TestUpgrade(t *testing.T) {
	for _, tt := range []struct{ name, head, body, protocol string }{
		{"kubectl exec", "POST /api/v1/namespaces/n/pods/p/exec?command=sh HTTP/1.1\r\nContent-Length: 0", "", "SPDY/3.1"},
		{"kubectl port-forward", "GET /api/v1/namespaces/n/pods/p/portforward HTTP/1.1", "", "SPDY/3.1"},
		{"docker attach", "POST /containers/c/attach?stream=1 HTTP/1.1\r\nContent-Length: 0", "", "tcp"},
		{"docker exec", "POST /exec/e/start HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 28", `{"Detach":false,"Tty":false}`, "tcp"},
		{"docker exec, asking first", "POST /exec/e/start HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2", `{}`, "tcp"},
		{"tailscale", "POST /ts2021 HTTP/1.1\r\nX-Tailscale-Handshake: eA==", "", "tailscale-control-protocol"},
		{"DERP", "GET /derp HTTP/1.1", "", "DERP"},
		{"websocket", "GET /chat HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13", "", "WebSocket"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " secure=", secure), func(t *testing.T) {
				t.Parallel()
				asked := make(chan string, 1)
				w := newWorld(t, oneSite(t, listening(t, func(nc net.Conn) {
					br := bufio.NewReader(nc)
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(r.Body)
					asked <- fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Header["Connection"], r.Header["Upgrade"], " ", string(body))
					fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\nfirst ", tt.protocol)
					// This side ends first, and goes on to read.
					_ = nc.(*net.TCPConn).CloseWrite()
					all, _ := io.ReadAll(br)
					asked <- string(all)
				})), nil)
				nc := w.dialHTTP1(secure)
				fmt.Fprintf(nc, "%s\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", tt.head, tt.protocol)
				br := bufio.NewReader(nc)
				if strings.Contains(tt.head, "Expect") {
					if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 100 {
						t.Fatalf("%v %v", resp, err)
					}
				}
				_, _ = io.WriteString(nc, tt.body)
				request := strings.Fields(tt.head)
				if got, want := <-asked, fmt.Sprintf("%s %s [upgrade] [%s] %s", request[0], request[1], tt.protocol, tt.body); got != want {
					t.Errorf("backend was asked %q, want %q", got, want)
				}
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != 101 || resp.Header.Get("Upgrade") != tt.protocol || !strings.EqualFold(resp.Header.Get("Connection"), "upgrade") ||
					resp.Header.Get("X-Stream-Protocol-Version") != "v4.channel.k8s.io" {
					t.Fatalf("%s %v", resp.Status, resp.Header)
				}
				if got, err := io.ReadAll(br); string(got) != "first " || err != nil {
					t.Errorf("from the backend: %q %v", got, err)
				}
				_, _ = io.WriteString(nc, "second")
				_ = nc.(interface{ CloseWrite() error }).CloseWrite()
				if got := <-asked; got != "second" {
					t.Errorf("from the client after the backend's end: %q", got)
				}
			})
		}
	}
}

// What is not passed on is as if it were not there: the request is answered, and
// the backend hears nothing of an Upgrade. Behind h2c and its like requests
// would follow that were never judged.
func TestUpgradeIgnored(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	const asks = "Connection: Upgrade\r\nUpgrade: "
	for _, fields := range []string{
		asks + "h2c", asks + "H2C", asks + "h2", asks + "HTTP/2.0", asks + "http/1.1", asks + "TLS/1.0", asks + "tls",
		asks + "SPDY/3.1, tcp", asks + "websocket, h2c", asks + "tcp\r\nUpgrade: SPDY/3.1", asks + "h2c\r\nUpgrade: tcp",
		asks + "tcp/", asks + "/1", asks + "tcp/1/2", asks + "t cp", asks, asks + ",tcp", "Upgrade: tcp", "Connection: keep-alive\r\nUpgrade: tcp",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := w.rawHTTP1("a.test", method+" / HTTP/1.1\r\nHost: a.test\r\n"+fields+"\r\nContent-Length: 2\r\n\r\nhi")
			if _, told := a.header["x-echo-upgrade"]; a.status != "200" || a.body != "b hi" || told {
				t.Errorf("%s %q: %+v", method, fields, a)
			}
		}
	}
	a := w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\n"+asks+"tcp\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	if _, told := a.header["x-echo-upgrade"]; a.status != "200" || a.body != "b hi" || told {
		t.Errorf("a body of unknown length: %+v", a)
	}
	if a := w.rawHTTP1("a.test", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"+asks+"tcp\r\n\r\n"); a.status == "200" || a.status == "101" {
		t.Errorf("CONNECT: %+v", a)
	}
}

// A backend that does not switch has answered a request like any other. Its
// connection goes on to be used, and so does the client's, whose next octets are
// a request to be judged.
func TestUpgradeRefused(t *testing.T) {
	var conns atomic.Int64
	w := newWorld(t, oneSite(t, listening(t, func(nc net.Conn) {
		conns.Add(1)
		br := bufio.NewReader(nc)
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(r.Body)
			text := fmt.Sprintf("%s %q %s", r.RequestURI, r.Header.Get("Upgrade"), body)
			fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		}
	})), nil)
	nc := w.dialHTTP1(true)
	br := bufio.NewReader(nc)
	for _, tt := range []struct{ request, status, body string }{
		{"POST /1 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 2\r\n\r\nhi", "200 OK", `/1 "SPDY/3.1" hi`},
		{"GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n", "200 OK", `/2 "" `},
		{"GET /3 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200 OK", `/3 "websocket" `},
		{"GET /4 HTTP/1.1\r\nHost: b.test\r\n\r\n", "421 Misdirected Request", ""},
		{"GET /5 HTTP/1.1\r\nHost: a.test\r\n\r\n", "200 OK", `/5 "" `},
	} {
		_, _ = io.WriteString(nc, tt.request)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.request, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.Status != tt.status || tt.body != "" && string(body) != tt.body {
			t.Errorf("%q: %s %s", tt.request, resp.Status, body)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections to the backend, want 1", n)
	}
}

// A 101 that nobody asked for, or that comes too early, is no answer.
func TestUpgradeBroken(t *testing.T) {
	for _, tt := range []struct{ name, request, response string }{
		{"another protocol", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\n"},
		{"another version", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n", "Upgrade: SPDY/3\r\nConnection: Upgrade\r\n"},
		{"no protocol", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n", "Connection: Upgrade\r\n"},
		{"nothing was asked", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n"},
		{"h2c was asked", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "Upgrade: h2c\r\nConnection: Upgrade\r\n"},
		{"before the body", "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 10\r\n\r\nhello", "Upgrade: tcp\r\nConnection: Upgrade\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ended := make(chan struct{})
			w := newWorld(t, oneSite(t, listening(t, func(nc net.Conn) {
				br := bufio.NewReader(nc)
				_, _ = http.ReadRequest(br)
				_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\n"+tt.response+"\r\nevil")
				_, _ = io.Copy(io.Discard, br)
				close(ended)
			})), nil)
			if a := w.rawHTTP1("a.test", tt.request); a.status != "502" || !strings.Contains(a.header["proxy-status"], "http_protocol_error") {
				t.Errorf("%+v", a)
			}
			<-ended // the connection is not used again
		})
	}
}

// RFC 8441 section 5: the two directions of a tunnel end each by itself.
func TestTunnelBackendEndsFirst(t *testing.T) {
	heard := make(chan string, 1)
	w := newWorld(t, oneSite(t, tunnelTo(t, func(nc *net.TCPConn) {
		_, _ = io.WriteString(nc, "bye")
		_ = nc.CloseWrite()
		all, _ := io.ReadAll(nc)
		heard <- string(all)
		_ = nc.Close()
	})), nil)
	c := w.rawH2("a.test", nil)
	id := c.send(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "a.test", "sec-websocket-version", "13")
	if a := c.answer(id); a.status != "200" || a.body != "bye" {
		t.Errorf("%+v", a)
	}
	_ = c.fr.WriteData(id, false, []byte("and "))
	_ = c.fr.WriteData(id, true, []byte("on"))
	if got := <-heard; got != "and on" {
		t.Errorf("the backend heard %q", got)
	}
}

// A tunnel of which one side has ended and the other says nothing ends with the
// stall timeout.
func TestTunnelHalfStalls(t *testing.T) {
	gone := make(chan struct{})
	w := newWorld(t, oneSite(t, tunnelTo(t, func(nc *net.TCPConn) {
		_ = nc.CloseWrite()
		_, _ = io.Copy(io.Discard, nc)
		close(gone)
		_ = nc.Close()
	})), func(c *Config) { c.Limits.StallTimeout = 300 * time.Millisecond })
	nc := w.dialHTTP1(true)
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	<-gone
}
