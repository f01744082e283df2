package h2

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// blob writes size octets, then the end.
func blob(size int) func(*Stream) {
	return func(s *Stream) {
		s.WriteHeader(200, nil, false)
		if _, err := s.Write(make([]byte, size)); err == nil {
			s.WriteEnd(nil)
		}
	}
}

// data reads all DATA that is on its way and sums it by stream.
func (ct *tester) data() map[uint32]int {
	sum := map[uint32]int{}
	for {
		got := ct.next()
		if got == "" {
			return sum
		}
		var id uint32
		var n int
		if _, err := fmt.Sscanf(got, "DATA stream=%d len=%d", &id, &n); err == nil {
			sum[id] += n
		}
	}
}

func TestResponseKeepsToTheWindows(t *testing.T) {
	bubble(t, &config{Handle: blob(300_000)}, func(ct *tester) {
		ct.headers(1, true, get...)
		if n := ct.data()[1]; n != 65535 {
			t.Errorf("%d octets in the initial windows", n)
		}
		ct.fr.WriteWindowUpdate(1, 100_000)
		ct.wantSilence() // the connection's window is used up
		ct.fr.WriteWindowUpdate(0, 50_000)
		if n := ct.data()[1]; n != 50_000 {
			t.Errorf("%d octets in the connection's window", n)
		}
		ct.fr.WriteWindowUpdate(0, 1<<20)
		if n := ct.data()[1]; n != 50_000 {
			t.Errorf("%d octets in the stream's window", n)
		}
		ct.fr.WriteWindowUpdate(1, 1<<20)
		if n := ct.data()[1]; n != 300_000-165_535 {
			t.Errorf("%d octets at last", n)
		}
	})
}

func TestInitialWindowMayShrinkBelowZero(t *testing.T) {
	bubble(t, &config{Handle: blob(300_000)}, func(ct *tester) {
		iws := func(v uint32) {
			ct.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: v})
		}
		ct.fr.WriteWindowUpdate(0, 1<<20)
		ct.headers(1, true, get...)
		if n := ct.data()[1]; n != 65535 {
			t.Errorf("%d octets in the initial window", n)
		}
		iws(0) // now -65535
		ct.want("SETTINGS ack")
		ct.fr.WriteWindowUpdate(1, 65535)
		ct.wantSilence()
		ct.fr.WriteWindowUpdate(1, 10)
		if n := ct.data()[1]; n != 10 {
			t.Errorf("%d octets above zero", n)
		}
		iws(1000)
		if n := ct.data()[1]; n != 1000 {
			t.Errorf("%d octets when the window grew", n)
		}
		iws(1 << 20)
		ct.fr.WriteWindowUpdate(1, 65535)
		if n := ct.data()[1]; n != 300_000-66_545 {
			t.Errorf("%d octets at last", n)
		}
	})
}

func TestInitialWindowMayShrinkBelowZeroWhileQueued(t *testing.T) {
	bubble(t, &config{Handle: blob(300_000)}, func(ct *tester) {
		iws := func(v uint32) {
			ct.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: v})
			ct.want("SETTINGS ack")
		}
		iws(1 << 20)
		ct.headers(1, true, get...)
		ct.data() // the stream has a window, the connection has none
		iws(0)
		ct.fr.WriteWindowUpdate(0, 1<<20)
		ct.wantSilence()
		ct.fr.WriteWindowUpdate(1, 1<<20)
		if n := ct.data()[1]; n != 300_000-65_535 {
			t.Errorf("%d octets at last", n)
		}
	})
}

func TestInitialWindowOverflowIsAnError(t *testing.T) {
	bubble(t, &config{Handle: blob(300_000)}, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.data()
		ct.fr.WriteWindowUpdate(1, 100_000)
		ct.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: frame.MaxWindow})
		ct.want("GOAWAY last=1 FLOW_CONTROL_ERROR")
		ct.wantClosed(ClosedFlowControl)
	})
}

