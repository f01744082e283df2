package h2

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// early answers before the request's body: on the read loop, or in Handle for
// the paths that say so.
func early() *config {
	answer := func(s *Stream) { s.Respond(421, nil, []byte("no")) }
	return &config{
		Limits: Limits{MaxStreams: 4},
		Admit: func(s *Stream) bool {
			if s.Path == "/" {
				answer(s)
			}
			return s.Path == "/"
		},
		Handle: func(s *Stream) {
			if s.Path == "/stop" {
				s.StopRead()
			}
			if s.Path == "/held" {
				s.Read(make([]byte, 1))
			}
			answer(s)
		},
	}
}

func postTo(path string, more ...string) []string {
	return append([]string{":method: POST", ":scheme: https", ":authority: a.test", ":path: " + path}, more...)
}

// open lists how many streams the server holds.
func (ct *tester) open() int {
	synctest.Wait()
	ct.conn.mu.Lock()
	defer ct.conn.mu.Unlock()
	return len(ct.conn.streams)
}

func (ct *tester) wantAnswer(id uint32) {
	ct.t.Helper()
	ct.want(fmt.Sprintf("HEADERS stream=%d :status=421", id), fmt.Sprintf("DATA stream=%d len=2 end", id))
}

func TestRestOfAnAnsweredRequestIsTaken(t *testing.T) {
	ends := map[string]func(ct *tester){
		"DATA":     func(ct *tester) { ct.fr.WriteData(1, true, []byte("x")) },
		"empty":    func(ct *tester) { ct.fr.WriteData(1, true, nil) },
		"trailers": func(ct *tester) { ct.headers(1, true, "x-t: 1") },
		"reset":    func(ct *tester) { ct.fr.WriteRSTStream(1, http2.ErrCodeNo) },
	}
	for _, path := range []string{"/", "/handled", "/stop", "/held"} {
		for name, end := range ends {
			bubble(t, early(), func(ct *tester) {
				ct.headers(1, false, postTo(path)...)
				if path == "/held" {
					ct.fr.WriteData(1, false, make([]byte, 1000))
				}
				ct.wantAnswer(1)
				for range 3 {
					time.Sleep(lingerStream / 4)
					ct.fr.WriteData(1, false, make([]byte, 16_000))
					// For the answered client nothing is new.
					ct.fr.WriteWindowUpdate(1, 100)
				}
				end(ct)
				ct.wantSilence()
				if n := ct.open(); n != 0 {
					t.Errorf("%s, ended by %s: %d streams are open", path, name, n)
				}
				if ct.headers(3, true, postTo(path)...); path != "/held" {
					ct.wantAnswer(3)
				}
			})
		}
	}
}

func TestRestOfAnAnsweredRequestEndsWithItsWindow(t *testing.T) {
	for _, path := range []string{"/", "/handled", "/stop"} {
		bubble(t, early(), func(ct *tester) {
			ct.headers(1, false, postTo(path)...)
			ct.wantAnswer(1)
			for range 3 {
				ct.fr.WriteDataPadded(1, false, make([]byte, 16_000), make([]byte, 255))
			}
			given := 0
			for left := 64<<10 - 3*16_256; ; {
				got := ct.next()
				var inc int
				if _, err := fmt.Sscanf(got, "WINDOW_UPDATE stream=0 inc=%d", &inc); err == nil {
					given += inc
					continue
				}
				if got == "RST_STREAM stream=1 NO_ERROR" && left == 0 {
					break
				}
				if got != "" || left == 0 {
					t.Fatalf("%s: got frame %q, %d octets before the window's end", path, got, left)
				}
				n := min(left-1, 16_000)
				if n == 0 {
					n = 1
				}
				ct.fr.WriteData(1, false, make([]byte, n))
				left -= n
			}
			// What cannot be given back yet is less than half of the window.
			if given > 64<<10 {
				t.Errorf("%s: %d octets given back", path, given)
			}
			ct.conn.mu.Lock()
			if sum := int(ct.conn.recv.avail + ct.conn.recv.owed); sum != 1<<20 {
				t.Errorf("%s: %d octets of the connection's window are left", path, sum)
			}
			ct.conn.mu.Unlock()
		})
	}
}

func TestRestOfAnAnsweredRequestEndsInTime(t *testing.T) {
	bubble(t, early(), func(ct *tester) {
		ct.headers(1, false, postTo("/")...)
		ct.wantAnswer(1)
		// One who goes on, however little he sends, has no more time.
		for range 19 {
			time.Sleep(lingerStream / 20)
			ct.fr.WriteData(1, false, make([]byte, 10))
			ct.wantSilence()
		}
		time.Sleep(lingerStream/20 + 100*time.Millisecond)
		ct.want("RST_STREAM stream=1 NO_ERROR")
		ct.fr.WriteData(1, false, []byte("on its way"))
		ct.wantSilence()
		if len(ct.cut) != 0 {
			t.Errorf("refused: %q", ct.cut)
		}
	})
}

