package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// postOf returns POSTs of a body that is whole, as a unary call of gRPC is.
func postOf(body string, length int64) func() *Request {
	return func() *Request {
		return &Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader(body), ContentLength: length, BodyWhole: true}
	}
}

// A request that the backend says it has not processed is sent once more, on
// another connection, and not again.
func TestRefused(t *testing.T) {
	ok := func(c *framesConn, r framesRequest) { c.head(r.stream, true, ":status", "200") }
	goAway := func(c *framesConn, r framesRequest) { c.goAway(0, http2.ErrCodeNo) }
	goAwayClose := func(c *framesConn, r framesRequest) { c.goAway(0, http2.ErrCodeNo); c.nc.Close() }
	goAwayCalm := func(c *framesConn, r framesRequest) { c.goAway(0, http2.ErrCodeEnhanceYourCalm) }
	refuse := func(c *framesConn, r framesRequest) { c.reset(r.stream, http2.ErrCodeRefusedStream) }
	internal := func(c *framesConn, r framesRequest) { c.reset(r.stream, http2.ErrCodeInternal) }
	taken := func(c *framesConn, r framesRequest) { c.goAway(r.stream, http2.ErrCodeNo); c.nc.Close() }
	early := func(c *framesConn, r framesRequest) {
		c.head(r.stream, false, ":status", "103")
		c.reset(r.stream, http2.ErrCodeRefusedStream)
	}
	whole, unsized := postOf("body", 4), postOf("body", -1)
	large := postOf(strings.Repeat("x", wholeBody+1), -1)
	streamOf := func(size int, length int64) func() *Request {
		return func() *Request {
			r := postOf(strings.Repeat("x", size), length)()
			r.Body, r.BodyWhole = iotest.OneByteReader(r.Body), false
			return r
		}
	}
	type script []func(*framesConn, framesRequest) // the last one goes on
	for _, tt := range []struct {
		name          string
		script        script
		req           func() *Request
		want          string
		sent          bool // Error.Sent
		requests      int64
		oneConnection bool
	}{
		{"GOAWAY once", script{goAway, ok}, nil, `200 whole ""`, false, 2, false},
		{"GOAWAY", script{goAway}, nil, "error refused", false, 2, false},
		{"GOAWAY and closed", script{goAwayClose}, nil, "error refused", false, 2, false},
		{"GOAWAY and closed once", script{goAwayClose, ok}, nil, `200 whole ""`, false, 2, false},
		{"GOAWAY for an error", script{goAwayCalm}, nil, "error refused", false, 2, false},
		{"REFUSED_STREAM once", script{refuse, ok}, nil, `200 whole ""`, false, 2, false},
		{"REFUSED_STREAM", script{refuse}, nil, "error refused", false, 2, false},
		{"another after the other", script{goAway, refuse, ok}, nil, "error refused", false, 2, false},
		{"another error", script{internal, ok}, nil, "error reset", true, 1, true},
		{"GOAWAY that took it", script{taken, ok}, nil, "error reset", true, 1, true},
		{"after an interim response", script{early, ok}, nil, "error refused", true, 1, true},
		{"then another error", script{refuse, internal}, nil, "error reset", true, 2, false},
		{"body, GOAWAY once", script{goAway, ok}, whole, `200 whole ""`, false, 2, false},
		{"body, GOAWAY and closed once", script{goAwayClose, ok}, whole, `200 whole ""`, false, 2, false},
		{"body, REFUSED_STREAM once", script{refuse, ok}, whole, `200 whole ""`, false, 2, false},
		{"body, REFUSED_STREAM", script{refuse}, whole, "error refused", false, 2, false},
		{"body, another error", script{internal, ok}, whole, "error reset", true, 1, true},
		{"body of unknown length", script{goAway, ok}, unsized, `200 whole ""`, false, 2, false},
		{"body too large to hold", script{goAway, ok}, large, "error refused", false, 1, true},
		{"body in parts", script{goAway, ok}, streamOf(4, 4), `200 whole ""`, false, 2, false},
		{"body in parts, of unknown length", script{refuse, ok}, streamOf(smallBuffer, -1), `200 whole ""`, false, 2, false},
		{"body in parts, too large to hold", script{goAway, ok}, streamOf(smallBuffer+1, -1), "error refused", false, 1, true},
		{"body in parts, known to be too large to hold", script{goAway, ok}, streamOf(smallBuffer+1, smallBuffer+1), "error refused", false, 1, true},
	} {
		for _, fresh := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", tt.name, fresh), func(t *testing.T) {
				var requests, conns atomic.Int64
				var mu sync.Mutex
				var bodies []string
				p := newClient(t, Config{ReadTimeout: 10 * time.Second}).Pool(framesGreeting(t, func(c *framesConn) {
					conns.Add(1)
					_ = c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
					_ = c.fr.WriteWindowUpdate(0, 1<<20)
				}, func(c *framesConn, r framesRequest) {
					n := int(requests.Add(1))
					mu.Lock()
					bodies = append(bodies, r.body)
					mu.Unlock()
					tt.script[min(n, len(tt.script))-1](c, r)
				}))
				r := get("/")
				if tt.req != nil {
					r = tt.req()
				}
				r.Fresh = fresh
				e := p.Start()
				err := e.Do(r)
				if got := answer(e, err); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				e.Close()
				var ue *Error
				if errors.As(err, &ue) && (ue.Sent != tt.sent || ue.BodyRead != (tt.req != nil)) {
					t.Errorf("%+v, want sent %t", ue, tt.sent)
				}
				if requests.Load() != tt.requests || (conns.Load() == 1) != tt.oneConnection || conns.Load() > 2 {
					t.Errorf("%d requests on %d connections, want %d", requests.Load(), conns.Load(), tt.requests)
				}
				mu.Lock()
				defer mu.Unlock()
				for i := range bodies {
					if bodies[i] != bodies[0] {
						t.Errorf("body %d is %.10q, not %.10q", i, bodies[i], bodies[0])
					}
				}
			})
		}
	}
}

