package upstream

import (
	"bufio"
	"context"
	"errors"
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
)

// piped is a Client whose connections are pipes to script, for fake time.
func piped(t *testing.T, cfg Config, script func(nc net.Conn)) (*Client, *Pool) {
	var scripts sync.WaitGroup
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		scripts.Go(func() {
			defer theirs.Close()
			script(theirs)
		})
		return ours, nil
	}
	c := New(cfg)
	t.Cleanup(func() {
		c.Close()
		scripts.Wait()
	})
	return c, c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80")})
}

// dripping is a body of n bytes, one each interval.
type dripping struct {
	n     int
	every time.Duration
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.n == 0 {
		return 0, io.EOF
	}
	time.Sleep(d.every)
	d.n--
	p[0] = 'x'
	return 1, nil
}

func readRequest(nc net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(nc))
	if err == nil {
		io.Copy(io.Discard, req.Body)
	}
}

func TestTimeouts(t *testing.T) {
	forever := func(nc net.Conn) { io.Copy(io.Discard, nc) }
	tests := []struct {
		name   string
		cfg    Config
		req    func() *Request
		script func(nc net.Conn)
		want   string
		after  time.Duration // a tenth more is allowed
	}{
		{
			name: "no head", cfg: Config{ReadTimeout: 10 * time.Second}, script: forever,
			want: "error read_timeout", after: 10 * time.Second,
		}, {
			name: "default", script: forever, want: "error read_timeout", after: 60 * time.Second,
		}, {
			name: "the request's own", script: forever,
			req:  func() *Request { r := get("/"); r.ReadTimeout = 2 * time.Second; return r },
			want: "error read_timeout", after: 2 * time.Second,
		}, {
			name: "head in drops", cfg: Config{ReadTimeout: 10 * time.Second},
			script: func(nc net.Conn) {
				readRequest(nc)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\n")
				for {
					time.Sleep(time.Second)
					if _, err := io.WriteString(nc, "a: b\r\n"); err != nil {
						return
					}
				}
			},
			want: "error read_timeout", after: 10 * time.Second,
		}, {
			name: "interim responses are progress", cfg: Config{ReadTimeout: 10 * time.Second},
			script: func(nc net.Conn) {
				readRequest(nc)
				for range 5 {
					time.Sleep(8 * time.Second)
					io.WriteString(nc, "HTTP/1.1 102 Processing\r\n\r\n")
				}
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			},
			want: `200 whole ""`, after: 40 * time.Second,
		}, {
			name: "body stalls", cfg: Config{ReadTimeout: 10 * time.Second},
			script: func(nc net.Conn) {
				readRequest(nc)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
				forever(nc)
			},
			want: `200 "ab" error read_timeout`, after: 10 * time.Second,
		}, {
			name: "chunk stalls", cfg: Config{ReadTimeout: 10 * time.Second},
			script: func(nc net.Conn) {
				readRequest(nc)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
				forever(nc)
			},
			want: `200 "ab" error read_timeout`, after: 10 * time.Second,
		}, {
			name: "slow body", cfg: Config{ReadTimeout: 10 * time.Second},
			script: func(nc net.Conn) {
				readRequest(nc)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
				for range 5 {
					time.Sleep(9 * time.Second)
					io.WriteString(nc, "x")
				}
			},
			want: `200 "xxxxx"`, after: 45 * time.Second,
		}, {
			name: "request not taken", cfg: Config{SendTimeout: 10 * time.Second},
			script: func(net.Conn) { time.Sleep(time.Minute) },
			want:   "error send_timeout", after: 10 * time.Second,
		}, {
			name: "body not taken", cfg: Config{SendTimeout: 10 * time.Second},
			req: func() *Request {
				return &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader(strings.Repeat("x", 1<<20)), ContentLength: 1 << 20}
			},
			script: func(nc net.Conn) {
				http.ReadRequest(bufio.NewReader(nc))
				time.Sleep(time.Minute)
			},
			want: "error send_timeout", after: 10 * time.Second,
		}, {
			name: "slow upload", cfg: Config{ReadTimeout: 5 * time.Second, SendTimeout: 5 * time.Second},
			req: func() *Request {
				return &Request{Method: "PUT", Path: "/", Host: "h", Body: &dripping{n: 10, every: 4 * time.Second}, ContentLength: -1}
			},
			script: answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
			want:   `200 whole ""`, after: 40 * time.Second,
		}, {
			name: "no answer to a slow upload", cfg: Config{ReadTimeout: 5 * time.Second},
			req: func() *Request {
				return &Request{Method: "PUT", Path: "/", Host: "h", Body: &dripping{n: 10, every: 4 * time.Second}, ContentLength: 10}
			},
			script: forever,
			want:   "error read_timeout", after: 45 * time.Second,
		}, {
			name: "no limits", cfg: Config{ReadTimeout: -1, SendTimeout: -1, ConnectTimeout: -1},
			script: func(nc net.Conn) {
				readRequest(nc)
				time.Sleep(100 * time.Hour)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			},
			want: `200 whole ""`, after: 100 * time.Hour,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, p := piped(t, tt.cfg, tt.script)
				r := get("/")
				if tt.req != nil {
					r = tt.req()
				}
				start := time.Now()
				if got := roundTrip(p, r); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				took := time.Since(start)
				if tt.after > 0 && (took < tt.after || took > tt.after+tt.after/10) {
					t.Errorf("after %v, want %v", took, tt.after)
				}
			})
		})
	}
}