func TestRestOfAnAnsweredRequestGivesWay(t *testing.T) {
	bubble(t, early(), func(ct *tester) {
		for id := uint32(1); id <= 7; id += 2 {
			ct.headers(id, false, postTo("/")...)
			ct.wantAnswer(id)
		}
		ct.wantSilence()
		for id := uint32(9); id < 2000; id += 2 {
			ct.headers(id, false, postTo("/")...)
			ct.want(fmt.Sprintf("RST_STREAM stream=%d NO_ERROR", id-8))
			ct.wantAnswer(id)
			if n := ct.open(); n > 4 {
				t.Fatalf("%d streams are open", n)
			}
		}
	})
}

// A request that is not answered never gives way.
func TestUnansweredStreamsStayWithinTheLimit(t *testing.T) {
	bubble(t, early(), func(ct *tester) {
		ct.headers(1, false, postTo("/")...)
		ct.wantAnswer(1)
		for id := uint32(3); id <= 9; id += 2 {
			ct.headers(id, false, postTo("/held")...)
		}
		ct.want("RST_STREAM stream=1 NO_ERROR")
		ct.wantSilence()
		ct.headers(11, false, postTo("/")...)
		ct.want("RST_STREAM stream=11 REFUSED_STREAM")
	})
}

func TestRestOfAnAnsweredRequestDoesNotHoldUpADrain(t *testing.T) {
	bubble(t, early(), func(ct *tester) {
		ct.headers(1, false, postTo("/")...)
		ct.wantAnswer(1)
		ct.conn.Drain()
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`)
		ct.fr.WritePing(true, [8]byte([]byte(drainPing)))
		ct.want("GOAWAY last=1 NO_ERROR")
		time.Sleep(2 * drainWait)
		ct.want("RST_STREAM stream=1 NO_ERROR", "EOF")
		ct.wantClosed(ClosedDrained)
	})
	// One that is whole in time is not reset.
	bubble(t, early(), func(ct *tester) {
		ct.headers(1, false, postTo("/")...)
		ct.wantAnswer(1)
		ct.conn.Drain()
		ct.want("GOAWAY last=2147483647 NO_ERROR", `PING "ingress4"`)
		ct.fr.WritePing(true, [8]byte([]byte(drainPing)))
		ct.want("GOAWAY last=1 NO_ERROR")
		ct.fr.WriteData(1, true, []byte("x"))
		ct.want("EOF")
		ct.wantClosed(ClosedDrained)
	})
}

// What was kept of a request is let go of with its answer.
func TestRestOfAnAnsweredRequestHoldsNothing(t *testing.T) {
	bubble(t, early(), func(ct *tester) {
		for _, path := range []string{"/", "/handled"} {
			ct.headers(ct.lastID()+2, false, postTo(path, "x-large: 1")...)
			ct.wantAnswer(ct.lastID())
		}
		ct.conn.mu.Lock()
		defer ct.conn.mu.Unlock()
		if n := len(ct.conn.streams); n != 2 {
			t.Errorf("%d streams are open", n)
		}
		for _, s := range ct.conn.streams {
			if len(s.Header) != 0 || s.Header[:1][0] != (hpack.HeaderField{}) || s.Path != "" || s.body.head != nil {
				t.Errorf("kept: %q %v", s.Path, s.Header[:1])
			}
		}
	})
}

func (ct *tester) lastID() uint32 {
	synctest.Wait()
	ct.conn.mu.Lock()
	defer ct.conn.mu.Unlock()
	return ct.conn.maxID - 1 + ct.conn.maxID%2 // the one before the first, if none
}

// Bodies that nobody will read do not fill the connection's window, even while
// the answer has still to wait for one.
func TestStoppedBodyGivesTheConnectionWindowBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, early())
		defer ct.finish()
		ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for i, path := range []string{"/", "/stop"} {
			id := uint32(2*i + 1)
			ct.headers(id, false, postTo(path)...)
			ct.want(fmt.Sprintf("HEADERS stream=%d :status=421", id))
			ct.fr.WriteData(id, false, make([]byte, 10_000))
			ct.wantSilence()
			ct.conn.mu.Lock()
			if n := ct.conn.recv.avail + ct.conn.recv.owed; n != 1<<20 {
				t.Errorf("%s: %d octets of the connection's window are left", path, n)
			}
			ct.conn.mu.Unlock()
			ct.fr.WriteWindowUpdate(id, 100)
			ct.want(fmt.Sprintf("DATA stream=%d len=2 end", id))
			ct.fr.WriteData(id, true, []byte("x"))
			ct.wantSilence()
		}
		if n := ct.open(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
}
