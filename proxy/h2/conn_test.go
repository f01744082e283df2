package h2

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestRequestAndResponse(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) {
		s.Respond(200, []hpack.HeaderField{{Name: "x-m", Value: s.Method + " " + s.Authority + s.Path}}, []byte("hello"))
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 :status=200 x-m=GET a.test/", "DATA stream=1 len=5 end")
		ct.headers(3, true, get...)
		ct.want("HEADERS stream=3 :status=200 x-m=GET a.test/", "DATA stream=3 len=5 end")
		ct.wantSilence()
	})
}

func TestAdmitAnswersWithoutHandle(t *testing.T) {
	cfg := &config{
		Admit:  func(s *Stream) bool { s.Respond(421, nil, []byte("no")); return true },
		Handle: func(*Stream) { t.Error("Handle was called") },
	}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 :status=421", "DATA stream=1 len=2 end")
		// The rest of a request that was answered is not wanted, and what
		// is on its way is ignored.
		ct.headers(3, false, post()...)
		ct.want("HEADERS stream=3 :status=421", "DATA stream=3 len=2 end")
		ct.fr.WriteData(3, false, []byte("late"))
		ct.headers(3, true, "x-trailer: 1")
		ct.wantSilence()
	})
}

// A stream that waits for the window when its connection is lost is free for
// another connection, and waits for nothing there.
func TestAdmitAnswerLostWithItsConnection(t *testing.T) {
	var lost *Stream
	cfg := &config{Admit: func(s *Stream) bool {
		_ = s.Respond(421, nil, make([]byte, 200_000))
		_ = s.Conn().Close()
		lost = s
		return true
	}}
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, cfg)
		defer ct.finish()
		ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}) // the connection's is smaller
		ct.headers(1, true, get...)
		synctest.Wait()
		if lost == nil {
			t.Fatal("no request")
		}
		ct.conn.mu.Lock()
		if ct.conn.out.Queued() {
			t.Error("the free stream is still in the queue of its connection")
		}
		ct.conn.mu.Unlock()
	})
}

func TestAdmitAnswerWaitsForTheWindow(t *testing.T) {
	cfg := &config{Admit: func(s *Stream) bool {
		s.WriteHeader(421, nil, false)
		s.Write([]byte("12345"))
		s.WriteTrailer([]hpack.HeaderField{{Name: "x-t", Value: "1"}})
		return true
	}}
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, cfg)
		defer ct.finish()
		ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 :status=421")
		ct.wantSilence()
		ct.fr.WriteWindowUpdate(1, 2)
		ct.want("DATA stream=1 len=2")
		ct.fr.WriteWindowUpdate(1, 100)
		ct.want("DATA stream=1 len=3", "HEADERS stream=1 end x-t=1")
		ct.fr.WritePing(false, [8]byte{})
		ct.want(`PING ack "\x00\x00\x00\x00\x00\x00\x00\x00"`)
	})
}

func TestInterimResponses(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) {
		s.WriteInterim(103, []hpack.HeaderField{{Name: "link", Value: "</a>"}})
		s.WriteInterim(100, nil)
		s.WriteHeader(204, nil, true)
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 :status=103 link=</a>", "HEADERS stream=1 :status=100", "HEADERS stream=1 end :status=204")
	})
}

func TestResponsesWithoutABody(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) {
		status := 200
		if s.Method == "GET" {
			status = 304
		}
		s.WriteHeader(status, []hpack.HeaderField{{Name: "content-length", Value: "5"}}, false)
		if n, err := s.Write([]byte("hello")); n != 5 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		if err := s.WriteEnd(nil); err != nil {
			t.Errorf("WriteEnd: %v", err)
		}
		if err := s.WriteTrailer(nil); err != nil {
			t.Errorf("WriteTrailer: %v", err)
		}
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, ":method: HEAD", ":scheme: https", ":path: /")
		ct.want("HEADERS stream=1 end :status=200 content-length=5")
		ct.headers(3, true, get...)
		ct.want("HEADERS stream=3 end :status=304 content-length=5")
		ct.wantSilence()
	})
}

func TestExtendedConnect(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) {
		if s.Protocol != "websocket" {
			t.Errorf("protocol = %q", s.Protocol)
		}
		echo(s)
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, false, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: a.test", ":path: /chat")
		ct.want("HEADERS stream=1 :status=200 content-type=text/plain x-path=/chat")
		ct.fr.WriteData(1, false, []byte("hi"))
		ct.want("DATA stream=1 len=2")
		// A tunnel may be silent for long.
		time.Sleep(10 * time.Minute)
		ct.fr.WriteData(1, true, []byte("bye"))
		ct.want("DATA stream=1 len=3", "DATA stream=1 len=0 end")
	})
}

