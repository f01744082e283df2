package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Every state of a stream that we have opened (RFC 9113 section 5.1) against every
// frame that a backend may send on it: "ok", a stream error (rst CODE) or a
// connection error (goaway CODE). Of the states, sending is half of a request
// sent, waiting is all of it; answering is the head of a response come, answered
// all of one whose request is not at its end. What comes on a stream that is over
// may have crossed our reset: it is dropped, and metered.
const stateTable = `
frame         | idle            | sending         | waiting         | answering       | answered          | closed          | reset by the backend | reset by us
DATA          | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL    | ok              | rst STREAM_CLOSED | ok              | ok                   | ok
DATA end      | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL    | ok              | rst STREAM_CLOSED | ok              | ok                   | ok
DATA too long | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL    | rst FLOW        | rst STREAM_CLOSED | ok              | ok                   | ok
DATA bad pad  | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
HEADERS       | goaway PROTOCOL | ok              | ok              | rst PROTOCOL    | rst STREAM_CLOSED | ok              | ok                   | ok
HEADERS end   | goaway PROTOCOL | ok              | ok              | rst PROTOCOL    | rst STREAM_CLOSED | ok              | ok                   | ok
interim       | goaway PROTOCOL | ok              | ok              | rst PROTOCOL    | rst STREAM_CLOSED | ok              | ok                   | ok
trailers      | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL    | ok              | rst STREAM_CLOSED | ok              | ok                   | ok
HEADERS bad   | goaway COMPRESS | goaway COMPRESS | goaway COMPRESS | goaway COMPRESS | goaway COMPRESS   | goaway COMPRESS | goaway COMPRESS      | goaway COMPRESS
HEADERS self  | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
PRIORITY      | ok              | ok              | ok              | ok              | ok                | ok              | ok                   | ok
RST_STREAM    | goaway PROTOCOL | ok              | ok              | ok              | ok                | ok              | ok                   | ok
RST 3 octets  | goaway FRAME    | goaway FRAME    | goaway FRAME    | goaway FRAME    | goaway FRAME      | goaway FRAME    | goaway FRAME         | goaway FRAME
SETTINGS      | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
PUSH_PROMISE  | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
PING          | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
GOAWAY        | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
WINDOW_UPDATE | goaway PROTOCOL | ok              | ok              | ok              | ok                | ok              | ok                   | ok
WU 0          | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL    | rst PROTOCOL    | rst PROTOCOL      | ok              | ok                   | ok
WU overflow   | goaway PROTOCOL | rst FLOW        | rst FLOW        | rst FLOW        | rst FLOW          | ok              | ok                   | ok
WU 3 octets   | goaway FRAME    | goaway FRAME    | goaway FRAME    | goaway FRAME    | goaway FRAME      | goaway FRAME    | goaway FRAME         | goaway FRAME
CONTINUATION  | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL   | goaway PROTOCOL | goaway PROTOCOL      | goaway PROTOCOL
unknown       | ok              | ok              | ok              | ok              | ok                | ok              | ok                   | ok
`

var stateFrames = map[string]func(s *script, id uint32){
	"DATA":     func(s *script, id uint32) { _ = s.fr.WriteData(id, false, []byte("0123456789abcdefghij")) },
	"DATA end": func(s *script, id uint32) { _ = s.fr.WriteData(id, true, []byte("x")) },
	"DATA too long": func(s *script, id uint32) {
		for range 2 {
			_ = s.fr.WriteData(id, false, make([]byte, h2FirstWindow/2+1))
		}
	},
	"DATA bad pad": func(s *script, id uint32) {
		_ = s.fr.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, id, []byte{4, 0, 0, 0})
	},
	"HEADERS":     func(s *script, id uint32) { s.head(id, false, ":status", "200") },
	"HEADERS end": func(s *script, id uint32) { s.head(id, true, ":status", "200") },
	"interim":     func(s *script, id uint32) { s.head(id, false, ":status", "103") },
	"trailers":    func(s *script, id uint32) { s.head(id, true, "x-t", "1") },
	"HEADERS bad": func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FrameHeaders, 5, id, []byte{0xff}) },
	"HEADERS self": func(s *script, id uint32) {
		_ = s.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPriority|http2.FlagHeadersEndHeaders, id, []byte{0, 0, 0, byte(id), 0, 0x88})
	},
	"PRIORITY":     func(s *script, id uint32) { _ = s.fr.WritePriority(id, http2.PriorityParam{}) },
	"RST_STREAM":   func(s *script, id uint32) { _ = s.fr.WriteRSTStream(id, http2.ErrCodeCancel) },
	"RST 3 octets": func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FrameRSTStream, 0, id, []byte{0, 0, 0}) },
	"SETTINGS":     func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FrameSettings, 0, id, nil) },
	"PUSH_PROMISE": func(s *script, id uint32) {
		_ = s.fr.WriteRawFrame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, id, []byte{0, 0, 0, 2})
	},
	"PING":          func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FramePing, 0, id, make([]byte, 8)) },
	"GOAWAY":        func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FrameGoAway, 0, id, make([]byte, 8)) },
	"WINDOW_UPDATE": func(s *script, id uint32) { _ = s.fr.WriteWindowUpdate(id, 10) },
	"WU 0":          func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4)) },
	"WU overflow":   func(s *script, id uint32) { _ = s.fr.WriteWindowUpdate(id, frame.MaxWindow) },
	"WU 3 octets":   func(s *script, id uint32) { _ = s.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, id, []byte{0, 0, 1}) },
	"CONTINUATION":  func(s *script, id uint32) { _ = s.fr.WriteContinuation(id, true, []byte{0x88}) },
	"unknown":       func(s *script, id uint32) { _ = s.fr.WriteRawFrame(0x42, 0xff, id, []byte("abc")) },
}

