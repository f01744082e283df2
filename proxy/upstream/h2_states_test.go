package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

// pipedH2 is a Pool whose connections are pipes to a backend that speaks frames,
// for fake time. got runs on a goroutine of its own for each request.
func pipedH2(t *testing.T, cfg Config, greet func(c *framesConn), got func(c *framesConn, r framesRequest)) *Pool {
	var backends sync.WaitGroup
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		backends.Go(func() {
			defer theirs.Close()
			serveFrames(theirs, greet, got)
		})
		return ours, nil
	}
	c := New(cfg)
	t.Cleanup(func() {
		c.Close()
		backends.Wait()
	})
	return c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: H2C})
}

// connsOf is the Pool's connections that take new streams.
func connsOf(p *Pool) []*h2conn {
	p.h2.mu.Lock()
	defer p.h2.mu.Unlock()
	return slices.Clone(p.h2.conns)
}

func settings(s ...http2.Setting) func(c *framesConn) {
	return func(c *framesConn) { _ = c.fr.WriteSettings(s...) }
}

func streams(n uint32) http2.Setting {
	return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n}
}

// numbered is a request that the backend can tell from others.
func numbered(i int) *Request {
	r := get(fmt.Sprintf("/%d", i))
	switch i % 3 {
	case 1:
		r = postOf("body", 4)()
	case 2:
		r = postOf("body", -1)()
		r.BodyWhole = false
	}
	r.Header = append(r.Header, newField("n", fmt.Sprint(i)))
	return r
}

// ledger is what a backend has processed, by a request's fields.
type ledger struct {
	mu   sync.Mutex
	seen map[string]int
}

func (l *ledger) note(r framesRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	for f := range strings.SplitSeq(r.head, " ") {
		if strings.HasPrefix(f, "n=") {
			l.seen[f]++
		}
	}
}

// Of a backend that goes away after each 100 requests, with many under way, no
// request is lost, and none is processed twice.
func TestGoAwayUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		var conns atomic.Int64
		p := pipedH2(t, Config{}, func(c *framesConn) { conns.Add(1); settings()(c) }, func(c *framesConn, r framesRequest) {
			const last = 199
			if r.stream > last {
				return // RFC 9113 section 6.8: not processed
			}
			if r.stream == last {
				c.goAway(last, http2.ErrCodeNo)
			}
			l.note(r)
			time.Sleep(time.Millisecond)
			c.head(r.stream, true, ":status", "200")
		})
		const n = 1200
		crowd(t, p, 50, n, `200 whole ""`)
		for k, times := range l.seen {
			if times != 1 {
				t.Errorf("%s was processed %d times", k, times)
			}
		}
		if len(l.seen) != n || conns.Load() < n/100 || conns.Load() > 2*n/100 {
			t.Errorf("%d processed on %d connections", len(l.seen), conns.Load())
		}
	})
}

// crowd sends n requests on so many goroutines, and wants the same answer to each.
func crowd(t *testing.T, p *Pool, goroutines, n int, want string) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := left.Add(-1); i >= 0; i = left.Add(-1) {
				if got := roundTrip(p, numbered(int(i))); got != want {
					t.Errorf("request %d: %s, want %s", i, got, want)
				}
			}
		})
	}
	wg.Wait()
}