func TestRequestWindowIsReturnedOnlyWhenRead(t *testing.T) {
	reads := make(chan int)
	cfg := &config{
		Limits: Limits{StreamWindow: 100_000, ConnWindow: 1 << 20},
		Handle: func(s *Stream) {
			for n := range reads {
				if _, err := io.ReadFull(s, make([]byte, n)); err != nil {
					t.Error(err)
				}
			}
			s.Respond(200, nil, nil)
		},
	}
	synctest.Test(t, func(t *testing.T) {
		reads = make(chan int)
		ct := newTester(t, cfg)
		defer ct.finish()
		ct.greet()
		ct.headers(1, false, post()...)
		for range 10 {
			ct.fr.WriteData(1, false, make([]byte, 10_000))
		}
		ct.wantSilence()
		reads <- 1_000
		ct.wantSilence() // not worth a frame
		reads <- 9_000
		ct.want("WINDOW_UPDATE stream=1 inc=20000") // the window was empty, and becomes wider as it is read
		reads <- 30_000
		ct.want("WINDOW_UPDATE stream=1 inc=60000")
		for range 5 {
			ct.fr.WriteData(1, false, make([]byte, 16_000))
		}
		ct.fr.WriteData(1, false, make([]byte, 1)) // one more than the window
		ct.want("RST_STREAM stream=1 FLOW_CONTROL_ERROR")
		close(reads)
	})
}

func TestConnectionWindowIsReturnedForLostBodies(t *testing.T) {
	cfg := &config{
		Limits: Limits{StreamWindow: 65535, ConnWindow: 100_000},
		Handle: func(s *Stream) {
			switch s.Path {
			case "/unread":
				s.Respond(200, nil, nil)
			case "/reset":
				s.Reset(http2.ErrCodeInternal)
			case "/part", "/ended":
				s.Read(make([]byte, 1))
				s.Respond(200, nil, nil)
			default:
				io.Copy(io.Discard, s)
			}
		},
	}
	for _, path := range []string{"/unread", "/part", "/ended", "/reset", "/read", "/canceled"} {
		synctest.Test(t, func(t *testing.T) {
			ct := newTester(t, cfg)
			defer ct.finish()
			io.WriteString(ct.nc, http2.ClientPreface)
			ct.fr.WriteSettings()
			ct.fr.WriteSettingsAck()
			window, id := 100_000, uint32(1)
			for range 40 {
				ct.headers(id, false, ":method: POST", ":scheme: https", ":path: "+path)
				ct.fr.WriteDataPadded(id, path == "/ended", make([]byte, 9_890), make([]byte, 109))
				window -= 10_000
				if path == "/canceled" {
					ct.fr.WriteRSTStream(id, http2.ErrCodeCancel)
				}
				ct.fr.WriteData(id, false, make([]byte, 10_000)) // after the stream's end
				window -= 10_000
				id += 2
				for {
					got := ct.next()
					var inc int
					if _, err := fmt.Sscanf(got, "WINDOW_UPDATE stream=0 inc=%d", &inc); err == nil {
						window += inc
					}
					if strings.HasPrefix(got, "GOAWAY") {
						t.Fatalf("%s: %s", path, got)
					}
					if got == "" {
						break
					}
				}
				if window < 30_000 {
					t.Fatalf("%s: the window has shrunk to %d", path, window)
				}
			}
		})
	}
}

