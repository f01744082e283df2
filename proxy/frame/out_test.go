package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/owned"
)

// outTester is an Out whose wire keeps what it is given.
type outTester struct {
	Out
	mu      owned.Mutex
	t       *testing.T
	buffers Buffers
	wire    bytes.Buffer
	writes  int
	err     error         // of the next write
	block   chan struct{} // what a write waits for; nil: for nothing
	failed  error
	sent    []string // streams, in the order in which their parts were sent
}

func (o *outTester) Clock() int64 { return 1 }

func (o *outTester) WriteFrames(b []byte) error {
	if o.block != nil {
		<-o.block
	}
	o.writes++
	o.wire.Write(b)
	return o.err
}

func (o *outTester) Failed(err error) { o.failed = err }

// testStream is a stream of an outTester.
type testStream struct {
	Sender
	of   *outTester
	name string
}

func (s *testStream) Sent(end bool) {
	s.of.mu.Check()
	s.of.sent = append(s.of.sent, fmt.Sprintf("%s %v", s.name, end))
}

func newOut(t *testing.T, soft int) *outTester {
	o := &outTester{t: t}
	o.Init(&o.mu, o, &o.buffers, soft)
	return o
}

func (o *outTester) open(id uint32, urgency uint8) *testStream {
	s := &testStream{of: o, name: fmt.Sprint(id)}
	s.Init(s)
	s.Open(id, &o.Out)
	o.SetUrgency(&s.Sender, urgency)
	return s
}

// do runs f with the mutex held, and flushes.
func (o *outTester) do(f func()) {
	o.mu.Lock()
	f()
	claimed := o.Claim()
	o.mu.Unlock()
	if claimed {
		o.Flush(nil, 4)
	}
}

// want compares what the wire was given since it was asked last.
func (o *outTester) want(frames ...string) {
	o.t.Helper()
	fr := http2.NewFramer(io.Discard, &o.wire)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var got []string
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			break
		}
		h := f.Header()
		s := fmt.Sprintf("%v %d", h.Type, h.StreamID)
		switch f := f.(type) {
		case *http2.DataFrame:
			s += fmt.Sprintf(" %d", len(f.Data()))
			if f.StreamEnded() {
				s += " end"
			}
		case *http2.MetaHeadersFrame:
			for _, v := range f.Fields {
				s += " " + v.Name + "=" + v.Value
			}
			if f.StreamEnded() {
				s += " end"
			}
		}
		got = append(got, s)
	}
	if g, w := strings.Join(got, "\n"), strings.Join(frames, "\n"); g != w {
		o.t.Errorf("the wire was given\n%s\nwant\n%s", g, w)
	}
}

func (o *outTester) wantSent(streams ...string) {
	o.t.Helper()
	if g, w := strings.Join(o.sent, ", "), strings.Join(streams, ", "); g != w {
		o.t.Errorf("sent: %s, want %s", g, w)
	}
	o.sent = nil
}

func TestPartsWaitForTheirWindows(t *testing.T) {
	o := newOut(t, LargeBuffer)
	s := o.open(1, 3)
	o.do(func() { o.Send(&s.Sender, Part{Data: make([]byte, 100_000), End: true}) })
	o.want("DATA 1 16375", "DATA 1 16375", "DATA 1 16375", "DATA 1 16375", "DATA 1 35")
	o.wantSent()
	o.do(func() {
		o.WidenStream(&s.Sender, 50_000)
		o.Pump()
	})
	o.want() // the connection's window is used up
	o.do(func() {
		o.Widen(1000)
		o.Pump()
	})
	o.want("DATA 1 1000")
	if !s.Waiting() || !s.Queued() {
		t.Error("the stream does not wait for its turn")
	}
	o.do(func() {
		o.Widen(1 << 20)
		o.Pump()
	})
	o.want("DATA 1 16375", "DATA 1 16375", "DATA 1 715 end")
	o.wantSent("1 true")
	if s.Waiting() || o.Queued() || s.Octets() != 100_000 || o.Octets() != 100_000 {
		t.Errorf("%d octets of the stream, %d of all", s.Octets(), o.Octets())
	}
}

