package h2

import (
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// flood calls send, which writes the n-th frame of an attack, until the
// connection is gone, and returns how many that took.
func flood(ct *tester, limit int, send func(n int)) int {
	for n := 1; n <= limit; n++ {
		send(n)
		if n%50 != 0 {
			continue
		}
		for {
			switch got := ct.next(); {
			case strings.HasPrefix(got, "GOAWAY"):
				if !strings.Contains(got, "ENHANCE_YOUR_CALM") {
					ct.t.Errorf("got %s", got)
				}
				return n
			case got != "":
				continue
			}
			break
		}
	}
	return limit + 1
}

func TestFloodsAreCutOff(t *testing.T) {
	never := func(s *Stream) { s.Read(make([]byte, 1)) }
	for _, c := range []struct {
		name    string
		handle  func(*Stream)
		reason  string
		atLeast int // this many must be allowed
		atMost  int
		open    bool // a request with a body on stream 1 first
		send    func(ct *tester, n int)
	}{
		{name: "rapid reset", reason: ClosedRapidReset, atLeast: 200, atMost: 260, handle: never,
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), false, post()...)
				ct.fr.WriteRSTStream(uint32(2*n-1), http2.ErrCodeCancel)
			}},
		{name: "made you reset by a window overflow", reason: ClosedRapidReset, atLeast: 200, atMost: 260, handle: never,
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), false, post()...)
				ct.fr.WriteWindowUpdate(uint32(2*n-1), frame.MaxWindow)
			}},
		{name: "made you reset by a window update of 0", reason: ClosedRapidReset, atLeast: 200, atMost: 260, handle: never,
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), false, post()...)
				ct.fr.WriteWindowUpdate(uint32(2*n-1), 0)
			}},
		{name: "made you reset by a self-dependency", reason: ClosedRapidReset, atLeast: 200, atMost: 260, handle: never,
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), false, post()...)
				ct.fr.WritePriority(uint32(2*n-1), http2.PriorityParam{StreamDep: uint32(2*n - 1)})
			}},
		{name: "reset behind the head", reason: ClosedRapidReset, atLeast: 200, atMost: 260,
			handle: func(s *Stream) { s.WriteHeader(200, nil, false); s.Read(make([]byte, 1)) },
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), false, post()...)
				synctest.Wait()
				ct.fr.WriteRSTStream(uint32(2*n-1), http2.ErrCodeCancel)
			}},
		{name: "made you reset behind the head", reason: ClosedRapidReset, atLeast: 200, atMost: 260,
			handle: func(s *Stream) { s.WriteHeader(200, nil, false); s.Read(make([]byte, 1)) },
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), false, post()...)
				synctest.Wait()
				ct.fr.WriteWindowUpdate(uint32(2*n-1), 0)
			}},
		{name: "heads too large", reason: ClosedRapidReset, atLeast: 200, atMost: 260,
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), true, append(slices.Clone(get), slices.Repeat([]string{"x: y"}, 200)...)...)
			}},
		{name: "heads with a bad value", reason: ClosedRapidReset, atLeast: 200, atMost: 260,
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), true, append(slices.Clone(get), "x: y ")...)
			}},
		{name: "HEADERS on a stream reset lately", reason: ClosedControlFlood, atLeast: 490, atMost: 560, open: true,
			handle: func(s *Stream) { s.Reset(http2.ErrCodeInternal) },
			send:   func(ct *tester, n int) { ct.headers(1, true, "x: y") }},
		{name: "DATA on a stream reset lately", reason: ClosedDataFlood, atLeast: 2000, atMost: 2060, open: true,
			handle: func(s *Stream) { s.Reset(http2.ErrCodeInternal) },
			send:   func(ct *tester, n int) { ct.fr.WriteData(1, false, []byte("12345")) }},
		{name: "made you reset by DATA behind the end", reason: ClosedRapidReset, atLeast: 200, atMost: 260,
			handle: func(s *Stream) { select {} },
			send: func(ct *tester, n int) {
				ct.headers(uint32(2*n-1), true, get...)
				ct.fr.WriteData(uint32(2*n-1), false, nil)
			}},
		{name: "malformed requests", reason: ClosedRapidReset, atLeast: 200, atMost: 260,
			send: func(ct *tester, n int) { ct.headers(uint32(2*n-1), true, ":method: GET") }},
		{name: "more streams than allowed", reason: ClosedRapidReset, atLeast: 128 + 200, atMost: 128 + 260, handle: never,
			send: func(ct *tester, n int) { ct.headers(uint32(2*n-1), false, post()...) }},
		{name: "PING", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WritePing(false, [8]byte{1}) }},
		{name: "PING acks", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WritePing(true, [8]byte{1}) }},
		{name: "SETTINGS", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) {
				ct.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(n)})
			}},
		{name: "SETTINGS acks", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WriteSettingsAck() }},
		{name: "PRIORITY", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WritePriority(uint32(2*n+1), http2.PriorityParam{}) }},
		{name: "PRIORITY_UPDATE", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WritePriorityUpdate(uint32(2*(n%100)+1), "u=1") }},
		{name: "WINDOW_UPDATE of the connection", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WriteWindowUpdate(0, 1) }},
		{name: "WINDOW_UPDATE of a stream", reason: ClosedControlFlood, atLeast: 490, atMost: 550, handle: never, open: true,
			send: func(ct *tester, n int) { ct.fr.WriteWindowUpdate(1, 1) }},
		{name: "WINDOW_UPDATE of a closed stream", reason: ClosedControlFlood, atLeast: 490, atMost: 560,
			handle: func(s *Stream) { s.Respond(200, nil, nil) }, open: true,
			send: func(ct *tester, n int) { ct.fr.WriteWindowUpdate(1, 1) }},
		{name: "RST_STREAM of a closed stream", reason: ClosedControlFlood, atLeast: 490, atMost: 550, open: true,
			handle: func(s *Stream) { s.Respond(200, nil, nil) },
			send:   func(ct *tester, n int) { ct.fr.WriteRSTStream(1, http2.ErrCodeCancel) }},
		{name: "unknown frames", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WriteRawFrame(0xfa, 0xff, uint32(n), []byte("xyz")) }},
		{name: "GOAWAY", reason: ClosedControlFlood, atLeast: 490, atMost: 550,
			send: func(ct *tester, n int) { ct.fr.WriteGoAway(0, http2.ErrCodeNo, nil) }},
		{name: "empty DATA", reason: ClosedControlFlood, atLeast: 490, atMost: 560, handle: never, open: true,
			send: func(ct *tester, n int) { ct.fr.WriteData(1, false, nil) }},
		{name: "padding without DATA", reason: ClosedControlFlood, atLeast: 490, atMost: 560, handle: never, open: true,
			send: func(ct *tester, n int) { ct.fr.WriteDataPadded(1, false, nil, make([]byte, 200)) }},
		{name: "DATA of one octet", reason: ClosedDataFlood, atLeast: 2000, atMost: 2060, open: true,
			handle: func(s *Stream) { io.Copy(io.Discard, s) },
			send:   func(ct *tester, n int) { ct.fr.WriteData(1, false, []byte("x")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := &config{
				Handle: c.handle,
				Refuse: refuse,
			}
			bubble(t, cfg, func(ct *tester) {
				if c.name == "made you reset by DATA behind the end" {
					c.handle = nil
					ct.cfg.engine.Handle = func(s *Stream) {
						gone := make(chan bool)
						s.OnCancel(cancelFunc(func() { close(gone) }))
						<-gone
						s.OnCancel(nil)
					}
				}
				if c.open {
					ct.headers(1, false, post()...)
					synctest.Wait()
				}
				n := flood(ct, 5000, func(n int) { c.send(ct, n) })
				if n < c.atLeast || n > c.atMost {
					t.Errorf("cut off after %d, want %d to %d", n, c.atLeast, c.atMost)
				}
				ct.wantClosed(c.reason)
			})
		})
	}
}