func TestHandleThatDoesNotFinishIsReset(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) {
		if s.Path == "/begun" {
			s.WriteHeader(200, nil, false)
		}
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.want("RST_STREAM stream=1 INTERNAL_ERROR")
		ct.headers(3, true, ":method: GET", ":scheme: https", ":path: /begun")
		ct.want("HEADERS stream=3 :status=200", "RST_STREAM stream=3 INTERNAL_ERROR")
	})
}

func TestResponsesOutOfOrderAreRefused(t *testing.T) {
	cfg := &config{Handle: func(s *Stream) {
		if _, err := s.Write([]byte("x")); err != ErrResponse {
			t.Errorf("body before header: %v", err)
		}
		s.WriteHeader(200, nil, true)
		if err := s.WriteHeader(200, nil, true); err != ErrResponse {
			t.Errorf("second header: %v", err)
		}
		if err := s.WriteEnd(nil); err != ErrResponse {
			t.Errorf("body behind the end: %v", err)
		}
		if err := s.WriteTrailer(nil); err != ErrResponse {
			t.Errorf("trailer behind the end: %v", err)
		}
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 end :status=200")
		ct.wantSilence()
	})
}

func TestLargeResponseHeaderIsContinued(t *testing.T) {
	long := string(make([]byte, 40_000))
	cfg := &config{Handle: func(s *Stream) {
		s.WriteHeader(200, []hpack.HeaderField{{Name: "x-long", Value: long}}, true)
	}}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 end continued", "CONTINUATION", "CONTINUATION end")
		if len(ct.got) != 2 || ct.got[1].Value != long {
			t.Error("the header did not come through")
		}
	})
}

func TestClientTableSizeIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, &config{Handle: func(s *Stream) { s.WriteHeader(200, nil, true) }})
		defer ct.finish()
		ct.greet(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		ct.headers(1, true, get...)
		synctest.Wait()
		f, err := ct.fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		// RFC 7541 section 4.2: a decoder that has shrunk its table may
		// insist on hearing that the encoder knows.
		if b := f.(*http2.HeadersFrame).HeaderBlockFragment(); len(b) != 2 || b[0] != 0x20 || b[1] != 0x88 {
			t.Errorf("first block %x, want 2088", b)
		}
		ct.headers(3, true, get...)
		ct.want("HEADERS stream=3 end :status=200")
	})
}

func TestOriginFrame(t *testing.T) {
	for _, c := range []struct {
		origins []string
		ok      bool
		want    string
	}{
		{nil, false, "SETTINGS ack"},
		{nil, true, `ORIGIN stream=0 ""`},
		{[]string{"https://a.test", "https://b.test"}, true,
			`ORIGIN stream=0 "\x00\x0ehttps://a.test\x00\x0ehttps://b.test"`},
		{[]string{string(make([]byte, 17<<10))}, true, `ORIGIN stream=0 ""`},
	} {
		synctest.Test(t, func(t *testing.T) {
			ct := newTester(t, &config{Origins: func(*Conn) ([]string, bool) { return c.origins, c.ok }})
			defer ct.finish()
			io.WriteString(ct.nc, http2.ClientPreface)
			ct.fr.WriteSettings()
			ct.want("SETTINGS", "WINDOW_UPDATE stream=0 inc=983041", c.want)
		})
	}
}

func TestBadPreface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, &config{})
		defer ct.finish()
		io.WriteString(ct.nc, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		ct.want("SETTINGS", "WINDOW_UPDATE stream=0 inc=983041", "GOAWAY last=0 PROTOCOL_ERROR")
		ct.wantClosed(ClosedPreface)
	})
}