// However few streams a backend allows, it is never given more, and all get one.
func TestStreamLimit(t *testing.T) {
	for _, limit := range []uint32{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			under := map[*framesConn]uint32{}
			p := pipedH2(t, Config{}, settings(streams(limit)), func(c *framesConn, r framesRequest) {
				mu.Lock()
				if under[c]++; under[c] > limit {
					t.Errorf("%d streams at once, %d allowed", under[c], limit)
				}
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				mu.Lock()
				under[c]--
				mu.Unlock()
				c.head(r.stream, true, ":status", "200")
			})
			crowd(t, p, 100, 400, `200 whole ""`)
			if n := len(under); n > h2MaxConns {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// Each third stream is refused: what is refused twice is told as such, and nothing
// is processed twice. Each third is reset for an error: nothing is sent again.
func TestEachThirdStream(t *testing.T) {
	for code, reason := range map[http2.ErrCode]string{http2.ErrCodeRefusedStream: ReasonRefused, http2.ErrCodeInternal: ReasonReset} {
		synctest.Test(t, func(t *testing.T) {
			var l, reset ledger
			p := pipedH2(t, Config{}, settings(), func(c *framesConn, r framesRequest) {
				if (r.stream-1)/2%3 == 2 {
					reset.note(r)
					c.reset(r.stream, code)
					return
				}
				l.note(r)
				c.head(r.stream, true, ":status", "200")
			})
			lost := 0
			for i := range 300 {
				e := p.Start()
				err := e.Do(numbered(i))
				e.Close()
				var ue *Error
				if errors.As(err, &ue) {
					if lost++; ue.Reason != reason || ue.Sent != (code == http2.ErrCodeInternal) {
						t.Errorf("got %+v", ue)
					}
				}
			}
			for k, times := range l.seen {
				if times != 1 || code == http2.ErrCodeInternal && reset.seen[k] != 0 {
					t.Errorf("%s was processed %d times, and reset %d times", k, times, reset.seen[k])
				}
			}
			if len(l.seen)+lost != 300 || code == http2.ErrCodeInternal && lost != 100 {
				t.Errorf("%d processed, %d lost", len(l.seen), lost)
			}
		})
	}
}

// Before SETTINGS have come a connection carries one request, and others wait for
// as long as for a connection.
func TestNoSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		p := pipedH2(t, Config{ReadTimeout: 20 * time.Second}, func(c *framesConn) { c.mute = true }, func(*framesConn, framesRequest) { requests.Add(1) })
		start := time.Now()
		var wg sync.WaitGroup
		var first, others atomic.Int64
		for range 10 {
			wg.Go(func() {
				switch got := roundTrip(p, get("/")); {
				case got == "error read_timeout" && time.Since(start) == 20*time.Second:
					first.Add(1)
				case got == "error connect_timeout" && time.Since(start) == DefaultConnectTimeout:
					others.Add(1)
				default:
					t.Errorf("%s after %v", got, time.Since(start))
				}
			})
		}
		wg.Wait()
		if requests.Load() != 1 || first.Load() != 1 || others.Load() != 9 {
			t.Errorf("%d requests, %d and %d", requests.Load(), first.Load(), others.Load())
		}
	})
}

// SETTINGS that come late are waited for, and let all go on.
func TestLateSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipedH2(t, Config{}, func(c *framesConn) {
			c.mute = true
			go func() {
				time.Sleep(3 * time.Second)
				c.mu.Lock()
				defer c.mu.Unlock()
				settings()(c)
			}()
		}, func(c *framesConn, r framesRequest) {
			time.Sleep(4 * time.Second)
			c.head(r.stream, true, ":status", "200")
		})
		crowd(t, p, 20, 20, `200 whole ""`)
		if n := len(connsOf(p)); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// What a response must not say on HTTP/2.