// What a well-behaved client does at a steady rate must not be taken for a
// flood, however long it lasts.
func TestEarnedFramesAreNotAFlood(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) { s.Respond(200, nil, []byte("hello")) }}
	bubble(t, cfg, func(ct *tester) {
		for n := range uint32(5000) {
			ct.headers(2*n+1, true, get...)
			for range 8 {
				ct.fr.WriteWindowUpdate(0, 1)
			}
			ct.fr.WritePing(false, [8]byte{})
			synctest.Wait()
			ct.drainPipe()
		}
		time.Sleep(2 * lingerTime)
		if r := ct.closedFor(); r != "" {
			t.Errorf("closed because of %s", r)
		}
	})
}

func TestSmallMessagesAreNotAFlood(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) { io.Copy(io.Discard, s) }}, func(ct *tester) {
		ct.headers(1, false, post()...)
		for range 20_000 {
			ct.fr.WriteData(1, false, []byte{0, 0, 0, 0, 0}) // an empty gRPC message
			ct.next()
		}
		time.Sleep(2 * lingerTime)
		if r := ct.closedFor(); r != "" {
			t.Errorf("closed because of %s", r)
		}
	})
}

func TestPacedResetsAreAllowed(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) { s.Read(make([]byte, 1)) }}
	bubble(t, cfg, func(ct *tester) {
		id := uint32(1)
		for range 100 { // seconds
			for range 40 {
				ct.headers(id, false, post()...)
				ct.fr.WriteRSTStream(id, http2.ErrCodeCancel)
				id += 2
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		time.Sleep(2 * lingerTime)
		if r := ct.closedFor(); r != "" {
			t.Errorf("closed because of %s", r)
		}
	})
}

// Who browses gives up all that a page has asked for, and that again with the
// next one; who seeks in a film, a response at a time.
func TestBrowsingIsNotAFlood(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) { s.WriteHeader(200, nil, false); s.Read(make([]byte, 1)) }}, func(ct *tester) {
		id := uint32(1)
		giveUp := func(n int) {
			for range n {
				ct.headers(id, false, post()...)
				id += 2
			}
			synctest.Wait()
			for i := range uint32(n) {
				ct.fr.WriteRSTStream(id-2-2*i, http2.ErrCodeCancel)
			}
			synctest.Wait()
			ct.drainPipe()
		}
		for range 20 {
			giveUp(128)
			time.Sleep(3 * time.Second)
		}
		for range 600 {
			giveUp(4)
			time.Sleep(100 * time.Millisecond)
		}
		if r := ct.closedFor(); r != "" {
			t.Errorf("closed because of %s", r)
		}
	})
}

