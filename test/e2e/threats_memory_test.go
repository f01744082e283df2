package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/testkit"
)

// frameConn is an attacker's HTTP/2 connection, with the one header encoder
// that it must have.
type frameConn struct {
	nc  net.Conn // beneath TLS
	rw  io.ReadWriter
	fr  *http2.Framer
	enc *hpack.Encoder
	buf bytes.Buffer
}

// frameConn opens one, whose system holds little of what it does not read, and
// says its preface.
func (s *stage) frameConn(t testing.TB, host string, settings ...http2.Setting) *frameConn {
	t.Helper()
	nc, tc, err := s.shake(host, "h2", &net.Dialer{Control: smallBuffers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if _, err := tc.Write(frames(nil, settings...)); err != nil {
		t.Fatal(err)
	}
	return newFrameConn(nc, tc)
}

func newFrameConn(beneath net.Conn, rw io.ReadWriter) *frameConn {
	c := &frameConn{nc: beneath, rw: rw, fr: http2.NewFramer(rw, rw)}
	c.enc = hpack.NewEncoder(&c.buf)
	return c
}

// block encodes name, value pairs behind the pseudo-header fields. What was
// sent before is an octet.
func (c *frameConn) block(method, host, path string, more ...string) []byte {
	c.buf.Reset()
	all := append([]string{":method", method, ":scheme", "https", ":authority", host, ":path", path}, more...)
	for i := 0; i < len(all); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	return c.buf.Bytes()
}

// request writes a request's head.
func (c *frameConn) request(id uint32, end bool, method, host, path string, more ...string) error {
	return c.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, EndHeaders: true, EndStream: end, BlockFragment: c.block(method, host, path, more...),
	})
}

// answers reads until so many responses have begun.
func (c *frameConn) answers(n int) error {
	if err := c.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for n > 0 {
		f, err := c.fr.ReadFrame()
		if err != nil {
			return err
		}
		switch f.(type) {
		case *http2.HeadersFrame:
			n--
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("got %v", f)
		}
	}
	return nil
}

// whole is the window of the connection, as its stream is called.
const whole = 0

// fill uploads on streams as far as their windows allow, until none of them is
// opened any further for a second. It leaves a little of the connection's.
func (c *frameConn) fill(t testing.TB, windows map[uint32]int) {
	t.Helper()
	const reserve = 16
	initial := 65535
	for {
		for id := range windows {
			if id == whole {
				continue
			}
			for n := min(windows[id], windows[whole]-reserve, 16<<10); n > 0; n = min(windows[id], windows[whole]-reserve, 16<<10) {
				if err := c.fr.WriteData(id, false, make([]byte, n)); err != nil {
					t.Fatal(err)
				}
				windows[id] -= n
				windows[whole] -= n
			}
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		f, err := c.fr.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
				for id := range windows {
					if id != whole {
						windows[id] += int(v) - initial
					}
				}
				initial = int(v)
			}
		case *http2.WindowUpdateFrame:
			windows[f.StreamID] += int(f.Increment)
		case *http2.GoAwayFrame:
			t.Fatalf("got %v", f)
		}
	}
}

// serve serves a host by a handler, which is asked for "/" first.
func (s *stage) serve(t testing.TB, host string, handler http.HandlerFunc) {
	t.Helper()
	name, _, _ := strings.Cut(host, ".")
	b := s.backend(t, name, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", name)
		handler(w, r)
	})
	s.put(t, s.secret(name+"-tls", s.ca.Server(t, host)), s.service(name), s.slice(name, b.address, b.port, true), s.ingress(host, name, name+"-tls"))
	s.live(t, host)
}

// settled is the least resident memory of the process in a while: what the
// collector has not yet come to, nobody holds.
func settled(t testing.TB, p *testkit.Process) int {
	t.Helper()
	least := rss(t, p)
	for range 20 {
		<-time.After(100 * time.Millisecond) // the unit of what is measured
		least = min(least, rss(t, p))
	}
	return least
}

