package upstream

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// server runs handler behind the protocol, and returns where it is. The
// certificate is for example.com and 127.0.0.1.
func server(t testing.TB, protocol Protocol, handler http.HandlerFunc) Target {
	t.Helper()
	ts := httptest.NewUnstartedServer(handler)
	ts.Config.ErrorLog = log.New(io.Discard, "", 0)
	ts.Config.Protocols = new(http.Protocols)
	switch protocol {
	case HTTP1:
		ts.Config.Protocols.SetHTTP1(true)
		ts.Start()
	case H2C, GRPC:
		ts.Config.Protocols.SetUnencryptedHTTP2(true)
		ts.Start()
	case HTTPS, GRPCS:
		ts.Config.Protocols.SetHTTP1(true)
		ts.Config.Protocols.SetHTTP2(true)
		ts.EnableHTTP2 = true
		ts.StartTLS()
	}
	t.Cleanup(func() {
		ts.CloseClientConnections()
		ts.Close()
	})
	return Target{Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: protocol}
}

func TestTransportRequests(t *testing.T) {
	for _, tt := range []struct {
		protocol Protocol
		proto    string
	}{{H2C, "HTTP/2.0"}, {HTTPS, "HTTP/2.0"}, {GRPC, "HTTP/2.0"}, {GRPCS, "HTTP/2.0"}} {
		t.Run(tt.protocol.String(), func(t *testing.T) {
			seen := make(chan string, 1)
			p := newClient(t, Config{}).Pool(server(t, tt.protocol, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				seen <- r.Proto + " " + requestText(r, body)
				w.Header().Set("X-A", "b")
				w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
				w.Header().Set("Connection", "close")
				w.Header().Set("Trailer", "X-T, Content-Type")
				io.WriteString(w, "hello")
				w.Header().Set("X-T", "1")
			}))
			te := ""
			if tt.protocol == GRPC || tt.protocol == GRPCS {
				te = "Te=trailers "
			}
			for _, c := range []struct {
				req  *Request
				want string
			}{
				{&Request{Method: "GET", Path: "/a%2fb/../c?d=%zz", Host: "a.example:99", Header: []hpack.HeaderField{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}},
					"GET /a%2fb/../c?d=%zz a.example:99 [0] " + te + `X=1,2 ""`},
				{&Request{Method: "GET", Path: "//a//b?", Host: "h"}, "GET //a//b? h [0] " + te + `""`},
				{&Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader("abc"), ContentLength: 3, BodyWhole: true},
					"POST / h [3] Content-Length=3 " + te + `"abc"`},
				{&Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader("abc"), ContentLength: -1,
					TrailerNames: []string{"x-t", "content-length"},
					Trailer:      func() []hpack.HeaderField { return []hpack.HeaderField{{Name: "x-t", Value: "1"}} }},
					"POST / h [-1] " + te + `"abc" X-T=1`},
			} {
				if got := parts(roundTrip(p, c.req)); got != `200 x-a=b trailer=x-t "hello" x-t=1` {
					t.Errorf("response %s", got)
				}
				if got := <-seen; got != tt.proto+" "+c.want {
					t.Errorf("request\ngot  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}

// HTTPS to a backend without HTTP/2.
func TestTransportHTTP1(t *testing.T) {
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		w.Header().Set("Proto", r.Proto)
	}))
	ts.Config.ErrorLog = log.New(io.Discard, "", 0)
	ts.StartTLS()
	defer ts.Close()
	c := newClient(t, Config{})
	target := Target{Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: HTTPS}
	if got := roundTrip(c.Pool(target), get("/")); got != `200 proto=HTTP/1.1 whole ""` {
		t.Errorf("got %s", got)
	}
	// gRPC does not exist there.
	target.Protocol = GRPCS
	if got := roundTrip(c.Pool(target), get("/")); got != "error tls" && got != "error connect" {
		t.Errorf("got %s", got)
	}
}

func TestCertificates(t *testing.T) {
	var name atomic.Value
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name.Store(r.TLS.ServerName)
		w.Header()["Date"] = nil
	}))
	ts.Config.ErrorLog = log.New(io.Discard, "", 0)
	ts.StartTLS()
	defer ts.Close()
	good := x509.NewCertPool()
	good.AddCert(ts.Certificate())
	tests := []struct {
		name, serverName, own string
		cas                   *x509.CertPool
		want, sni             string
	}{
		{"not verified", "other.example", "", nil, `200 whole ""`, "other.example"},
		{"not verified, no name", "", "", nil, `200 whole ""`, ""},
		{"verified", "example.com", "", good, `200 whole ""`, "example.com"},
		{"the request's own name", "other.example", "example.com", good, `200 whole ""`, "example.com"},
		{"wrong name", "other.example", "", good, "error tls", ""},
		{"the request's own wrong name", "example.com", "other.example", good, "error tls", ""},
		{"unknown CA", "example.com", "", x509.NewCertPool(), "error tls", ""},
		{"by address", "", "", good, `200 whole ""`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name.Store("")
			p := newClient(t, Config{}).Pool(Target{
				Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: HTTPS,
				ServerName: tt.serverName, CAs: tt.cas, CAID: tt.name,
			})
			r := get("/")
			r.ServerName = tt.own
			if got := roundTrip(p, r); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := name.Load(); got != tt.sni {
				t.Errorf("server name %q, want %q", got, tt.sni)
			}
		})
	}
}