// What a client sends before it knows of a reset is not a flood.
func TestDataOnItsWayIsNotAFlood(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) { s.Reset(http2.ErrCodeInternal) }}, func(ct *tester) {
		for i := range uint32(100) {
			ct.headers(2*i+1, false, post()...)
			for range 10 {
				ct.fr.WriteData(2*i+1, false, make([]byte, 1000))
			}
			ct.headers(2*i+1, true, "x-t: 1")
			synctest.Wait()
		}
		ct.drainPipe()
		time.Sleep(2 * lingerTime)
		if r := ct.closedFor(); r != "" {
			t.Errorf("closed because of %s", r)
		}
	})
}

// Streams that are reset do not hide handlers that take their time.
func TestHandlersAreBoundedThroughResets(t *testing.T) {
	running, most := 0, 0
	release := make(chan struct{})
	cfg := &config{Limits: Limits{ResetBurst: 10_000}}
	var mu sync.Mutex
	cfg.Handle = func(s *Stream) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		<-release
		mu.Lock()
		running--
		mu.Unlock()
	}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		ct := newTester(t, cfg)
		defer ct.finish()
		defer close(release)
		ct.greet()
		for i := range uint32(1000) {
			ct.headers(2*i+1, false, post()...)
			ct.fr.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			synctest.Wait()
			ct.drainPipe()
		}
	})
	if most != 256 {
		t.Errorf("%d handlers at once, want 256", most)
	}
}