// Streams whose owners do not read must not take the connection's window from
// one whose owner does, however many they are; and none of them holds more than
// its own.
func TestUnreadBodiesDoNotStopOthers(t *testing.T) {
	const unread = 127
	release := make(chan struct{})
	cfg := &config{Handle: func(s *Stream) {
		if s.Path == "/unread" {
			<-release
			return
		}
		echo(s)
	}}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		ct := newTester(t, cfg)
		defer ct.finish()
		defer close(release)
		ct.greet()
		conn := 1 << 20
		// frames tells what has come, and minds the connection's window.
		frames := func() (stream1 int, got []string) {
			for f := ct.next(); f != ""; f = ct.next() {
				var inc, id int
				switch n, _ := fmt.Sscanf(f, "WINDOW_UPDATE stream=%d inc=%d", &id, &inc); {
				case n == 2 && id == 0:
					conn += inc
				case n == 2 && id == 1:
					stream1 += inc
				default:
					got = append(got, f)
				}
			}
			return stream1, got
		}
		send := func(id uint32, n int) {
			if conn < n {
				t.Fatalf("stream %d: %d octets are left of the connection's window", id, conn)
			}
			ct.fr.WriteData(id, false, make([]byte, n))
			conn -= n
		}
		for i := range uint32(unread) {
			id := 2*i + 3
			ct.headers(id, false, ":method: POST", ":scheme: https", ":path: /unread")
			for left := frame.InitialWindow; left > 0; left -= min(left, 16_000) {
				send(id, min(left, 16_000))
			}
			if _, got := frames(); len(got) != 0 {
				t.Fatalf("stream %d: %v", id, got)
			}
		}
		ct.fr.WriteWindowUpdate(0, 1<<30)
		ct.headers(1+2*unread+2, false, post()...)
		for range 300 {
			send(1+2*unread+2, 10_000)
			if _, got := frames(); len(got) == 0 {
				t.Fatal("no echo")
			}
			ct.fr.WriteWindowUpdate(1+2*unread+2, 10_000)
		}
		held := 0
		ct.conn.mu.Lock()
		for _, s := range ct.conn.streams {
			held += s.body.n
		}
		ct.conn.mu.Unlock()
		if held != unread*frame.InitialWindow {
			t.Errorf("%d octets are held, want %d", held, unread*frame.InitialWindow)
		}
	})
}

// Bodies that were read for a while, and then no more, hold what their windows
// have become: all of them together no more than ConnWindow above the first.
func TestWidenedWindowsAreBounded(t *testing.T) {
	const streams = 20
	more := make(chan int)
	synctest.Test(t, func(t *testing.T) {
		more = make(chan int)
		ct := newTester(t, &config{Handle: func(s *Stream) {
			io.ReadFull(s, make([]byte, 1<<20))
			<-more
		}})
		defer ct.finish()
		defer close(more)
		ct.greet()
		ct.headers(1, false, post()...)
		total := 0
		for i := range uint32(streams) {
			id, window := 2*i+1, frame.InitialWindow
			if i > 0 {
				ct.headers(id, false, post()...)
			}
			sent := 0
			for window > 0 {
				n := min(window, 16_000)
				ct.fr.WriteData(id, false, make([]byte, n))
				window -= n
				sent += n
				for f := ct.next(); f != ""; f = ct.next() {
					var inc, of int
					if n, _ := fmt.Sscanf(f, "WINDOW_UPDATE stream=%d inc=%d", &of, &inc); n == 2 && of == int(id) {
						window += inc
					} else if n != 2 {
						t.Fatal(f)
					}
				}
			}
			total += sent - 1<<20
		}
		if most := streams*frame.InitialWindow + 1<<20; total > most || total < most-streams*frame.LargeBuffer {
			t.Errorf("%d octets are held, want %d", total, most)
		}
	})
}