// A deadline that a connection has from one request must not end another.
func TestDeadlineIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := piped(t, Config{IdleTimeout: time.Hour}, func(nc net.Conn) {
			br := bufio.NewReader(nc)
			for {
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				time.Sleep(50 * time.Second)
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		for i := range 50 {
			if got := roundTrip(p, get("/")); got != `200 whole ""` {
				t.Fatalf("request %d: %s", i, got)
			}
			time.Sleep(time.Duration(49-i) * 7 * time.Second)
		}
		short := get("/")
		short.ReadTimeout = time.Second
		start := time.Now()
		if got := roundTrip(p, short); got != "error read_timeout" || time.Since(start) > 2*time.Second {
			t.Errorf("got %s after %v", got, time.Since(start))
		}
	})
}

func TestConnectErrors(t *testing.T) {
	blackhole := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tests := []struct {
		name  string
		cfg   Config
		want  string
		after time.Duration
	}{
		{"black hole", Config{Dial: blackhole}, ReasonConnectTimeout, DefaultConnectTimeout},
		{"black hole, short", Config{Dial: blackhole, ConnectTimeout: time.Second}, ReasonConnectTimeout, time.Second},
		{"refused", Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("connection refused")
		}}, ReasonConnect, 0},
	}
	for _, tt := range tests {
		for _, protocol := range []Protocol{HTTP1, H2C, HTTPS} {
			t.Run(tt.name+"/"+protocol.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := New(tt.cfg)
					defer c.Close()
					p := c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: protocol})
					e := p.Start()
					defer e.Close()
					start := time.Now()
					err := e.Do(get("/"))
					var ue *Error
					if !errors.As(err, &ue) || ue.Reason != tt.want || ue.Sent {
						t.Errorf("got %v (sent %v), want %s", err, ue != nil && ue.Sent, tt.want)
					}
					if took := time.Since(start); took != tt.after {
						t.Errorf("after %v, want %v", took, tt.after)
					}
				})
			})
		}
	}
}

// blocked is a body that gives nothing until it is stopped.
type blocked struct{ stop chan struct{} }

func (b blocked) Read([]byte) (int, error) { <-b.stop; return 0, errors.New("stopped") }
func (b blocked) StopRead()                { close(b.stop) }

func TestCancel(t *testing.T) {
	dialling := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	stream := func() *Request {
		return &Request{Method: "PUT", Path: "/", Host: "h", Body: blocked{make(chan struct{})}, ContentLength: -1}
	}
	tests := []struct {
		name   string
		dial   func(context.Context, string, string) (net.Conn, error)
		script func(net.Conn)
		req    *Request
		before bool // cancel before Do
		want   string
	}{
		{name: "before", before: true, script: readRequest, want: "error canceled"},
		{name: "dialling", dial: dialling, want: "error canceled"},
		{name: "writing", script: func(nc net.Conn) { time.Sleep(time.Hour) }, want: "error canceled"},
		{name: "awaiting the head", script: func(nc net.Conn) { io.Copy(io.Discard, nc) }, want: "error canceled"},
		{name: "within the head", script: func(nc net.Conn) {
			readRequest(nc)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\n")
			io.Copy(io.Discard, nc)
		}, want: "error canceled"},
		{name: "awaiting the body", script: func(nc net.Conn) {
			readRequest(nc)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
			io.Copy(io.Discard, nc)
		}, want: `200 "" error canceled`},
		{name: "awaiting the request body", script: func(nc net.Conn) { io.Copy(io.Discard, nc) }, req: stream(), want: "error canceled"},
		{name: "both bodies under way", script: func(nc net.Conn) {
			http.ReadRequest(bufio.NewReader(nc))
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
			io.Copy(io.Discard, nc)
		}, req: stream(), want: `200 "a" error canceled`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := piped(t, Config{}, tt.script)
				if tt.dial != nil {
					c.cfg.Dial = tt.dial
				}
				r := tt.req
				if r == nil {
					r = get("/")
				} else {
					// The bubble's own channel.
					r.Body = blocked{make(chan struct{})}
				}
				e := p.Start()
				if tt.before {
					e.Cancel()
				} else {
					time.AfterFunc(time.Second, e.Cancel)
				}
				start := time.Now()
				if got := answer(e, e.Do(r)); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				e.Close()
				if took := time.Since(start); took > time.Second {
					t.Errorf("took %v", took)
				}
				if len(p.http1.conns) != 0 {
					t.Error("connection kept")
				}
			})
		})
	}
}