func TestTheUrgentGoFirst(t *testing.T) {
	o := newOut(t, LargeBuffer)
	var first, a, b, late *testStream
	o.do(func() {
		first, a, b, late = o.open(1, 3), o.open(3, 3), o.open(5, 3), o.open(7, 5)
		o.Send(&first.Sender, Part{Data: make([]byte, InitialWindow)}) // uses the window up
	})
	o.want("DATA 1 16375", "DATA 1 16375", "DATA 1 16375", "DATA 1 16375", "DATA 1 35")
	o.sent = nil
	o.do(func() {
		o.Send(&late.Sender, Part{Data: make([]byte, 20_000), End: true})
		o.Send(&a.Sender, Part{Data: make([]byte, 20_000), End: true})
		o.Send(&b.Sender, Part{Data: make([]byte, 20_000), End: true})
		o.SetUrgency(&b.Sender, 0)
		o.Widen(100_000)
		o.Pump()
	})
	o.want("DATA 5 16375", "DATA 5 3625 end", "DATA 3 12741", "DATA 3 7259 end", "DATA 7 16375", "DATA 7 3625 end")
	o.wantSent("5 true", "3 true", "7 true")
}

// Those of one urgency take turns.
func TestStreamsTakeTurns(t *testing.T) {
	o := newOut(t, 4*LargeBuffer)
	o.do(func() {
		a, b := o.open(1, 3), o.open(3, 3)
		o.Send(&a.Sender, Part{Data: make([]byte, InitialWindow)})
		a.window.n, b.window.n = 40_000, 40_000
		o.Send(&a.Sender, Part{Data: make([]byte, 40_000), End: true})
		o.Send(&b.Sender, Part{Data: make([]byte, 40_000), End: true})
		o.buf = nil
		o.Widen(100_000)
		o.Pump()
	})
	o.want("DATA 1 16375", "DATA 3 16375", "DATA 1 16375", "DATA 3 16375", "DATA 1 7250 end", "DATA 3 7250 end")
}

// An end, and trailer fields, need no window.
func TestEndsNeedNoWindow(t *testing.T) {
	o := newOut(t, LargeBuffer)
	o.do(func() {
		for id := uint32(1); id < 6; id += 2 {
			s := o.open(id, 3)
			s.window.n = -5
			part := Part{End: true}
			if id == 3 {
				part.Trailer = []hpack.HeaderField{{Name: "grpc-status", Value: "0"}}
			}
			if id == 5 {
				part.Data = []byte("no")
			}
			o.Send(&s.Sender, part)
		}
	})
	o.want("DATA 1 0 end", "HEADERS 3 grpc-status=0 end")
	o.wantSent("1 true", "3 true")
}

func TestTrailerFieldsFollowTheirBody(t *testing.T) {
	o := newOut(t, LargeBuffer)
	o.do(func() {
		s := o.open(1, 3)
		s.window.n = 20_000
		o.Send(&s.Sender, Part{Data: make([]byte, 20_000), Trailer: []hpack.HeaderField{{Name: "x-sum", Value: "1"}}, End: true})
	})
	o.want("DATA 1 16375", "DATA 1 3625", "HEADERS 1 x-sum=1 end")
	o.wantSent("1 true")
}

// The bounded buffer takes more DATA when it was taken for writing.
func TestDataWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOut(t, LargeBuffer)
		o.block = make(chan struct{})
		s := o.open(1, 3)
		s.window.n, o.window.n = 1<<20, 1<<20
		go o.do(func() { o.Send(&s.Sender, Part{Data: make([]byte, 200_000)}) })
		synctest.Wait()
		o.mu.Lock()
		if o.Len() > LargeBuffer || !s.Waiting() {
			t.Errorf("%d octets wait to be written", o.Len())
		}
		if o.Claim() {
			t.Error("two may write")
		}
		o.mu.Unlock()
		close(o.block)
		synctest.Wait()
		o.mu.Lock()
		defer o.mu.Unlock()
		if s.Waiting() || o.Len() != 0 || o.wire.Len() != 200_000+13*HeaderLen {
			t.Errorf("%d octets were written, %d wait", o.wire.Len(), o.Len())
		}
	})
}

