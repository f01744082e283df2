package h2

import (
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Every state of a stream (RFC 9113 section 5.1) against every frame: "ok",
// a stream error (rst CODE) or a connection error (goaway CODE).
const stateTable = `
frame          | idle            | open            | half-closed(remote) | half-closed(local) | closed               | reset by client      | reset by us
DATA           | goaway PROTOCOL | ok              | rst STREAM_CLOSED   | ok                 | rst STREAM_CLOSED    | rst STREAM_CLOSED    | ok
DATA end       | goaway PROTOCOL | ok              | rst STREAM_CLOSED   | ok                 | rst STREAM_CLOSED    | rst STREAM_CLOSED    | ok
DATA too long  | goaway PROTOCOL | goaway FLOW     | goaway FLOW         | goaway FLOW        | goaway FLOW          | goaway FLOW          | goaway FLOW
DATA bad pad   | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL     | goaway PROTOCOL    | goaway PROTOCOL      | goaway PROTOCOL      | goaway PROTOCOL
HEADERS        | ok              | rst PROTOCOL    | rst STREAM_CLOSED   | rst PROTOCOL       | goaway STREAM_CLOSED | goaway STREAM_CLOSED | ok
HEADERS end    | ok              | rst PROTOCOL    | rst STREAM_CLOSED   | rst PROTOCOL       | goaway STREAM_CLOSED | goaway STREAM_CLOSED | ok
trailers       | rst PROTOCOL    | ok              | rst STREAM_CLOSED   | ok                 | goaway STREAM_CLOSED | goaway STREAM_CLOSED | ok
trailers open  | rst PROTOCOL    | rst PROTOCOL    | rst STREAM_CLOSED   | rst PROTOCOL       | goaway STREAM_CLOSED | goaway STREAM_CLOSED | ok
HEADERS bad    | goaway COMPRESS | goaway COMPRESS | goaway COMPRESS     | goaway COMPRESS    | goaway STREAM_CLOSED | goaway STREAM_CLOSED | goaway COMPRESS
PRIORITY       | ok              | ok              | ok                  | ok                 | ok                   | ok                   | ok
PRIORITY self  | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL        | rst PROTOCOL       | ok                   | ok                   | ok
RST_STREAM     | goaway PROTOCOL | ok              | ok                  | ok                 | ok                   | ok                   | ok
RST 3 octets   | goaway FRAME    | goaway FRAME    | goaway FRAME        | goaway FRAME       | goaway FRAME         | goaway FRAME         | goaway FRAME
SETTINGS       | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL     | goaway PROTOCOL    | goaway PROTOCOL      | goaway PROTOCOL      | goaway PROTOCOL
PUSH_PROMISE   | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL     | goaway PROTOCOL    | goaway PROTOCOL      | goaway PROTOCOL      | goaway PROTOCOL
PING           | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL     | goaway PROTOCOL    | goaway PROTOCOL      | goaway PROTOCOL      | goaway PROTOCOL
GOAWAY         | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL     | goaway PROTOCOL    | goaway PROTOCOL      | goaway PROTOCOL      | goaway PROTOCOL
WINDOW_UPDATE  | goaway PROTOCOL | ok              | ok                  | ok                 | ok                   | ok                   | ok
WU 0           | goaway PROTOCOL | rst PROTOCOL    | rst PROTOCOL        | rst PROTOCOL       | ok                   | ok                   | ok
WU overflow    | goaway PROTOCOL | rst FLOW        | rst FLOW            | rst FLOW           | ok                   | ok                   | ok
WU 3 octets    | goaway FRAME    | goaway FRAME    | goaway FRAME        | goaway FRAME       | goaway FRAME         | goaway FRAME         | goaway FRAME
CONTINUATION   | goaway PROTOCOL | goaway PROTOCOL | goaway PROTOCOL     | goaway PROTOCOL    | goaway PROTOCOL      | goaway PROTOCOL      | goaway PROTOCOL
unknown        | ok              | ok              | ok                  | ok                 | ok                   | ok                   | ok
`

// stateID is the stream under test.
const stateID = 3

var stateFrames = map[string]func(ct *tester){
	"DATA":     func(ct *tester) { ct.fr.WriteData(stateID, false, []byte("0123456789abcdefghij")) },
	"DATA end": func(ct *tester) { ct.fr.WriteData(stateID, true, []byte("x")) },
	"DATA too long": func(ct *tester) {
		ct.conn.mu.Lock()
		ct.conn.recv.avail = 3
		ct.conn.mu.Unlock()
		ct.fr.WriteData(stateID, false, []byte("long"))
	},
	"DATA bad pad": func(ct *tester) {
		ct.fr.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, stateID, []byte{4, 0, 0, 0})
	},
	"HEADERS":       func(ct *tester) { ct.headers(stateID, false, get...) },
	"HEADERS end":   func(ct *tester) { ct.headers(stateID, true, get...) },
	"trailers":      func(ct *tester) { ct.headers(stateID, true, "x-t: 1") },
	"trailers open": func(ct *tester) { ct.headers(stateID, false, "x-t: 1") },
	"HEADERS bad":   func(ct *tester) { ct.fr.WriteRawFrame(http2.FrameHeaders, 5, stateID, []byte{0xff}) },
	"PRIORITY":      func(ct *tester) { ct.fr.WritePriority(stateID, http2.PriorityParam{}) },
	"PRIORITY self": func(ct *tester) { ct.fr.WritePriority(stateID, http2.PriorityParam{StreamDep: stateID}) },
	"RST_STREAM":    func(ct *tester) { ct.fr.WriteRSTStream(stateID, http2.ErrCodeCancel) },
	"RST 3 octets":  func(ct *tester) { ct.fr.WriteRawFrame(http2.FrameRSTStream, 0, stateID, []byte{0, 0, 0}) },
	"SETTINGS":      func(ct *tester) { ct.fr.WriteRawFrame(http2.FrameSettings, 0, stateID, nil) },
	"PUSH_PROMISE": func(ct *tester) {
		ct.fr.WriteRawFrame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, stateID, []byte{0, 0, 0, 2})
	},
	"PING":          func(ct *tester) { ct.fr.WriteRawFrame(http2.FramePing, 0, stateID, make([]byte, 8)) },
	"GOAWAY":        func(ct *tester) { ct.fr.WriteRawFrame(http2.FrameGoAway, 0, stateID, make([]byte, 8)) },
	"WINDOW_UPDATE": func(ct *tester) { ct.fr.WriteWindowUpdate(stateID, 10) },
	"WU 0":          func(ct *tester) { ct.fr.WriteWindowUpdate(stateID, 0) },
	"WU overflow":   func(ct *tester) { ct.fr.WriteWindowUpdate(stateID, frame.MaxWindow) },
	"WU 3 octets":   func(ct *tester) { ct.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, stateID, []byte{0, 0, 1}) },
	"CONTINUATION":  func(ct *tester) { ct.fr.WriteContinuation(stateID, true, ct.block("x-a: b")) },
	"unknown":       func(ct *tester) { ct.fr.WriteRawFrame(0x42, 0xff, stateID, []byte("abc")) },
}