func (ct *tester) drainPipe() {
	p := ct.nc.(*pipeEnd)
	p.in.mu.Lock()
	p.in.buf = nil
	p.in.cond.Broadcast()
	p.in.mu.Unlock()
}

func TestContinuationFlood(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
		max  int
	}{
		{"empty", 0, 17}, {"one octet", 1, 17}, {"16 KiB", 16 << 10, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &config{}, func(ct *tester) {
				ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: ct.block(get...)})
				frag := make([]byte, c.size)
				for i := range frag {
					frag[i] = 0x82 // :method GET, indexed
				}
				for range c.max - 1 {
					ct.fr.WriteContinuation(1, false, frag)
					if c.size < 100 {
						ct.wantSilence()
					}
				}
				ct.fr.WriteContinuation(1, false, frag)
				ct.want("GOAWAY last=0 ENHANCE_YOUR_CALM")
				ct.wantClosed(ClosedContinuationFlood)
			})
		})
	}
}

func TestHeaderListLimits(t *testing.T) {
	cfg := func() *config {
		return &config{
			Handle: func(s *Stream) { s.Respond(200, nil, nil) },
			Refuse: refuse,
		}
	}
	repeat := func(n int, f string) []string {
		fs := append([]string(nil), get...)
		for range n {
			fs = append(fs, f)
		}
		return fs
	}
	for _, c := range []struct {
		name   string
		fields []string
		status string
	}{
		{"200 fields", repeat(196, "x: y"), "200"},
		{"201 fields", repeat(197, "x: y"), "431"},
		{"201 cookie crumbs", repeat(201, "cookie: a=b"), "431"},
		{"64 KiB less a little", append(repeat(0, ""), "x: "+strings.Repeat("v", 65000)), "200"},
		{"64 KiB", append(repeat(0, ""), "x: "+strings.Repeat("v", 65536)), "431"},
		{"indexed bomb", append(repeat(0, "x: "+strings.Repeat("v", 4000)), repeat(30, "x: "+strings.Repeat("v", 3900))[4:]...), "431"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, cfg(), func(ct *tester) {
				block := ct.block(c.fields...)
				first := block[:min(len(block), frame.MaxPayload)]
				block = block[len(first):]
				ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: true, EndHeaders: len(block) == 0})
				for len(block) > 0 {
					n := min(len(block), frame.MaxPayload)
					ct.fr.WriteContinuation(1, n == len(block), block[:n])
					block = block[n:]
				}
				ct.want("HEADERS stream=1 end :status=" + c.status)
				// The HPACK state is right: a field that was indexed in the
				// block is known in the next one.
				ct.headers(3, true, append(append([]string(nil), get...), "x: y", "cookie: a=b")...)
				ct.want("HEADERS stream=3 end :status=200")
			})
		})
	}
}

func TestOversizedTrailersResetTheStream(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) { io.Copy(io.Discard, s) }}, func(ct *tester) {
		ct.headers(1, false, post()...)
		var fs []string
		for range 201 {
			fs = append(fs, "x: y")
		}
		ct.headers(1, true, fs...)
		ct.want("RST_STREAM stream=1 ENHANCE_YOUR_CALM")
	})
}