// A client that reads nothing cannot have an update of the connection's window
// for each small frame that it sends.
func TestUpdatesAreNotPiledUp(t *testing.T) {
	release := make(chan struct{})
	cfg := &config{Limits: Limits{TinyDataBurst: 1 << 20}, Handle: func(s *Stream) {
		switch s.Path {
		case "/hold":
			<-release
		case "/reset":
			s.Reset(http2.ErrCodeInternal)
		default:
			blob(1 << 20)(s)
		}
	}}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		ct := newTester(t, cfg)
		defer ct.finish()
		defer close(release)
		ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		// Sixteen octets are left of what the connection may send at first.
		for i := range uint32(16) {
			ct.headers(2*i+1, false, ":method: POST", ":scheme: https", ":path: /hold")
			for left := frame.InitialWindow; left > 0; left -= min(left, 16_000) {
				ct.fr.WriteData(2*i+1, false, make([]byte, min(left, 16_000)))
			}
		}
		ct.headers(33, false, ":method: POST", ":scheme: https", ":path: /reset")
		ct.headers(35, true, ":method: GET", ":scheme: https", ":path: /big")
		ct.fr.WriteWindowUpdate(0, 1<<30)
		synctest.Wait() // the socket is full, and its writer not the reader
		go func() {
			for range 100_000 {
				if ct.fr.WriteData(33, false, []byte("12345")) != nil {
					return
				}
			}
		}()
		time.Sleep(30 * time.Second)
		ct.conn.mu.Lock()
		n := ct.conn.out.Len()
		ct.conn.mu.Unlock()
		if n > 2*writeBuffer+1<<10 {
			t.Errorf("%d octets wait to be written", n)
		}
		ct.nc.Close()
	})
}

func TestPaddingIsGivenBack(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) { s.Respond(200, nil, nil); io.Copy(io.Discard, s) }}, func(ct *tester) {
		ct.headers(1, false, post()...)
		for range 6000 {
			ct.fr.WriteDataPadded(1, false, make([]byte, tinyData), make([]byte, 255))
			if got := ct.next(); strings.HasPrefix(got, "RST") || strings.HasPrefix(got, "GOAWAY") {
				t.Fatal(got)
			}
		}
	})
}

// Bodies of one octet must not take a chunk each.
func TestBodyMemoryFollowsItsSize(t *testing.T) {
	var g Engine
	var b body
	for range 100_000 {
		b.write(&g, []byte{'x'})
	}
	chunks := 0
	for c := b.head; c != nil; c = c.next {
		chunks++
	}
	if chunks > 8 {
		t.Errorf("%d chunks for 100,000 octets", chunks)
	}
	if got, _ := io.ReadAll(readerFunc(func(p []byte) (int, error) {
		if b.n == 0 {
			return 0, io.EOF
		}
		return b.read(&g, p), nil
	})); !bytes.Equal(got, bytes.Repeat([]byte{'x'}, 100_000)) {
		t.Errorf("read %d octets back", len(got))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestUrgentStreamsGoFirst(t *testing.T) {
	bubble(t, &config{Handle: blob(200_000)}, func(ct *tester) {
		ct.headers(1, true, append([]string{}, get...)...)
		ct.data() // uses the connection's window up
		ct.headers(3, true, append(append([]string{}, get...), "priority: u=6")...)
		ct.headers(5, true, append(append([]string{}, get...), "priority: u=1, i")...)
		ct.headers(7, true, append(append([]string{}, get...), "priority: u=1")...)
		ct.fr.WriteWindowUpdate(1, 1<<20)
		ct.data()
		ct.fr.WriteWindowUpdate(0, 100_000)
		got := ct.data()
		if got[1] != 0 || got[3] != 0 || got[5] < 40_000 || got[7] < 40_000 {
			t.Errorf("first 100,000 octets: %v", got)
		}
		ct.fr.WritePriorityUpdate(3, "u=0")
		ct.fr.WriteWindowUpdate(0, 60_000)
		if got = ct.data(); got[3] != 60_000 {
			t.Errorf("after PRIORITY_UPDATE: %v", got)
		}
	})
}

func TestEqualStreamsShareTheWindow(t *testing.T) {
	bubble(t, &config{Handle: blob(60_000)}, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.data()
		for id := uint32(3); id <= 9; id += 2 {
			ct.headers(id, true, get...)
		}
		ct.data()
		ct.fr.WriteWindowUpdate(0, 4*frame.MaxData)
		got := ct.data()
		for id := uint32(3); id <= 9; id += 2 {
			if got[id] < 10_000 {
				t.Errorf("octets by stream: %v", got)
				break
			}
		}
	})
}

func TestResetWakesReaderAndWriter(t *testing.T) {
	for _, side := range []string{"read", "write"} {
		bubble(t, &config{Handle: func(s *Stream) {
			canceled := false
			s.OnCancel(cancelFunc(func() { canceled = true }))
			var err error
			if side == "read" {
				_, err = s.Read(make([]byte, 1))
			} else {
				s.WriteHeader(200, nil, false)
				var n int
				if n, err = s.Write(make([]byte, 100_000)); n != 65535 {
					t.Errorf("Write: %d octets were sent", n)
				}
			}
			if re, ok := err.(*ResetError); !ok || !re.Peer || re.Code != http2.ErrCodeCancel {
				t.Errorf("%s: %v", side, err)
			}
			s.OnCancel(nil)
			if !canceled {
				t.Errorf("%s: not canceled", side)
			}
		}}, func(ct *tester) {
			ct.headers(1, false, post()...)
			ct.data()
			ct.fr.WriteRSTStream(1, http2.ErrCodeCancel)
			ct.wantSilence()
		})
	}
}

func TestOwnResetStopsTheOtherGoroutine(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) {
		done := make(chan error)
		go func() {
			_, err := s.Read(make([]byte, 1))
			done <- err
		}()
		s.Respond(413, nil, nil)
		s.Reset(http2.ErrCodeNo)
		if re, ok := (<-done).(*ResetError); !ok || re.Peer || re.Code != http2.ErrCodeNo {
			t.Errorf("Read: %v", re)
		}
	}}, func(ct *tester) {
		ct.headers(1, false, post()...)
		ct.want("HEADERS stream=1 end :status=413", "RST_STREAM stream=1 NO_ERROR")
		ct.wantSilence()
	})
}