// enterState brings stream stateID into a state.
func enterState(ct *tester, state string) {
	path := ":path: /" + strings.ReplaceAll(state, " ", "-")
	req := []string{":method: POST", ":scheme: https", ":authority: a.test", path}
	switch state {
	case "open", "half-closed(local)", "reset by us":
		ct.headers(stateID, false, req...)
	case "half-closed(remote)", "closed":
		ct.headers(stateID, true, req...)
	case "reset by client":
		ct.headers(stateID, false, req...)
		ct.fr.WriteRSTStream(stateID, http2.ErrCodeCancel)
	}
	for ct.next() != "" {
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
		if send == nil {
			t.Errorf("no frame %q", cs[0])
			continue
		}
		for i, want := range cs {
			if i == 0 {
				continue
			}
			t.Run(cs[0]+"/"+states[i], func(t *testing.T) {
				stateCase(t, states[i], send, want)
			})
		}
	}
}

func stateCase(t *testing.T, state string, send func(*tester), want string) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ct := newTester(t, &config{Handle: func(s *Stream) {
			switch s.Path {
			case "/half-closed(local)":
				s.WriteHeader(200, nil, true)
			case "/closed":
				s.WriteHeader(200, nil, true)
				return
			case "/reset-by-us":
				s.Reset(http2.ErrCodeInternal)
				return
			}
			<-release
		}})
		defer ct.finish()
		defer close(release)
		ct.greet()
		enterState(ct, state)
		send(ct)
		ct.fr.WritePing(false, [8]byte{})
		got := "ok"
		for {
			f := ct.next()
			if f == "" || f == "EOF" {
				t.Fatalf("neither error nor PING, but %q", f)
			}
			if code, ok := strings.CutPrefix(f, "RST_STREAM stream=3 "); ok {
				got = "rst " + code
			}
			if strings.HasPrefix(f, "GOAWAY") {
				got = "goaway " + f[strings.LastIndexByte(f, ' ')+1:]
				break
			}
			if strings.HasPrefix(f, "PING ack") {
				break
			}
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