// Connections on which no request can be sent are not opened for ever.
func TestUselessConnections(t *testing.T) {
	for _, tt := range []struct {
		name  string
		greet func(c *framesConn)
		want  string
	}{
		{"GOAWAY first", func(c *framesConn) { _ = c.fr.WriteSettings(); c.goAway(0, http2.ErrCodeNo) }, "error refused"},
		{"GOAWAY first and closed", func(c *framesConn) { _ = c.fr.WriteSettings(); c.goAway(0, http2.ErrCodeNo); c.nc.Close() }, "error refused"},
		{"no streams", func(c *framesConn) {
			_ = c.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		}, "error read_timeout"},
	} {
		for _, req := range []func() *Request{func() *Request { return get("/") }, postOf("body", 4)} {
			t.Run(tt.name+"/"+req().Method, func(t *testing.T) {
				var conns atomic.Int64
				p := newClient(t, Config{ReadTimeout: 200 * time.Millisecond}).Pool(framesGreeting(t, func(c *framesConn) {
					conns.Add(1)
					tt.greet(c)
				}, func(*framesConn, framesRequest) {}))
				for i := range int64(10) {
					start := time.Now()
					if got := roundTrip(p, req()); got != tt.want && got != "error reset" {
						t.Errorf("got %s, want %s", got, tt.want)
					}
					// In all, as one may be accepted when its request is over.
					if n := conns.Load(); n > 3*(i+1) {
						t.Errorf("%d connections for %d requests", n, i+1)
					}
					if took := time.Since(start); took > 2*time.Second {
						t.Errorf("took %v", took)
					}
				}
			})
		}
	}
}

// A connection that knows that it has no streams is not the first of many.
func TestNoStreams(t *testing.T) {
	var conns atomic.Int64
	target := Target{Protocol: H2C, Addr: backend(t, func(nc net.Conn) {
		conns.Add(1)
		fr := http2.NewFramer(nc, nc)
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		_, _ = io.Copy(io.Discard, nc)
	})}
	// net/http may finish a connection when its request is long over, and keeps
	// it for the next.
	var mu sync.Mutex
	var open []net.Conn
	over := false
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		for _, nc := range open {
			_ = nc.Close()
		}
	})
	// The SETTINGS are there before the connection is used.
	cfg := Config{ReadTimeout: 200 * time.Millisecond, SendTimeout: 2 * time.Second, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if open = append(open, nc); over {
			_ = nc.Close()
		}
		return &slowWriter{Conn: nc}, nil
	}}
	p := newClient(t, cfg).Pool(target)
	for i := range 6 {
		before := conns.Load()
		req := get("/")
		if i%2 == 1 {
			req = postOf("body", 4)()
		}
		if got := roundTrip(p, req); got != "error read_timeout" {
			t.Errorf("got %s", got)
		}
		if n := conns.Load() - before; n > 3 {
			t.Errorf("%d connections for one request", n)
		}
	}
}