func TestH2BadResponses(t *testing.T) {
	head := func(end bool, fields ...string) func(*framesConn, framesRequest) {
		return func(c *framesConn, r framesRequest) { c.head(r.stream, end, fields...) }
	}
	then := func(steps ...func(*framesConn, framesRequest)) func(*framesConn, framesRequest) {
		return func(c *framesConn, r framesRequest) {
			for _, step := range steps {
				step(c, r)
			}
		}
	}
	data := func(text string, end bool) func(*framesConn, framesRequest) {
		return func(c *framesConn, r framesRequest) {
			c.mu.Lock()
			defer c.mu.Unlock()
			_ = c.fr.WriteData(r.stream, end, []byte(text))
		}
	}
	raw := func(typ http2.FrameType, flags http2.Flags, stream uint32, payload string) func(*framesConn, framesRequest) {
		return func(c *framesConn, r framesRequest) {
			c.mu.Lock()
			defer c.mu.Unlock()
			_ = c.fr.WriteRawFrame(typ, flags, stream, []byte(payload))
		}
	}
	many := func(n int, step func(*framesConn, framesRequest)) func(*framesConn, framesRequest) {
		return func(c *framesConn, r framesRequest) {
			for range n {
				step(c, r)
			}
		}
	}
	ok := head(false, ":status", "200")
	window := strings.Repeat("x", frame.MaxPayload)
	for _, tt := range []struct {
		name   string
		script func(*framesConn, framesRequest)
		method string
		want   string
	}{
		{"connection", head(true, ":status", "200", "connection", "close"), "", "error bad_response"},
		{"keep-alive", head(true, ":status", "200", "keep-alive", "timeout=5"), "", "error bad_response"},
		{"proxy-connection", head(true, ":status", "200", "proxy-connection", "a"), "", "error bad_response"},
		{"transfer-encoding", head(true, ":status", "200", "transfer-encoding", "chunked"), "", "error bad_response"},
		{"upgrade", head(true, ":status", "200", "upgrade", "h2c"), "", "error bad_response"},
		{"no status", head(true, "a", "b"), "", "error bad_response"},
		{"two statuses", head(true, ":status", "200", ":status", "200"), "", "error bad_response"},
		{"status behind a field", head(true, "a", "b", ":status", "200"), "", "error bad_response"},
		{"request's pseudo-header field", head(true, ":status", "200", ":path", "/"), "", "error bad_response"},
		{"upper case", head(true, ":status", "200", "A", "b"), "", "error bad_response"},
		{"control character", head(true, ":status", "200", "a", "b\nc"), "", "error bad_response"},
		{"empty name", head(true, ":status", "200", "", "b"), "", "error bad_response"},
		{"two lengths", head(true, ":status", "200", "content-length", "0", "content-length", "0"), "", "error bad_response"},
		{"bad length", head(true, ":status", "200", "content-length", "-1"), "", "error bad_response"},
		{"length without DATA", head(true, ":status", "200", "content-length", "3"), "", "error bad_response"},
		{"length of HEAD", head(true, ":status", "200", "content-length", "3"), "HEAD", `200 whole ""`},
		{"204 with a length", head(true, ":status", "204", "content-length", "3"), "", `204 whole ""`},
		{"304 with a length", head(true, ":status", "304", "content-length", "3"), "", `304 whole ""`},
		{"DATA after HEAD", then(head(false, ":status", "200"), data("ab", true)), "HEAD", `200 "" error bad_response`},
		{"empty DATA after HEAD", then(head(false, ":status", "200"), data("", true)), "HEAD", `200 ""`},
		{"less than its length", then(head(false, ":status", "200", "content-length", "3"), data("ab", true)), "", `200 "" error bad_response`},
		{"more than its length", then(head(false, ":status", "200", "content-length", "3"), data("abcd", false)), "", `200 "" error bad_response`},
		{"trailers before its length", then(head(false, ":status", "200", "content-length", "3"), data("ab", false), head(true, "a", "b")), "", `200 "ab" error bad_response`},
		{"DATA first", data("ab", true), "", "error bad_response"},
		{"trailers that do not end", then(ok, head(false, "a", "b")), "", `200 "" error bad_response`},
		{"pseudo-header field in trailers", then(ok, head(true, ":status", "200")), "", `200 "" error bad_response`},
		{"trailers with a control character", then(ok, data("a", false), head(true, "a", "b\x00")), "", `200 "a" error bad_response`},
		{"101", head(false, ":status", "101"), "", "error bad_response"},
		{"interim that ends", head(true, ":status", "103"), "", "error bad_response"},
		{"padding", then(ok, raw(http2.FrameData, http2.FlagDataPadded|http2.FlagDataEndStream, 1, "\x02ab\x00\x00")), "", `200 "ab"`},
		{"bad padding", then(ok, raw(http2.FrameData, http2.FlagDataPadded, 1, "\x05ab")), "", `200 "" error bad_response`},
		{"DATA after the end", then(head(false, ":status", "200"), data("a", true), data("b", true)), "", `200 "a"`},
		{"idle stream", raw(http2.FrameData, 0, 99, "x"), "", "error bad_response"},
		{"RST_STREAM on an idle stream", raw(http2.FrameRSTStream, 0, 99, "\x00\x00\x00\x08"), "", "error bad_response"},
		{"push", raw(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, "\x00\x00\x00\x02\x82"), "", "error bad_response"},
		{"bad HPACK", raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"), "", "error bad_response"},
		{"header block interrupted", then(raw(http2.FrameHeaders, 0, 1, "\x88"), raw(http2.FramePing, 0, 0, "12345678")), "", "error bad_response"},
		{"CONTINUATION alone", raw(http2.FrameContinuation, 0, 1, "\x88"), "", "error bad_response"},
		{"CONTINUATION in parts", then(raw(http2.FrameHeaders, http2.FlagHeadersEndStream, 1, "\x88"), raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1, "\x00\x01a\x01b")), "", `200 a=b whole ""`},
		{"CONTINUATION flood", then(raw(http2.FrameHeaders, 0, 1, "\x88"), many(100, raw(http2.FrameContinuation, 0, 1, ""))), "", "error bad_response"},
		{"frame too large", raw(http2.FrameData, 0, 1, window+"x"), "", "error bad_response"},
		{"WINDOW_UPDATE of 0", raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00"), "", "error bad_response"},
		{"WINDOW_UPDATE of 0 on the stream", raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x00"), "", "error bad_response"},
		{"window overflow", raw(http2.FrameWindowUpdate, 0, 0, "\x7f\xff\xff\xff"), "", "error bad_response"},
		{"PING flood", many(3*h2ControlBurst, raw(http2.FramePing, 0, 0, "12345678")), "", "error bad_response"},
		{"SETTINGS flood", many(3*h2ControlBurst, raw(http2.FrameSettings, 0, 0, "")), "", "error bad_response"},
		{"flood of unknown frames", many(3*h2ControlBurst, raw(0x77, 0, 0, "x")), "", "error bad_response"},
		{"empty DATA flood", then(ok, many(3*h2ControlBurst, data("", false))), "", `200 "" error bad_response`},
		{"end, and nonsense behind it", func(c *framesConn, r framesRequest) {
			_, _ = c.nc.Write([]byte("\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88" + "\x00\x00\x01\x00\x00\x00\x00\x00\x63x"))
		}, "", `200 whole ""`},
		{"PING then a response", then(many(10, raw(http2.FramePing, 0, 0, "12345678")), head(true, ":status", "200")), "", `200 whole ""`},
		{"too large a field", head(true, ":status", "200", "a", strings.Repeat("x", 100_000)), "", "error head_too_large"},
		{"header block over all bounds", head(true, ":status", "200", "a", strings.Repeat("x", h2MaxBlock)), "", "error head_too_large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipedH2(t, Config{}, settings(), tt.script)
				r := get("/")
				if tt.method != "" {
					r.Method = tt.method
				}
				got, want := roundTrip(p, r), tt.want
				if strings.HasPrefix(want, "200 \"") {
					got = parts(got)
				}
				// What is wrong with a body may be seen before the head was passed on.
				if got != want && (!strings.Contains(want, `200 "" error`) || got != strings.TrimPrefix(want, `200 "" `)) {
					t.Errorf("got %.100s, want %.100s", got, want)
				}
			})
		})
	}
}