// script is a backend that does what a test says, one frame after the other.
type script struct {
	fr  *http2.Framer
	enc *hpack.Encoder
	buf bytes.Buffer
	got chan string // what we have sent; closed at the end
}

func (s *script) head(id uint32, end bool, fields ...string) {
	s.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = s.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = s.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.buf.Bytes(), EndHeaders: true, EndStream: end})
}

// read notes what comes, until the connection ends.
func (s *script) read() {
	defer close(s.got)
	for {
		f, err := s.fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			s.got <- fmt.Sprint("rst ", f.ErrCode)
		case *http2.GoAwayFrame:
			s.got <- fmt.Sprint("goaway ", f.ErrCode)
		case *http2.PingFrame:
			s.got <- "ping"
		}
	}
}

func TestStreamStates(t *testing.T) {
	rows := strings.Split(strings.TrimSpace(stateTable), "\n")
	cells := func(row string) []string {
		cs := strings.Split(row, "|")
		for i := range cs {
			cs[i] = strings.TrimSpace(cs[i])
		}
		return cs
	}
	states := cells(rows[0])
	if len(rows)-1 != len(stateFrames) {
		t.Errorf("%d rows for %d frames", len(rows)-1, len(stateFrames))
	}
	for _, row := range rows[1:] {
		cs := cells(row)
		send := stateFrames[cs[0]]
		if send == nil || len(cs) != len(states) {
			t.Errorf("no frame %q, or not a cell for each state", cs[0])
			continue
		}
		for i, want := range cs[1:] {
			state := states[i+1]
			t.Run(cs[0]+"/"+state, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stateCase(t, state, send, want) })
			})
		}
	}
}

// stateCase brings stream 1 into a state, or takes one that was never opened, and
// sends a frame on it.
func stateCase(t *testing.T, state string, send func(*script, uint32), want string) {
	ours, theirs := net.Pipe()
	client := New(Config{Dial: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
	p := client.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: H2C})
	var out bytes.Buffer
	s := &script{fr: http2.NewFramer(&out, theirs), got: make(chan string, 16)}
	s.enc = hpack.NewEncoder(&s.buf)
	flush := func() {
		if out.Len() > 0 {
			_, _ = theirs.Write(out.Bytes())
		}
		out.Reset()
		synctest.Wait()
	}

	r := get("/")
	body, rest := io.Pipe()
	if state == "sending" || state == "answered" {
		r.Method, r.Body, r.ContentLength = "POST", body, -1
	}
	e := p.Start()
	over := make(chan struct{})
	cancel := make(chan struct{})
	go func() {
		defer close(over)
		if e.Do(r) == nil {
			if state == "answered" {
				<-cancel
			} else if _, whole := e.Whole(); !whole {
				_, _ = io.Copy(io.Discard, readerOf{e})
			}
		}
		e.Close()
	}()
	_, _ = io.ReadFull(theirs, make([]byte, len(http2.ClientPreface)))
	go s.read()
	_ = s.fr.WriteSettings()
	flush()
	id := uint32(1)
	switch state {
	case "idle":
		id = 99
	case "answering":
		s.head(id, false, ":status", "200")
	case "answered", "closed":
		s.head(id, true, ":status", "200")
	case "reset by the backend":
		_ = s.fr.WriteRSTStream(id, http2.ErrCodeCancel)
	case "reset by us":
		e.Cancel()
		synctest.Wait()
		<-s.got // our reset
	}
	flush()

	send(s, id)
	_ = s.fr.WritePing(false, [8]byte{})
	go func() { _, _ = theirs.Write(out.Bytes()) }()
	got := "ok"
	for f := range s.got {
		if f == "ping" {
			break
		}
		if got = f; strings.HasPrefix(f, "goaway") {
			break
		}
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	close(cancel)
	_ = rest.CloseWithError(io.ErrUnexpectedEOF)
	_ = theirs.Close()
	for range s.got {
	}
	<-over
	client.Close()
}