// Requests for different server names must not share a connection.
func TestServerNamesAreApart(t *testing.T) {
	var conns atomic.Int64
	target := server(t, HTTPS, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Name", r.TLS.ServerName)
		w.Header()["Date"] = nil
	})
	cfg := Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conns.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	p := newClient(t, cfg).Pool(target)
	for range 3 {
		for _, name := range []string{"a.example", "b.example"} {
			r := get("/")
			r.ServerName = name
			if got := roundTrip(p, r); got != `200 name=`+name+` whole ""` {
				t.Errorf("got %s", got)
			}
		}
	}
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	r := get("/")
	r.Fresh, r.ServerName = true, "a.example"
	roundTrip(p, r)
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections, want a fresh one", n)
	}
}

func TestTransportFailures(t *testing.T) {
	stall := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	drain := func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }
	tests := []struct {
		name    string
		cfg     Config
		handler http.HandlerFunc
		req     func() *Request
		want    string
	}{
		{"no head", Config{ReadTimeout: 50 * time.Millisecond}, stall, nil, "error read_timeout"},
		{"no head for an upload", Config{ReadTimeout: 50 * time.Millisecond}, stall, func() *Request {
			return &Request{Method: "PUT", Path: "/", Host: "h", Body: &dripping{n: 3, every: 100 * time.Millisecond}, ContentLength: 3}
		}, "error read_timeout"},
		{"slow upload", Config{ReadTimeout: 200 * time.Millisecond, SendTimeout: 200 * time.Millisecond}, echo, func() *Request {
			return &Request{Method: "PUT", Path: "/", Host: "h", Body: &dripping{n: 3, every: 250 * time.Millisecond}, ContentLength: 3}
		}, `200 "xxx"`},
		{"slow dialling", Config{ReadTimeout: 50 * time.Millisecond, SendTimeout: 50 * time.Millisecond, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(200 * time.Millisecond)
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}, echo, func() *Request {
			return &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader("x"), ContentLength: 1}
		}, `200 "x"`},
		{"body too long", Config{}, drain, func() *Request {
			return &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader("abcde"), ContentLength: 3}
		}, "error body_aborted"},
		{"body too short", Config{}, drain, func() *Request {
			return &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader("a"), ContentLength: 3}
		}, "error body_aborted"},
		{"body not taken", Config{SendTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func() *Request {
			return &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader(strings.Repeat("x", 32<<20)), ContentLength: 32 << 20}
		}, "error send_timeout"},
		{"body stalls", Config{ReadTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "ab")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, nil, `200 "ab" error read_timeout`},
		{"body breaks off", Config{}, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "ab")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, nil, `200 "ab" error reset`},
		{"no answer", Config{}, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, nil, "error reset"},
		{"head too large", Config{}, func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				w.Header().Add("A", strings.Repeat("x", 1<<10))
			}
		}, nil, "error head_too_large"},
	}
	for _, tt := range tests {
		for _, protocol := range []Protocol{H2C, HTTPS} {
			t.Run(tt.name+"/"+protocol.String(), func(t *testing.T) {
				p := newClient(t, tt.cfg).Pool(server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
					w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
					tt.handler(w, r)
				}))
				r := &Request{Method: "PATCH", Path: "/", Host: "h"}
				if tt.req != nil {
					r = tt.req()
				}
				if got := parts(roundTrip(p, r)); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		}
	}
}

