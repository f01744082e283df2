package h2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// config is what a test asks of an Engine, and of its connections.
type config struct {
	Limits  Limits
	Admit   func(*Stream) bool
	Refuse  func(s *Stream, status int, why string)
	Handle  func(*Stream)
	Origins func(*Conn) ([]string, bool)
	Cut     func(c *Conn, why string)

	once   sync.Once
	engine Engine
}

func (cfg *config) newConn(nc net.Conn) *Conn {
	cfg.once.Do(func() {
		g := &cfg.engine
		g.Admit, g.Refuse, g.Handle, g.Origins, g.Cut = cfg.Admit, cfg.Refuse, cfg.Handle, cfg.Origins, cfg.Cut
	})
	return cfg.engine.NewConn(nc, cfg.Limits, nil)
}

// refuse answers with the status alone.
func refuse(s *Stream, status int, _ string) { s.Respond(status, nil, nil) }

// tester is a client that speaks frames, inside a synctest bubble.
type tester struct {
	t      *testing.T
	cfg    *config
	conn   *Conn
	nc     net.Conn
	fr     *http2.Framer
	enc    *hpack.Encoder
	encBuf bytes.Buffer
	dec    *hpack.Decoder
	got    []hpack.HeaderField

	mu     sync.Mutex
	reason string   // why Serve has returned
	cut    []string // why streams were cut or refused
	served error
	over   bool
}

// bubble runs f with a connection whose prefaces were exchanged.
func bubble(t *testing.T, cfg *config, f func(*tester)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ct := newTester(t, cfg)
		defer ct.finish()
		ct.greet()
		f(ct)
	})
}

func newTester(t *testing.T, cfg *config) *tester {
	ct := &tester{t: t, cfg: cfg}
	cut := func(why string) {
		ct.mu.Lock()
		defer ct.mu.Unlock()
		ct.cut = append(ct.cut, why)
	}
	cfg.Cut = func(_ *Conn, why string) { cut(why) }
	if answer := cfg.Refuse; answer != nil {
		cfg.Refuse = func(s *Stream, status int, why string) {
			answer(s, status, why)
			cut(why)
		}
	}
	if cfg.Handle == nil {
		cfg.Handle = echo
	}
	server, client := pipe(64 << 10)
	ct.nc = client
	ct.conn = cfg.newConn(server)
	ct.fr = http2.NewFramer(client, client)
	ct.fr.AllowIllegalWrites = true
	ct.enc = hpack.NewEncoder(&ct.encBuf)
	ct.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) { ct.got = append(ct.got, f) })
	go func() {
		reason, err := ct.conn.Serve()
		ct.mu.Lock()
		ct.reason, ct.served, ct.over = reason, err, true
		ct.mu.Unlock()
	}()
	return ct
}

// greet exchanges prefaces.
func (ct *tester) greet(settings ...http2.Setting) {
	ct.t.Helper()
	io.WriteString(ct.nc, http2.ClientPreface)
	ct.fr.WriteSettings(settings...)
	ct.fr.WriteSettingsAck()
	ct.want("SETTINGS", "WINDOW_UPDATE stream=0 inc=983041", "SETTINGS ack")
}

// finish ends the connection and waits until all its goroutines are gone.
func (ct *tester) finish() {
	ct.t.Helper()
	ct.nc.Close()
	synctest.Wait()
	time.Sleep(3 * idleWorker)
	synctest.Wait()
	ct.mu.Lock()
	defer ct.mu.Unlock()
	if !ct.over {
		ct.t.Error("Serve has not returned")
	}
	if n := ct.conn.running; n != 0 {
		ct.t.Errorf("%d handlers are still running", n)
	}
}

// block encodes fields given as "name: value".
func (ct *tester) block(fields ...string) []byte {
	ct.encBuf.Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		ct.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: strings.TrimPrefix(f[i+1:], " ")})
	}
	return bytes.Clone(ct.encBuf.Bytes())
}

var get = []string{":method: GET", ":scheme: https", ":authority: a.test", ":path: /"}

func post(more ...string) []string {
	return append([]string{":method: POST", ":scheme: https", ":authority: a.test", ":path: /"}, more...)
}