// Who flushes for others leaves that to a goroutine after some turns, but not
// while his own stream waits.
func TestFlushingForOthersEnds(t *testing.T) {
	for _, own := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := newOut(t, SmallBuffer)
			o.block = make(chan struct{})
			s := o.open(1, 3)
			s.window.n, o.window.n = 1<<20, 1<<20
			var mine *Sender
			if own {
				mine = &s.Sender
			}
			over := make(chan bool, 1)
			go func() {
				o.mu.Lock()
				o.Send(&s.Sender, Part{Data: make([]byte, 10*SmallBuffer)})
				claimed := o.Claim()
				o.mu.Unlock()
				if claimed {
					o.Flush(mine, 2)
				}
				over <- true
			}()
			for range 2 {
				o.block <- struct{}{}
				synctest.Wait()
			}
			if left := len(over) == 1; left == own {
				t.Errorf("own stream waits: %v; has left: %v", own, left)
			}
			close(o.block)
			synctest.Wait()
			if len(over) != 1 || s.Waiting() {
				t.Error("the flusher is still there")
			}
		})
	}
}

func TestNothingIsWrittenAfterAFailure(t *testing.T) {
	o := newOut(t, LargeBuffer)
	o.err = errors.New("broken")
	ping := func() { o.Append(AppendPing(o.Buffer(), true, "01234567")) }
	o.do(ping)
	if o.failed == nil || o.writes != 1 {
		t.Fatalf("failed: %v, %d writes", o.failed, o.writes)
	}
	o.do(ping)
	if o.writes != 1 || o.Flushing() {
		t.Errorf("%d writes, flushing: %v", o.writes, o.Flushing())
	}
}

// Stopped, it says what it has to say, and takes no more DATA.
func TestStopTakesNoMoreData(t *testing.T) {
	o := newOut(t, LargeBuffer)
	o.do(func() {
		s := o.open(1, 3)
		s.window.n = 0
		o.Send(&s.Sender, Part{Data: []byte("x")})
		o.Stop()
		o.Append(AppendGoAway(o.Buffer(), 1, http2.ErrCodeNo, ""))
		o.WidenStream(&s.Sender, 10)
		o.Pump()
	})
	o.want("GOAWAY 0")
}

func TestIdleOutHoldsNoBuffer(t *testing.T) {
	o := newOut(t, LargeBuffer)
	o.do(func() {
		o.Append(AppendSettingsAck(o.Buffer()))
		if o.Release() {
			t.Error("released with something to write")
		}
	})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Held() == 0 || !o.Release() || o.Held() != 0 {
		t.Errorf("%d octets are held", o.Held())
	}
}

// A header block of more than a frame is continued in others, behind what the
// peer must know of our table.
func TestLongHeaderBlocks(t *testing.T) {
	for _, size := range []int{10, MaxPayload - 8, MaxPayload, 3 * MaxPayload} {
		o := newOut(t, LargeBuffer)
		value := strings.Repeat("v", size)
		o.do(func() {
			o.ShrinkTable()
			for range 2 {
				b := o.BeginHead(1, true)
				if update := b[len(b)-1] == 0x20; update != (o.heads == 0) {
					t.Errorf("block %d says that the table is empty: %v", o.heads, update)
				}
				o.EndHead(AppendField(b, &hpack.HeaderField{Name: "x-v", Value: value}))
			}
		})
		o.want("HEADERS 1 x-v="+value+" end", "HEADERS 1 x-v="+value+" end")
	}
}