func TestIdleConnections(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	open := func(p *Pool, n int) {
		for range n {
			if nc, err := p.dialer.dial(context.Background(), 0); err == nil {
				p.http1.put(newHTTP1Conn(nc), time.Now(), 0)
			}
		}
	}
	idle := func(p *Pool) int {
		p.http1.mu.Lock()
		defer p.http1.mu.Unlock()
		return len(p.http1.conns)
	}
	t.Run("closed after the limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var ended atomic.Int64
			_, p := piped(t, Config{}, func(nc net.Conn) { answering(ok)(nc); ended.Add(1) })
			open(p, 3)
			time.Sleep(3900 * time.Millisecond)
			if got := idle(p); got != 3 {
				t.Errorf("%d idle before the limit, want 3", got)
			}
			time.Sleep(1200 * time.Millisecond)
			synctest.Wait()
			if got := idle(p); got != 0 || ended.Load() != 3 {
				t.Errorf("%d idle after the limit, %d closed", got, ended.Load())
			}
		})
	})
	t.Run("not used after the limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var conns atomic.Int64
			_, p := piped(t, Config{}, func(nc net.Conn) { conns.Add(1); answering(ok)(nc) })
			open(p, 1)
			time.Sleep(500 * time.Millisecond)
			open(p, 1)
			time.Sleep(4100 * time.Millisecond)
			if got := idle(p); got != 1 {
				t.Fatalf("%d idle, want the one that is to be closed next", got)
			}
			roundTrip(p, get("/"))
			if got := conns.Load(); got != 3 {
				t.Errorf("%d connections, want a third", got)
			}
		})
	})
	t.Run("as the backend says", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var conns atomic.Int64
			_, p := piped(t, Config{}, func(nc net.Conn) {
				conns.Add(1)
				answering("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 0\r\n\r\n")(nc)
			})
			roundTrip(p, get("/"))
			time.Sleep(900 * time.Millisecond)
			roundTrip(p, get("/"))
			if got := conns.Load(); got != 1 {
				t.Errorf("%d connections within the limit, want 1", got)
			}
			time.Sleep(1100 * time.Millisecond)
			roundTrip(p, get("/"))
			if got := conns.Load(); got != 2 {
				t.Errorf("%d connections after the limit, want 2", got)
			}
		})
	})
	t.Run("not more than allowed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, p := piped(t, Config{MaxIdlePerEndpoint: 2}, answering(ok))
			open(p, 5)
			if got := idle(p); got != 2 {
				t.Errorf("%d idle, want 2", got)
			}
		})
	})
	t.Run("retired", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, p := piped(t, Config{}, answering(ok))
			other := c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.2:80")})
			open(p, 2)
			open(other, 2)
			c.Forget([]*Pool{p})
			if idle(p) != 0 || idle(other) != 2 {
				t.Errorf("%d and %d idle, want 0 and 2", idle(p), idle(other))
			}
			if got := roundTrip(p, get("/")); got != `200 whole ""` {
				t.Errorf("a retired pool must finish its work: %s", got)
			}
			if idle(p) != 0 {
				t.Error("a retired pool keeps a connection")
			}
			if c.Pool(p.Target()) == p || c.Pool(other.Target()) != other {
				t.Error("Pool does not know what Forget has done")
			}
		})
	})
	t.Run("near a limit that was learned", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var conns atomic.Int64
			_, p := piped(t, Config{}, func(nc net.Conn) { conns.Add(1); answering(ok)(nc) })
			post := get("/")
			post.Method = "POST"
			roundTrip(p, post)
			p.http1.learn(time.Now(), time.Second)
			time.Sleep(600 * time.Millisecond)
			roundTrip(p, get("/"))
			if got := conns.Load(); got != 1 {
				t.Error("a GET may use the connection")
			}
			time.Sleep(600 * time.Millisecond)
			roundTrip(p, post)
			if got := conns.Load(); got != 2 {
				t.Error("a POST must not use it")
			}
			time.Sleep(forgetAfter)
			roundTrip(p, post)
			time.Sleep(600 * time.Millisecond)
			roundTrip(p, post)
			if got := conns.Load(); got != 3 {
				t.Errorf("%d connections: what was learned is not forgotten", got)
			}
		})
	})
}

// A backend that takes a connection and says nothing on it, not even to a PING,
// is one that does not answer in time.
func TestTransportSilence(t *testing.T) {
	for _, tt := range []struct{ read, after time.Duration }{
		{0, pingEvery + pingWait}, {10 * time.Second, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := piped(t, Config{ReadTimeout: tt.read}, func(nc net.Conn) { io.Copy(io.Discard, nc) })
			p := c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: H2C})
			start := time.Now()
			if got := roundTrip(p, get("/")); got != "error read_timeout" {
				t.Errorf("got %s", got)
			}
			if took := time.Since(start); took < tt.after || took > tt.after+time.Millisecond {
				t.Errorf("after %v, want %v", took, tt.after)
			}
			c.Close()
		})
	}
}