func TestDrainInTwoPhases(t *testing.T) {
	release := make(chan bool)
	cfg := &config{Handle: func(s *Stream) { <-release; s.Respond(200, nil, nil) }}
	bubble(t, cfg, func(ct *tester) {
		release = make(chan bool)
		ct.headers(1, true, get...)
		synctest.Wait()
		ct.conn.Drain()
		ct.conn.Drain()
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`)
		// A request that was on its way is still served.
		ct.headers(3, true, get...)
		ct.fr.WritePing(true, [8]byte([]byte(drainPing)))
		ct.want("GOAWAY last=3 NO_ERROR")
		// What comes later is ignored, whatever it is.
		ct.headers(5, false, post()...)
		ct.fr.WriteData(5, true, []byte("x"))
		ct.fr.WriteRSTStream(5, http2.ErrCodeCancel)
		ct.fr.WriteWindowUpdate(5, 1)
		ct.wantSilence()
		close(release)
		for range 2 {
			ct.skipTo("HEADERS")
		}
		ct.wantClosed(ClosedDrained)
	})
}

func TestDrainOfAClientThatIgnoresPing(t *testing.T) {
	bubble(t, &config{}, func(ct *tester) {
		ct.conn.Drain()
		ct.wantSilence() // a new connection is not cut before its first request
		time.Sleep(drainWait + 600*time.Millisecond)
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`)
		ct.wantSilence()
		time.Sleep(drainWait + 600*time.Millisecond)
		ct.want("GOAWAY last=0 NO_ERROR")
		ct.wantClosed(ClosedDrained)
	})
}

// A GOAWAY must not name a request whose head is still on its way: nobody would
// answer it, and the client would not send it again.
func TestDrainDuringAHeaderBlock(t *testing.T) {
	served := 0
	bubble(t, &config{Handle: func(s *Stream) { served++; s.Respond(200, nil, nil) }}, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.skipTo("HEADERS")
		block := ct.block(get...)
		ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block[:2], EndStream: true})
		synctest.Wait()
		ct.conn.Drain()
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`)
		time.Sleep(drainWait + 600*time.Millisecond)
		ct.want("GOAWAY last=1 NO_ERROR")
		ct.fr.WriteContinuation(3, true, block[2:])
		ct.wantClosed(ClosedDrained)
		if served != 1 {
			t.Errorf("%d requests were served", served)
		}
	})
}

// With another request under way, what was not named is not served later either.
func TestDrainDuringAHeaderBlockOfABusyConnection(t *testing.T) {
	var release chan bool
	bubble(t, &config{Handle: func(s *Stream) { <-release; s.Respond(200, nil, nil) }}, func(ct *tester) {
		release = make(chan bool)
		ct.headers(1, true, get...)
		block := ct.block(get...)
		ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block[:1], EndStream: true})
		synctest.Wait()
		ct.conn.Drain()
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`)
		time.Sleep(drainWait + 600*time.Millisecond)
		ct.want("GOAWAY last=1 NO_ERROR")
		ct.fr.WriteContinuation(3, true, block[1:])
		ct.fr.WritePing(false, [8]byte{})
		ct.want(`PING ack "\x00\x00\x00\x00\x00\x00\x00\x00"`)
		close(release)
		ct.want("HEADERS stream=1 end :status=200")
		ct.wantClosed(ClosedDrained)
	})
}

func TestDrainOfANewConnectionServesItsFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, &config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }})
		defer ct.finish()
		ct.conn.Drain()
		ct.greet()
		ct.wantSilence()
		ct.headers(1, true, get...)
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`, "HEADERS stream=1 end :status=200")
		ct.fr.WritePing(true, [8]byte([]byte(drainPing)))
		ct.want("GOAWAY last=1 NO_ERROR")
		ct.wantClosed(ClosedDrained)
	})
}

func TestMaxAgeDrains(t *testing.T) {
	bubble(t, &config{Limits: Limits{MaxAge: 30 * time.Second}}, func(ct *tester) {
		time.Sleep(26 * time.Second)
		ct.wantSilence()
		time.Sleep(10 * time.Second)
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`, "GOAWAY last=0 NO_ERROR")
		ct.wantClosed(ClosedDrained)
	})
}

func TestCloseFailsStreams(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) {
		canceled := false
		s.OnCancel(cancelFunc(func() { canceled = true }))
		if _, err := s.Read(make([]byte, 1)); err != ErrClosed {
			t.Errorf("Read: %v", err)
		}
		s.OnCancel(nil)
		if !canceled {
			t.Error("not canceled")
		}
		late := false
		s.OnCancel(cancelFunc(func() { late = true }))
		if !late {
			t.Error("a canceler that comes late is not called at once")
		}
		if err := s.WriteHeader(200, nil, false); err != ErrClosed {
			t.Errorf("WriteHeader: %v", err)
		}
	}}, func(ct *tester) {
		ct.headers(1, false, post()...)
		synctest.Wait()
		ct.conn.Close()
		ct.wantClosed(ClosedLocal)
		if ct.served != nil {
			t.Errorf("Serve returned %v", ct.served)
		}
	})
}
