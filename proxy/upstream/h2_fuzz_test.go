package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// hostile is a connection whose peer says fixed octets once a request has come,
// whatever that was, and then ends.
type hostile struct {
	recorded
	once   sync.Once
	asked  chan struct{}
	closed chan struct{}
	end    sync.Once
}

func (h *hostile) Read(p []byte) (int, error) {
	select {
	case <-h.asked:
	case <-h.closed:
		return 0, net.ErrClosed
	}
	return h.recorded.Read(p)
}

func (h *hostile) Write(p []byte) (int, error) {
	h.once.Do(func() { close(h.asked) })
	return len(p), nil
}

func (h *hostile) Close() error {
	h.end.Do(func() { close(h.closed) })
	return nil
}

// FuzzH2Response looks that whatever a backend says in frames leads to a response
// or to an *Error, that nothing is passed on which may not be, and that nothing is
// kept of it.
func FuzzH2Response(f *testing.F) {
	seed := func(write func(fr *http2.Framer, block func(fields ...string) []byte)) {
		var b, head bytes.Buffer
		enc := hpack.NewEncoder(&head)
		write(http2.NewFramer(&b, nil), func(fields ...string) []byte {
			head.Reset()
			for i := 0; i < len(fields); i += 2 {
				_ = enc.WriteField(newField(fields[i], fields[i+1]))
			}
			return bytes.Clone(head.Bytes())
		})
		f.Add(b.Bytes(), byte(0), byte(255))
		f.Add(b.Bytes(), byte(1), byte(3))
	}
	seed(func(fr *http2.Framer, block func(...string) []byte) {
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}, streams(7))
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(":status", "103", "link", "x"), EndHeaders: true})
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block(":status", "200", "content-length", "5", "trailer", "t"), EndHeaders: true})
		_ = fr.WriteWindowUpdate(1, 100)
		_ = fr.WriteDataPadded(1, false, []byte("hello"), make([]byte, 7))
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block("t", "u"), EndHeaders: true, EndStream: true})
		_ = fr.WriteGoAway(1, 0, []byte("bye"))
	})
	seed(func(fr *http2.Framer, block func(...string) []byte) {
		_ = fr.WriteSettings()
		_ = fr.WriteSettingsAck()
		_ = fr.WritePing(false, [8]byte{1})
		b := block(":status", "200", "a", "b", "set-cookie", "c")
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:2], Priority: http2.PriorityParam{StreamDep: 3}, PadLength: 2})
		_ = fr.WriteContinuation(1, true, b[2:])
		_ = fr.WriteData(1, true, nil)
		_ = fr.WriteRSTStream(1, http2.ErrCodeNo)
	})
	seed(func(fr *http2.Framer, block func(...string) []byte) {
		_ = fr.WriteSettings()
		_ = fr.WriteRSTStream(1, http2.ErrCodeRefusedStream)
		_ = fr.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
		_ = fr.WriteRawFrame(http2.FramePushPromise, 0, 1, []byte("abcd"))
		_ = fr.WriteRawFrame(0x20, 0xff, 1, []byte("abcd"))
	})
	f.Fuzz(func(t *testing.T, said []byte, kind, step byte) {
		// The fuzzer itself does not tell what a process hangs on.
		defer time.AfterFunc(12*time.Second, func() { debug.SetTraceback("all"); panic("hang") }).Stop()
		c := New(Config{ReadTimeout: 5 * time.Second, Dial: func(context.Context, string, string) (net.Conn, error) {
			return &hostile{
				recorded: recorded{in: said, step: int(step) + 1},
				asked:    make(chan struct{}), closed: make(chan struct{}),
			}, nil
		}})
		defer c.Close()
		p := c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: H2C})
		r := get("/")
		switch kind % 4 {
		case 1:
			r = postOf(strings.Repeat("x", 100), 100)()
		case 2:
			r = postOf(strings.Repeat("x", 10_000), -1)()
			r.BodyWhole = false
		case 3:
			r.Method = "HEAD"
		}
		var budget Budget
		r.Budget = &budget
		r.Interim = func(status int, h []hpack.HeaderField) {
			if status < 100 || status > 199 || status == 101 {
				t.Errorf("interim status %d", status)
			}
			clean(t, h)
		}
		e := p.Start()
		n := int64(0)
		err := e.Do(r)
		if err == nil {
			if e.Status < 200 || e.Status > 999 {
				t.Errorf("status %d", e.Status)
			}
			clean(t, e.Header)
			n, err = io.Copy(io.Discard, wholeOr(e))
			clean(t, e.Trailer())
			if err == nil && e.ContentLength >= 0 && n != e.ContentLength && r.Method != "HEAD" && e.Status != 304 {
				t.Errorf("%d octets of %d", n, e.ContentLength)
			}
		}
		var ue *Error
		if err != nil && !errors.As(err, &ue) {
			t.Errorf("not an *Error: %v", err)
		}
		e.Close()
		if budget.used.Load() != 0 || c.process.used.Load() != 0 {
			t.Error("something is kept of the budgets")
		}
	})
}

// clean looks that a client can be given h.
func clean(t *testing.T, h []hpack.HeaderField) {
	if err := checkFields(h); err != nil {
		for _, f := range h {
			if f.Name != "trailer" && (!field.IsName(f.Name) || !field.IsValue(f.Value) || framing(f.Name)) {
				t.Errorf("%q: %q", f.Name, f.Value)
			}
		}
	}
}