func TestTimeouts(t *testing.T) {
	preface := func(ct *tester) { io.WriteString(ct.nc, http2.ClientPreface) }
	hello := func(ct *tester) { preface(ct); ct.fr.WriteSettings() }
	ready := func(ct *tester) { hello(ct); ct.fr.WriteSettingsAck() }
	for _, c := range []struct {
		name   string
		do     func(ct *tester)
		after  time.Duration
		reason string
	}{
		{"nothing", func(*tester) {}, 10 * time.Second, ClosedPrefaceTimeout},
		{"half a preface", func(ct *tester) { io.WriteString(ct.nc, "PRI * HT") }, 10 * time.Second, ClosedPrefaceTimeout},
		{"no SETTINGS", preface, 10 * time.Second, ClosedPrefaceTimeout},
		{"SETTINGS not acknowledged", hello, 10 * time.Second, ClosedSettingsTimeout},
		{"idle from the start", ready, 75 * time.Second, ClosedIdle},
		{"idle after a request", func(ct *tester) { ready(ct); ct.headers(1, true, get...) }, 75 * time.Second, ClosedIdle},
		{"half a frame header", func(ct *tester) { ready(ct); ct.nc.Write([]byte{0, 0, 9}) }, 10 * time.Second, ClosedHeaderTimeout},
		{"half a HEADERS frame", func(ct *tester) {
			ready(ct)
			ct.nc.Write([]byte{0, 0, 9, 1, 4, 0, 0, 0, 1, 0x82})
		}, 10 * time.Second, ClosedHeaderTimeout},
		{"half a header block", func(ct *tester) {
			ready(ct)
			ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: ct.block(get...)})
		}, 10 * time.Second, ClosedHeaderTimeout},
		{"a header block that trickles", func(ct *tester) {
			ready(ct)
			ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: ct.block(get...)})
			for range 9 {
				time.Sleep(time.Second)
				ct.fr.WriteContinuation(1, false, []byte{0x82})
			}
		}, 10 * time.Second, ClosedHeaderTimeout},
		{"half a DATA frame", func(ct *tester) {
			ready(ct)
			ct.headers(1, false, post()...)
			ct.nc.Write([]byte{0, 0, 9, 0, 0, 0, 0, 0, 1, 'x'})
		}, 60 * time.Second, ClosedStall},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ct := newTester(t, &config{Handle: func(s *Stream) { s.WriteHeader(200, nil, false); io.Copy(io.Discard, s); s.WriteEnd(nil) }})
				defer ct.finish()
				start := time.Now()
				c.do(ct)
				time.Sleep(c.after - 100*time.Millisecond - time.Since(start))
				synctest.Wait()
				ct.drainPipe()
				if got := ct.next(); got == "EOF" || strings.HasPrefix(got, "GOAWAY") {
					t.Fatal("closed too early")
				}
				time.Sleep(1200 * time.Millisecond)
				ct.wantClosed(c.reason)
			})
		})
	}
}

func TestPingDoesNotKeepAnIdleConnection(t *testing.T) {
	bubble(t, &config{}, func(ct *tester) {
		for range 76 {
			time.Sleep(time.Second)
			ct.fr.WritePing(false, [8]byte{})
		}
		ct.wantClosed(ClosedIdle)
	})
}

func TestStalledRequestBodyIsReset(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) {
		_, err := io.Copy(io.Discard, s)
		if re, ok := err.(*ResetError); !ok || re.Peer || re.Code != http2.ErrCodeCancel {
			t.Errorf("Read: %v", err)
		}
	}}, func(ct *tester) {
		ct.headers(1, false, post()...)
		time.Sleep(50 * time.Second)
		ct.fr.WriteData(1, false, make([]byte, 60*LeastRate+100)) // in the first minute
		time.Sleep(59 * time.Second)
		ct.wantSilence()
		time.Sleep(2 * time.Second)
		ct.want("RST_STREAM stream=1 CANCEL")
		if len(ct.cut) != 1 || ct.cut[0] != WhyStall {
			t.Errorf("refused: %v", ct.cut)
		}
	})
}