// More DATA than a window allows ends the stream.
func TestWindowOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipedH2(t, Config{}, settings(), func(c *framesConn, r framesRequest) {
			c.head(r.stream, false, ":status", "200")
			c.mu.Lock()
			defer c.mu.Unlock()
			_ = c.fr.WriteData(r.stream, false, make([]byte, h2FirstWindow))
			_ = c.fr.WriteData(r.stream, true, []byte("x"))
		})
		e := p.Start()
		defer e.Close()
		if err := e.Do(get("/")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n, err := io.Copy(io.Discard, readerOf{e})
		var ue *Error
		if n != h2FirstWindow || !errors.As(err, &ue) || ue.Reason != ReasonBadResponse {
			t.Errorf("%d octets, %v", n, err)
		}
	})
}

// A connection on which one response was malformed still serves the others.
func TestOneBadResponseAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns atomic.Int64
		p := pipedH2(t, Config{}, func(c *framesConn) { conns.Add(1); settings()(c) }, func(c *framesConn, r framesRequest) {
			if r.stream == 3 {
				c.head(r.stream, true, ":status", "200", "connection", "close")
				return
			}
			time.Sleep(time.Second)
			c.head(r.stream, true, ":status", "200")
		})
		roundTrip(p, get("/"))
		var wg sync.WaitGroup
		var good atomic.Int64
		for range 10 {
			wg.Go(func() {
				if roundTrip(p, get("/")) == `200 whole ""` {
					good.Add(1)
				}
			})
		}
		wg.Wait()
		if good.Load() != 9 || conns.Load() != 1 {
			t.Errorf("%d good answers on %d connections", good.Load(), conns.Load())
		}
	})
}