// A small answer leaves in one write, header and body together, and answers
// that are ready at the same time share it.
func TestWritesAreBatched(t *testing.T) {
	cfg := &config{Admit: func(s *Stream) bool {
		s.Respond(421, []hpack.HeaderField{{Name: "x", Value: "y"}}, []byte("no"))
		return true
	}}
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, cfg)
		defer ct.finish()
		ct.greet()
		w := &writeCounter{pipeEnd: ct.conn.nc.(*pipeEnd)}
		ct.conn.nc = w
		var batch bytes.Buffer
		fr := http2.NewFramer(&batch, nil)
		for i := range uint32(10) {
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: ct.block(get...), EndStream: true, EndHeaders: true})
		}
		ct.nc.Write(batch.Bytes())
		synctest.Wait()
		if w.n != 1 {
			t.Errorf("%d writes for ten answers", w.n)
		}
	})
}

func TestHeaderAndBodyShareAWrite(t *testing.T) {
	more := make(chan bool)
	cfg := &config{Handle: func(s *Stream) {
		s.WriteHeader(200, nil, false)
		if s.Path == "/slow" {
			<-more
		}
		s.WriteEnd([]byte("hello"))
	}}
	// With more processors another one may flush in between, which costs a
	// write and nothing else.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		more = make(chan bool)
		ct := newTester(t, cfg)
		defer ct.finish()
		ct.greet()
		w := &writeCounter{pipeEnd: ct.conn.nc.(*pipeEnd)}
		ct.conn.nc = w
		ct.headers(1, true, get...)
		ct.want("HEADERS stream=1 :status=200", "DATA stream=1 len=5 end")
		if w.n != 1 {
			t.Errorf("%d writes", w.n)
		}
		ct.headers(3, true, ":method: GET", ":scheme: https", ":path: /slow")
		ct.want("HEADERS stream=3 :status=200")
		ct.wantSilence()
		close(more)
		ct.want("DATA stream=3 len=5 end")
	})
}

type writeCounter struct {
	*pipeEnd
	n int
}

func (w *writeCounter) Write(p []byte) (int, error) { w.n++; return w.pipeEnd.Write(p) }