func TestStalledResponseBodyIsReset(t *testing.T) {
	handle := func(s *Stream) {
		s.WriteHeader(200, nil, false)
		if _, err := s.Write(make([]byte, 100_000)); err == nil {
			t.Error("Write went through")
		}
	}
	t.Run("no stream window", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ct := newTester(t, &config{Handle: handle})
			defer ct.finish()
			ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			for i := range uint32(20) {
				ct.headers(2*i+1, true, get...)
			}
			time.Sleep(59 * time.Second)
			ct.drainPipe()
			time.Sleep(2 * time.Second)
			for range 20 {
				ct.skipTo("RST_STREAM")
			}
			if ct.closedFor() != "" {
				t.Error("the connection was closed")
			}
		})
	})
	t.Run("no connection window", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ct := newTester(t, &config{Handle: handle})
			defer ct.finish()
			ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			ct.headers(1, true, get...)
			for ct.next() != "" {
			}
			time.Sleep(61 * time.Second)
			ct.skipTo("RST_STREAM stream=1 CANCEL")
		})
	})
	t.Run("nobody reads the socket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ct := newTester(t, &config{Handle: func(s *Stream) {
				s.WriteHeader(200, nil, false)
				if _, err := s.Write(make([]byte, 1<<20)); err != ErrClosed {
					t.Errorf("Write: %v", err)
				}
			}})
			defer ct.finish()
			ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			ct.fr.WriteWindowUpdate(0, 1<<30)
			ct.headers(1, true, get...)
			time.Sleep(62 * time.Second)
			synctest.Wait()
			if r := ct.closedFor(); r != ClosedStall {
				t.Errorf("closed because of %q", r)
			}
		})
	})
}

func TestUnreadHeadersAreBounded(t *testing.T) {
	long := []hpack.HeaderField{{Name: "x-long", Value: string(make([]byte, 60_000))}}
	bubble(t, &config{Handle: func(s *Stream) { s.WriteHeader(200, long, true) }}, func(ct *tester) {
		for i := range uint32(100) {
			ct.headers(2*i+1, true, get...)
		}
		synctest.Wait()
		ct.conn.mu.Lock()
		held := ct.conn.out.Len()
		ct.conn.mu.Unlock()
		if held > 2*2*writeBuffer {
			t.Errorf("%d octets are held", held)
		}
		for range 100 {
			ct.skipTo("CONTINUATION end")
		}
	})
}

// A client that asks for ever and never reads must not make us hold its
// answers.
func TestUnreadAnswersAreBounded(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   []byte
		reason string
	}{
		{"headers", nil, ClosedStall},                    // not read any further
		{"bodies", make([]byte, 1000), ClosedRapidReset}, // more streams open than allowed
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := &config{Admit: func(s *Stream) bool { s.Respond(421, nil, c.body); return true }}
			synctest.Test(t, func(t *testing.T) {
				ct := newTester(t, cfg)
				defer ct.finish()
				ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
				ct.fr.WriteWindowUpdate(0, 1<<30)
				go func() {
					for i := range uint32(100_000) {
						ct.headers(2*i+1, true, get...)
					}
				}()
				synctest.Wait()
				if c.body == nil {
					// Nor must a frame that ended in a later read than it
					// began, or another reason to close, hide the stall.
					ct.conn.mu.Lock()
					ct.conn.halt(ClosedIdle)
					ct.conn.mu.Unlock()
				}
				ct.conn.mu.Lock()
				held := ct.conn.out.Len()
				for _, s := range ct.conn.streams {
					held += len(s.out.Part().Data)
				}
				ct.conn.mu.Unlock()
				if held > 300_000 {
					t.Errorf("%d octets are held", held)
				}
				time.Sleep(62 * time.Second)
				synctest.Wait()
				if r := ct.closedFor(); r != c.reason && r != ClosedStall {
					t.Errorf("closed because of %q", r)
				}
			})
		})
	}
}