// flooding sends DATA as far as the windows allow, and counts it.
func flooding(sent *atomic.Int64) func(c *framesConn, r framesRequest) {
	return func(c *framesConn, r framesRequest) {
		c.head(r.stream, false, ":status", "200")
		for range 4 << 20 / frame.MaxPayload {
			n := c.window(r.stream, frame.MaxPayload)
			if n == 0 {
				return
			}
			c.mu.Lock()
			err := c.fr.WriteData(r.stream, false, make([]byte, n))
			c.mu.Unlock()
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = c.fr.WriteData(r.stream, true, nil)
	}
}

// A response that nobody reads takes its first window and no more, and does not
// stop the others of its connection.
func TestUnreadResponses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		flood := flooding(&sent)
		p := pipedH2(t, Config{}, settings(), func(c *framesConn, r framesRequest) {
			if r.stream <= 2*101 {
				flood(c, r)
				return
			}
			c.head(r.stream, true, ":status", "200")
		})
		held := make([]*Exchange, 100)
		for i := range held {
			held[i] = p.Start()
			if err := held[i].Do(get("/")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got, most := sent.Load(), int64(len(held)*h2FirstWindow); got != most {
			t.Errorf("%d octets held, want %d", got, most)
		}
		if got := roundTrip(p, get("/")); !strings.HasPrefix(got, "200") || len(connsOf(p)) != 1 {
			t.Errorf("%s on %d connections", got, len(connsOf(p)))
		}
		for _, e := range held {
			e.Close()
		}
		synctest.Wait()
	})
}

// What windows grow by comes out of the client's budget, and goes back.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		p := pipedH2(t, Config{}, settings(), flooding(&sent))
		var budget Budget
		held := make([]*Exchange, 40)
		read := int64(0)
		for i := range held {
			held[i] = p.Start()
			r := get("/")
			r.Budget = &budget
			if err := held[i].Do(r); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 32<<10)
			for range 40 {
				synctest.Wait()
				n, err := held[i].Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				read += int64(n)
			}
		}
		synctest.Wait()
		used, most := sent.Load()-read, int64(len(held)*h2FirstWindow+ClientBudget)
		if used > most || used < ClientBudget/2 {
			t.Errorf("%d octets held of responses that were read for a while, at most %d", used, most)
		}
		if budget.used.Load() == 0 || budget.used.Load() > ClientBudget {
			t.Errorf("%d of the budget used", budget.used.Load())
		}
		for _, e := range held {
			e.Close()
		}
		if budget.used.Load() != 0 || p.process.used.Load() != 0 {
			t.Errorf("%d and %d kept of the budgets", budget.used.Load(), p.process.used.Load())
		}
		synctest.Wait()
	})
}

// Cancel resets the stream at once, and leaves the connection to others.
func TestCancelIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipedH2(t, Config{}, settings(), func(c *framesConn, r framesRequest) {})
		e := p.Start()
		time.AfterFunc(time.Second, e.Cancel)
		start := time.Now()
		if got := answer(e, e.Do(get("/"))); got != "error canceled" || time.Since(start) != time.Second {
			t.Errorf("%s after %v", got, time.Since(start))
		}
		e.Close()
		synctest.Wait()
		c := connsOf(p)[0]
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.open) != 0 || c.dead != nil {
			t.Errorf("%d streams, %v", len(c.open), c.dead)
		}
	})
}