// Cancel must reach the backend at once, whatever is under way.
func TestTransportCancel(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2C, HTTPS, GRPCS} {
		for _, after := range []string{"head", "body"} {
			t.Run(protocol.String()+"/"+after, func(t *testing.T) {
				began, ended := make(chan struct{}), make(chan struct{})
				p := newClient(t, Config{}).Pool(server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
					if after == "body" {
						io.WriteString(w, "ab")
						http.NewResponseController(w).Flush()
					}
					close(began)
					<-r.Context().Done()
					close(ended)
				}))
				e := p.Start()
				go func() {
					<-began
					e.Cancel()
				}()
				got := answer(e, e.Do(get("/")))
				if !strings.HasSuffix(got, "error canceled") {
					t.Errorf("got %s", got)
				}
				e.Close()
				<-ended
			})
		}
	}
}

// An HTTP/1.1 backend behind TLS is held to the same rules.
func TestTransportBadResponses(t *testing.T) {
	for _, response := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\x01c\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n\r\n",
	} {
		target := server(t, HTTPS, func(w http.ResponseWriter, r *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(nc, response)
			nc.Close()
		})
		p := newClient(t, Config{}).Pool(target)
		r := get("/")
		r.Upgrade = "websocket" // keeps the connection at HTTP/1.1
		if got := roundTrip(p, r); got != "error bad_response" {
			t.Errorf("%q: got %s", response, got)
		}
	}
}

// A request's body is not touched after Close.
func TestTransportBodyIsLetGo(t *testing.T) {
	for _, protocol := range []Protocol{H2C, HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			p := newClient(t, Config{}).Pool(server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(403)
			}))
			body := &watched{blocked: blocked{make(chan struct{})}}
			e := p.Start()
			err := e.Do(&Request{Method: "POST", Path: "/", Host: "h", Body: body, ContentLength: -1})
			if err != nil || e.Status != 403 {
				t.Error(e.Status, err)
			}
			e.Close()
			if n := body.reading.Load(); n != 0 {
				t.Errorf("%d reads under way after Close", n)
			}
		})
	}
}

// watched counts the reads of a body.
type watched struct {
	blocked
	reading atomic.Int64
}

func (w *watched) Read(p []byte) (int, error) {
	w.reading.Add(1)
	defer w.reading.Add(-1)
	return w.blocked.Read(p)
}

func TestConcurrent(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2C, HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Config{})
			p := c.Pool(server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				w.Header().Set("Path", r.URL.Path)
				w.Write(body)
			}))
			var wg sync.WaitGroup
			for g := range 20 {
				wg.Go(func() {
					for i := range 50 {
						body := bytes.Repeat([]byte{byte('a' + g)}, (g*50+i)*37%50000)
						r := &Request{Method: "POST", Path: "/" + string(rune('a'+g)), Host: "h", Body: bytes.NewReader(body)}
						switch r.ContentLength = int64(len(body)); i % 4 {
						case 0:
							r.BodyWhole = true
						case 1:
							r.ContentLength, r.BodyWhole = -1, true
						case 2:
							r.ContentLength = -1
						}
						e := p.Start()
						if i%10 == 9 {
							e.Cancel()
						}
						err := e.Do(r)
						if i%10 == 9 {
							var ue *Error
							if !errors.As(err, &ue) || ue.Reason != ReasonCanceled {
								t.Errorf("got %v", err)
							}
							e.Close()
							continue
						}
						if err != nil {
							t.Errorf("request %d.%d: %v", g, i, err)
							e.Close()
							return
						}
						got, err := io.ReadAll(wholeOr(e))
						if err != nil || !bytes.Equal(got, body) {
							t.Errorf("request %d.%d: %d bytes, want %d: %v", g, i, len(got), len(body), err)
						}
						e.Close()
					}
				})
			}
			wg.Wait()
		})
	}
}

func wholeOr(e *Exchange) io.Reader {
	if body, ok := e.Whole(); ok {
		return bytes.NewReader(body)
	}
	return readerOf{e}
}

// A request that the backend does not take for its size is not the backend's
// fault.
func TestTransportRequestTooLarge(t *testing.T) {
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil }))
	ts.Config.Protocols = new(http.Protocols)
	ts.Config.Protocols.SetUnencryptedHTTP2(true)
	ts.Config.MaxHeaderBytes = 4 << 10
	ts.Start()
	defer ts.Close()
	defer ts.CloseClientConnections()
	p := newClient(t, Config{}).Pool(Target{Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: H2C})
	if got := roundTrip(p, get("/")); got != `200 whole ""` { // its SETTINGS have come with that
		t.Fatal(got)
	}
	large := get("/")
	large.Header = []hpack.HeaderField{{Name: "a", Value: strings.Repeat("x", 10_000)}}
	if got := roundTrip(p, large); got != "error bad_request" {
		t.Errorf("got %s", got)
	}
}