// TestHeldRequests holds a hundred answered requests on each of eight
// connections open with a window of zero: once with a field each, and then with
// as many fields as are allowed, each an octet long on the wire ("HTTP/2 bomb",
// CVE-2026-49975). What a request has sent must not stay with it: the fields may
// cost 1 MiB a connection.
func TestHeldRequests(t *testing.T) {
	const conns, streams, host = 8, 100, "held.test"
	hold := func(fields ...string) int {
		s, p := folderStage(t)
		s.serve(t, host, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
		before := settled(t, p)
		for range conns {
			c := s.frameConn(t, host, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			defer c.nc.Close()
			for i := range uint32(streams) {
				if err := c.request(2*i+1, true, "GET", host, "/", fields...); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.answers(streams); err != nil {
				t.Fatal(err)
			}
		}
		return (settled(t, p) - before) / conns
	}
	repeat := func(name, value string) []string { return slices.Repeat([]string{name, value}, 196) }
	plain := hold("x", "y")
	t.Logf("one field: %d KiB a connection", plain>>10)
	for name, fields := range map[string][]string{
		"196 fields":        repeat("x", "y"),
		"196 cookie crumbs": repeat("cookie", "a=b"),
		"196 times accept":  repeat("accept", "*/*"),
		"15 times 4 KB":     slices.Repeat([]string{"x", strings.Repeat("v", 4000)}, 15),
	} {
		held := hold(fields...)
		t.Logf("%s: %d KiB a connection, %d more than one field", name, held>>10, (held-plain)>>10)
		if held-plain > 1<<20 {
			t.Errorf("%s: %d octets a connection more than one field", name, held-plain)
		}
	}
}

// TestUnreadUpdates uploads to a backend that does not read, until the windows
// are used up, and then sends small DATA on a stream that was reset. It reads
// nothing of what the server says about it.
func TestUnreadUpdates(t *testing.T) {
	const host, most = "unread.test", 32 << 20
	s, p := folderStage(t)
	s.serve(t, host, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold":
			<-r.Context().Done()
		case "/big":
			_, _ = w.Write(make([]byte, 32<<20))
		}
	})
	before := settled(t, p)
	c := s.frameConn(t, host, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	if err := c.fr.WriteWindowUpdate(0, 1<<30); err != nil {
		t.Fatal(err)
	}
	const uploads = 8
	for id := uint32(1); id < 2*uploads; id += 2 {
		if err := c.request(id, false, "POST", host, "/hold"); err != nil {
			t.Fatal(err)
		}
	}
	// A window that overflows has the server reset the stream.
	const reset = 2*uploads + 1
	if err := c.request(reset, false, "POST", host, "/hold"); err != nil {
		t.Fatal(err)
	}
	if err := c.fr.WriteWindowUpdate(reset, 1<<31-1); err != nil {
		t.Fatal(err)
	}
	windows := map[uint32]int{whole: 65535}
	for id := uint32(1); id < reset; id += 2 {
		windows[id] = 65535
	}
	for range 3 {
		c.fill(t, windows)
		// What the server holds back of the connection's window comes for these.
		for range 2 {
			if err := c.fr.WriteData(reset, false, []byte("12345")); err != nil {
				t.Fatal(err)
			}
			windows[whole] -= 5
		}
	}
	t.Logf("%d octets are left of the connection's window", windows[whole])
	// Somebody else than who reads is to wait for this client.
	if err := c.request(reset+2, true, "GET", host, "/big"); err != nil {
		t.Fatal(err)
	}
	var batch bytes.Buffer
	fr := http2.NewFramer(&batch, nil)
	for range 1000 {
		_ = fr.WriteData(reset, false, []byte("12345"))
	}
	grown, sent := 0, 0
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); sent += 1000 {
		if err := c.nc.SetWriteDeadline(time.Now().Add(4 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.rw.Write(batch.Bytes()); err != nil {
			break // the server has had enough
		}
		if sent%100_000 == 0 {
			grown = max(grown, rss(t, p)-before)
		}
	}
	grown = max(grown, rss(t, p)-before)
	t.Logf("%d frames: %d KiB more", sent, grown>>10)
	if grown > most {
		t.Errorf("%d octets more after %d frames", grown, sent)
	}
	testkit.Eventually(t, "the connection is closed", func() string {
		if s.metric(t, "ingress421_connections_closed_total", `reason="data_flood"`) == 0 {
			return "no connection was closed for data_flood"
		}
		return ""
	})
}

// TestResetsBehindTheHead asks for a response that does not end, and gives it up
// when it has begun. Each costs the server a connection to its backend.
func TestResetsBehindTheHead(t *testing.T) {
	const host = "resets.test"
	s, _ := folderStage(t)
	s.serve(t, host, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})
	c := s.frameConn(t, host)
	resets, start := 0, time.Now()
	for ; time.Since(start) < 5*time.Second; resets++ {
		id := uint32(2*resets + 1)
		if c.request(id, true, "GET", host, "/long") != nil || c.answers(1) != nil || c.fr.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break
		}
	}
	took := time.Since(start)
	allowed := 200 + int(50*took.Seconds()) + 1
	t.Logf("%d resets within %v, %d are allowed", resets, took.Round(time.Millisecond), allowed)
	if resets > allowed {
		t.Errorf("%d resets within %v, want at most %d", resets, took, allowed)
	}
	testkit.Eventually(t, "the connection is closed", func() string {
		if s.metric(t, "ingress421_connections_closed_total", `reason="rapid_reset"`) == 0 {
			return "no connection was closed for rapid_reset"
		}
		return ""
	})
}