// A backend is asked whether it lives when it has been silent for a while, and
// not so often that servers of gRPC take it for an abuse: more than two PINGs
// within 5 minutes without a word of theirs.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var pings []time.Duration
		start := time.Now()
		p := pipedH2(t, Config{ReadTimeout: -1}, func(c *framesConn) {
			settings()(c)
			c.pinged = func() {
				mu.Lock()
				defer mu.Unlock()
				pings = append(pings, time.Since(start).Round(time.Second))
			}
		}, func(c *framesConn, r framesRequest) {
			time.Sleep(1000 * time.Second)
			c.head(r.stream, true, ":status", "200")
		})
		if got := roundTrip(p, get("/")); got != `200 whole ""` {
			t.Error(got)
		}
		mu.Lock()
		defer mu.Unlock()
		if want := "[15s 5m25s 10m35s 15m45s]"; fmt.Sprint(pings) != want {
			t.Errorf("got %v, want %s", pings, want)
		}
	})
}

// A backend that has greeted and then answers nothing, not even a PING.
func TestPingUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := piped(t, Config{}, func(nc net.Conn) {
			fr := http2.NewFramer(nc, nil)
			go func() { _ = fr.WriteSettings() }()
			io.Copy(io.Discard, nc)
		})
		p := c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: H2C})
		start := time.Now()
		if got := roundTrip(p, get("/")); got != "error read_timeout" || time.Since(start) != pingEvery+pingWait {
			t.Errorf("%s after %v", got, time.Since(start))
		}
	})
}

// An idle connection is closed with GOAWAY after its time.
func TestIdleH2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipedH2(t, Config{}, settings(), func(c *framesConn, r framesRequest) { c.head(r.stream, true, ":status", "200") })
		for range 3 {
			roundTrip(p, get("/"))
			time.Sleep(idleHTTP2 - time.Second)
		}
		if n := len(connsOf(p)); n != 1 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(connsOf(p)); n != 0 {
			t.Errorf("%d connections after the limit", n)
		}
	})
}

// What was sent of a body that is still coming is sent again, and the rest goes
// behind it, as on a stream of gRPC whose client awaits an answer to each message.
func TestRefusedWithinBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns atomic.Int64
		c, _ := piped(t, Config{}, func(nc net.Conn) {
			n := conns.Add(1)
			serveEcho(nc, n == 1)
		})
		p := c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: GRPC})
		pr, pw := io.Pipe()
		e := p.Start()
		go func() { _, _ = io.WriteString(pw, "one") }()
		if err := e.Do(&Request{Method: "POST", Path: "/", Host: "h", Body: stoppable{pr}, ContentLength: -1}); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		for i, word := range []string{"one", "two", "three"} {
			if i > 0 {
				_, _ = io.WriteString(pw, word)
			}
			n, err := io.ReadFull(readerOf{e}, buf[:len(word)])
			if err != nil || string(buf[:n]) != word {
				t.Fatalf("%q, %v; want %s", buf[:n], err, word)
			}
		}
		pw.Close()
		if n, err := e.Read(buf); n != 0 || err != io.EOF {
			t.Errorf("%d, %v at the end", n, err)
		}
		e.Close()
		if conns.Load() != 2 {
			t.Errorf("%d connections", conns.Load())
		}
	})
}

type stoppable struct{ *io.PipeReader }

func (s stoppable) StopRead() { s.CloseWithError(errors.New("stopped")) }

// serveEcho answers each DATA frame with itself, or refuses the stream after the
// first.
func serveEcho(nc net.Conn, refuse bool) {
	out := make(chan func(fr *http2.Framer), 100)
	defer close(out)
	fr := http2.NewFramer(nc, nc)
	go func() {
		for write := range out {
			write(fr)
		}
	}()
	if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	out <- func(fr *http2.Framer) { _ = fr.WriteSettings() }
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			if !refuse {
				out <- func(fr *http2.Framer) {
					_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true})
				}
			}
		case *http2.DataFrame:
			if refuse {
				out <- func(fr *http2.Framer) { _ = fr.WriteRSTStream(1, http2.ErrCodeRefusedStream) }
				continue
			}
			p, end := append([]byte(nil), f.Data()...), f.StreamEnded()
			out <- func(fr *http2.Framer) { _ = fr.WriteData(1, end, p) }
		}
	}
}