// A body that is to be sent again waits no longer for a stream than a head does.
func TestNoStreamsTheSecondTime(t *testing.T) {
	var conns atomic.Int64
	target := framesGreeting(t, func(c *framesConn) {
		if conns.Add(1) == 1 {
			_ = c.fr.WriteSettings()
			return
		}
		_ = c.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
	}, func(c *framesConn, r framesRequest) { c.reset(r.stream, http2.ErrCodeRefusedStream) })
	// The SETTINGS are there before the connection is used.
	p := newClient(t, Config{ReadTimeout: 300 * time.Millisecond, SendTimeout: 2 * time.Second, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &slowWriter{Conn: nc}, nil
	}}).Pool(target)
	if got := roundTrip(p, postOf("body", 4)()); got != "error read_timeout" && got != "error refused" {
		t.Errorf("got %s", got)
	}
}

// slowWriter holds up whoever writes the preface, so that what the peer has sent
// is read as soon as anything is.
type slowWriter struct{ net.Conn }

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return w.Conn.Write(p)
}

// Nobody there the second time: the error says what became of the request.
func TestRefusedThenNobody(t *testing.T) {
	target := framesBackend(t, func(c *framesConn, r framesRequest) { c.reset(r.stream, http2.ErrCodeRefusedStream) })
	for _, req := range []func() *Request{func() *Request { return get("/") }, postOf("body", 4)} {
		var dials atomic.Int64
		p := newClient(t, Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) > 1 {
				return nil, errors.New("nobody there")
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}).Pool(target)
		e := p.Start()
		r := req()
		err := e.Do(r)
		e.Close()
		var ue *Error
		if !errors.As(err, &ue) || ue.Reason != ReasonConnect || ue.Sent || ue.BodyRead != (r.Body != nil) {
			t.Errorf("%s: %+v", r.Method, ue)
		}
	}
}

// A connection of one exchange's own does not outlive it.
func TestOwnConnectionIsClosed(t *testing.T) {
	for _, protocol := range []Protocol{H2C, HTTPS} {
		closed := make(chan struct{})
		p := newClient(t, Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &closing{Conn: nc, closed: sync.OnceFunc(func() { close(closed) })}, err
		}}).Pool(server(t, protocol, func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = nil }))
		r := get("/")
		r.Fresh = true
		if got := roundTrip(p, r); got != `200 whole ""` {
			t.Errorf("%s: got %s", protocol, got)
		}
		select {
		case <-closed:
		case <-time.After(3 * time.Second):
			t.Errorf("%s: the connection is kept", protocol)
		}
	}
}

// closing tells when a connection is closed.
type closing struct {
	net.Conn
	closed func()
}

func (c *closing) Close() error {
	c.closed()
	return c.Conn.Close()
}

// The time for the response head is one, however often the request is sent.
func TestRefusedLate(t *testing.T) {
	for _, req := range []func() *Request{func() *Request { return get("/") }, postOf("body", 4)} {
		p := newClient(t, Config{ReadTimeout: time.Second}).Pool(framesBackend(t, func(c *framesConn, r framesRequest) {
			time.Sleep(700 * time.Millisecond)
			c.reset(r.stream, http2.ErrCodeRefusedStream)
		}))
		start := time.Now()
		if got := roundTrip(p, req()); got != "error read_timeout" {
			t.Errorf("%s: got %s", req().Method, got)
		}
		if took := time.Since(start); took < time.Second || took > 1300*time.Millisecond {
			t.Errorf("%s: after %v", req().Method, took)
		}
	}
}