// headers sends a whole header block.
func (ct *tester) headers(id uint32, end bool, fields ...string) {
	ct.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: ct.block(fields...), EndStream: end, EndHeaders: true,
	})
}

// next reads a frame and describes it; "EOF" at the end of the connection, ""
// when the server has nothing to say.
func (ct *tester) next() string {
	synctest.Wait()
	if ct.silent() {
		return ""
	}
	f, err := ct.fr.ReadFrame()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return "EOF"
		}
		return "error " + err.Error()
	}
	return ct.describe(f)
}

// silent reports whether nothing of the server's is here to be read.
func (ct *tester) silent() bool {
	p := ct.nc.(*pipeEnd)
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	return len(p.in.buf) == 0 && !p.in.closed
}

func (ct *tester) describe(f http2.Frame) string {
	h := f.Header()
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ack"
		}
		return "SETTINGS"
	case *http2.HeadersFrame:
		ct.got = nil
		if _, err := ct.dec.Write(f.HeaderBlockFragment()); err != nil {
			return "HEADERS " + err.Error()
		}
		s := fmt.Sprintf("HEADERS stream=%d", h.StreamID)
		if f.StreamEnded() {
			s += " end"
		}
		if !f.HeadersEnded() {
			return s + " continued"
		}
		ct.dec.Close()
		return s + ct.fields()
	case *http2.ContinuationFrame:
		ct.dec.Write(f.HeaderBlockFragment())
		if !f.HeadersEnded() {
			return "CONTINUATION"
		}
		ct.dec.Close()
		return "CONTINUATION end"
	case *http2.DataFrame:
		s := fmt.Sprintf("DATA stream=%d len=%d", h.StreamID, len(f.Data()))
		if f.StreamEnded() {
			s += " end"
		}
		return s
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM stream=%d %v", h.StreamID, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY last=%d %v", f.LastStreamID, f.ErrCode)
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE stream=%d inc=%d", h.StreamID, f.Increment)
	case *http2.PingFrame:
		if f.IsAck() {
			return fmt.Sprintf("PING ack %q", f.Data[:])
		}
		return fmt.Sprintf("PING %q", f.Data[:])
	case *http2.UnknownFrame:
		if h.Type == frameOrigin {
			return fmt.Sprintf("ORIGIN stream=%d %q", h.StreamID, f.Payload())
		}
		return fmt.Sprintf("%v stream=%d %q", h.Type, h.StreamID, f.Payload())
	}
	return fmt.Sprintf("%v", h)
}

func (ct *tester) fields() string {
	var b strings.Builder
	for _, f := range ct.got {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	return b.String()
}

// want compares the frames that come next; silence after them is not
// asked for.
func (ct *tester) want(frames ...string) {
	ct.t.Helper()
	for _, w := range frames {
		if got := ct.next(); got != w {
			ct.t.Fatalf("got frame %q, want %q", got, w)
		}
	}
}

// wantSilence asks that the server has nothing more to say.
func (ct *tester) wantSilence() {
	ct.t.Helper()
	if got := ct.next(); got != "" {
		ct.t.Fatalf("got frame %q, want none", got)
	}
}

// wantClosed asks for the end of the connection, for this reason.
func (ct *tester) wantClosed(reason string) {
	ct.t.Helper()
	for {
		got := ct.next()
		if got == "EOF" {
			break
		}
		if got == "" {
			ct.t.Fatal("the connection is still open")
		}
	}
	time.Sleep(2 * lingerTime)
	synctest.Wait()
	ct.mu.Lock()
	defer ct.mu.Unlock()
	if ct.reason != reason {
		ct.t.Errorf("closed because of %q, want %q", ct.reason, reason)
	}
}

// skipTo reads frames until one begins with prefix.
func (ct *tester) skipTo(prefix string) string {
	ct.t.Helper()
	for {
		got := ct.next()
		if strings.HasPrefix(got, prefix) {
			return got
		}
		if got == "" || got == "EOF" {
			ct.t.Fatalf("got %q before any %q", got, prefix)
		}
	}
}

func (ct *tester) closedFor() string {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	return ct.reason
}