// A backend that goes away gracefully again and again fails no request.
func TestGracefulRestarts(t *testing.T) {
	serve := func(c *framesConn, r framesRequest) {
		if r.stream > 19 {
			return // after the GOAWAY: RFC 9113 section 6.8
		}
		c.head(r.stream, true, ":status", "200")
		if r.stream == 19 {
			c.goAway(19, http2.ErrCodeNo)
		}
	}
	for _, target := range []Target{framesBackend(t, serve), framesTLS(t, serve)} {
		p := newClient(t, Config{}).Pool(target)
		for i := range 200 {
			r := get("/")
			if i%2 == 0 {
				r = postOf("\x00\x00\x00\x00\x00", -1)()
			}
			if got := roundTrip(p, r); got != `200 whole ""` {
				t.Fatalf("%s: request %d: %s", target.Protocol, i, got)
			}
		}
	}
}

// The same behind TLS, where net/http looks for connections elsewhere.
func TestRefusedBehindTLS(t *testing.T) {
	for name, refuse := range map[string]func(c *framesConn, r framesRequest){
		"GOAWAY":         func(c *framesConn, r framesRequest) { c.goAway(0, http2.ErrCodeNo) },
		"REFUSED_STREAM": func(c *framesConn, r framesRequest) { c.reset(r.stream, http2.ErrCodeRefusedStream) },
	} {
		for _, req := range []func() *Request{func() *Request { return get("/") }, postOf("body", 4)} {
			var requests atomic.Int64
			p := newClient(t, Config{}).Pool(framesTLS(t, func(c *framesConn, r framesRequest) {
				requests.Add(1)
				refuse(c, r)
			}))
			r := req()
			r.ServerName = "example.com"
			if got := roundTrip(p, r); got != "error refused" || requests.Load() != 2 {
				t.Errorf("%s, %s: got %s after %d requests", name, r.Method, got, requests.Load())
			}
		}
	}
}

// The trailer section is sent again with the body.
func TestRefusedWithTrailers(t *testing.T) {
	var n atomic.Int64
	second := make(chan framesRequest, 1)
	p := newClient(t, Config{}).Pool(framesBackend(t, func(c *framesConn, r framesRequest) {
		if n.Add(1) == 1 {
			c.reset(r.stream, http2.ErrCodeRefusedStream)
			return
		}
		second <- r
		c.head(r.stream, true, ":status", "200")
	}))
	r := postOf("body", -1)()
	r.Trailer = func() []hpack.HeaderField { return []hpack.HeaderField{{Name: "a", Value: "b"}} }
	if got := roundTrip(p, r); got != `200 whole ""` {
		t.Fatal(got)
	}
	if got := <-second; got.body != "body" || got.trailer != "a=b" {
		t.Errorf("got %q with %q", got.body, got.trailer)
	}
}

// More requests at once than a connection has streams: none fails for want of a
// connection.
func TestCrowd(t *testing.T) {
	for _, protocol := range []Protocol{H2C, HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Date"] = nil
				_, _ = io.Copy(io.Discard, r.Body)
				time.Sleep(5 * time.Millisecond)
			}))
			ts.Config.Protocols = new(http.Protocols)
			// As many as net/http takes for granted before it has seen SETTINGS:
			// with fewer its first requests may be too many.
			ts.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100}
			if protocol == H2C {
				ts.Config.Protocols.SetUnencryptedHTTP2(true)
				ts.Start()
			} else {
				ts.Config.Protocols.SetHTTP2(true)
				ts.EnableHTTP2 = true
				ts.StartTLS()
			}
			defer ts.Close()
			defer ts.CloseClientConnections()
			p := newClient(t, Config{}).Pool(Target{Addr: netip.MustParseAddrPort(ts.Listener.Addr().String()), Protocol: protocol})
			var wg sync.WaitGroup
			for i := range 150 {
				wg.Go(func() {
					for range 8 {
						r := get("/")
						if i%2 == 0 {
							r = postOf("body", 4)()
						}
						e := p.Start()
						if err := e.Do(r); err != nil || e.Status != 200 {
							t.Errorf("got %d, %v", e.Status, err)
						}
						e.Close()
					}
				})
			}
			wg.Wait()
		})
	}
}
