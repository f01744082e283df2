package upstream

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framesConn is the backend's side of an HTTP/2 connection that says what no
// library would.
type framesConn struct {
	nc  net.Conn
	fr  *http2.Framer
	mu  sync.Mutex // guards fr for writing, and what follows
	enc *hpack.Encoder
	buf bytes.Buffer

	mute   bool   // nothing is acknowledged
	pinged func() // is told of each PING; nil: nobody is
	opened sync.Cond
	over   bool
	first  int            // of a stream's window
	conn   int            // window
	open   map[uint32]int // windows, less first
}

// window waits for room for DATA of at most n octets, and takes it. 0: the
// connection is over.
func (c *framesConn) window(stream uint32, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.over {
		if n = min(n, c.conn, c.first+c.open[stream]); n > 0 {
			c.conn -= n
			c.open[stream] -= n
			return n
		}
		n = 16 << 10
		c.opened.Wait()
	}
	return 0
}

// head writes a header block of name, value pairs.
func (c *framesConn) head(stream uint32, end bool, fields ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	for first, b := true, c.buf.Bytes(); ; first = false {
		part := b[:min(len(b), 16<<10)]
		b = b[len(part):]
		if first {
			_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: part, EndHeaders: len(b) == 0, EndStream: end})
		} else {
			_ = c.fr.WriteContinuation(stream, len(b) == 0, part)
		}
		if len(b) == 0 {
			return
		}
	}
}

// goAway sends GOAWAY.
func (c *framesConn) goAway(last uint32, code http2.ErrCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.fr.WriteGoAway(last, code, nil)
}

// reset sends RST_STREAM.
func (c *framesConn) reset(stream uint32, code http2.ErrCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.fr.WriteRSTStream(stream, code)
}

// framesRequest is a request as it was told in frames.
type framesRequest struct {
	stream        uint32
	head, trailer string // "name=value" without pseudo-header fields, sorted
	body          string
	frames        string // their order: H, D, and E where the stream ends
}

func plain(f *http2.MetaHeadersFrame) string {
	var out []string
	for _, h := range f.RegularFields() {
		out = append(out, h.Name+"="+h.Value)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// framesBackend speaks HTTP/2 in cleartext. got is called when a request has
// ended, on a goroutine of its own.
func framesBackend(t testing.TB, got func(c *framesConn, r framesRequest)) Target {
	return framesGreeting(t, func(c *framesConn) { _ = c.fr.WriteSettings() }, got)
}

// framesGreeting is a framesBackend that begins each connection with greet, on
// the goroutine that reads it.
func framesGreeting(t testing.TB, greet func(c *framesConn), got func(c *framesConn, r framesRequest)) Target {
	return Target{Protocol: H2C, Addr: framesOver(t, func(nc net.Conn) net.Conn { return nc }, greet, got)}
}

// framesTLS is a framesBackend behind TLS.
func framesTLS(t testing.TB, got func(c *framesConn, r framesRequest)) Target {
	ts := httptest.NewTLSServer(nil) // for its certificate
	ts.Close()
	cfg := &tls.Config{Certificates: ts.TLS.Certificates, NextProtos: []string{"h2"}}
	over := func(nc net.Conn) net.Conn { return tls.Server(nc, cfg) }
	return Target{Protocol: HTTPS, Addr: framesOver(t, over, func(c *framesConn) { _ = c.fr.WriteSettings() }, got)}
}

func framesOver(t testing.TB, over func(net.Conn) net.Conn, greet func(c *framesConn), got func(c *framesConn, r framesRequest)) netip.AddrPort {
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range open {
			nc.Close()
		}
	})
	return backend(t, func(nc net.Conn) {
		mu.Lock()
		open = append(open, nc)
		mu.Unlock()
		serveFrames(over(nc), greet, got)
	})
}

func serveFrames(nc net.Conn, greet func(c *framesConn), got func(c *framesConn, r framesRequest)) {
	if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	c := &framesConn{nc: nc, fr: http2.NewFramer(nc, nc), first: 65535, conn: 65535, open: map[uint32]int{}}
	c.opened.L = &c.mu
	c.enc = hpack.NewEncoder(&c.buf)
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	greet(c)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() {
		c.mu.Lock()
		c.over = true
		c.opened.Broadcast()
		c.mu.Unlock()
	}()
	requests := map[uint32]*framesRequest{}
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			return
		}
		id, ended := f.Header().StreamID, false
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.mu.Lock()
				if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
					c.first = int(v)
				}
				if !c.mute {
					_ = c.fr.WriteSettingsAck()
				}
				c.mu.Unlock()
			}
		case *http2.WindowUpdateFrame:
			c.mu.Lock()
			if id == 0 {
				c.conn += int(f.Increment)
			} else {
				c.open[id] += int(f.Increment)
			}
			c.opened.Broadcast()
			c.mu.Unlock()
		case *http2.RSTStreamFrame:
			c.mu.Lock()
			c.open[id] = -1 << 30
			c.mu.Unlock()
		case *http2.PingFrame:
			if !f.IsAck() {
				c.mu.Lock()
				if !c.mute {
					_ = c.fr.WritePing(true, f.Data)
				}
				c.mu.Unlock()
				if c.pinged != nil {
					c.pinged()
				}
			}
		case *http2.MetaHeadersFrame:
			if r := requests[id]; r == nil {
				requests[id] = &framesRequest{stream: id, head: plain(f), frames: "H"}
			} else {
				r.trailer = plain(f)
				r.frames += "H"
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			requests[id].body += string(f.Data())
			requests[id].frames += "D"
			ended = f.StreamEnded()
		}
		if ended {
			r := *requests[id]
			r.frames += "E"
			wg.Go(func() { got(c, r) })
		}
	}
}

// A status that is none.
func TestTransportBadStatus(t *testing.T) {
	for status, want := range map[string]string{
		"99": "error bad_response", "0": "error bad_response", "-7": "error bad_response", "1000": "error bad_response",
		"200": `200 whole ""`, "999": `999 whole ""`,
	} {
		p := newClient(t, Config{}).Pool(framesBackend(t, func(c *framesConn, r framesRequest) {
			c.head(r.stream, true, ":status", status)
		}))
		if got := roundTrip(p, get("/")); got != want {
			t.Errorf("%s: got %s, want %s", status, got, want)
		}
	}
}

func TestTransportTooManyFields(t *testing.T) {
	for n, want := range map[int]string{MaxHeadFields: "200", MaxHeadFields + 1: "error head_too_large"} {
		fields := []string{":status", "200"}
		for range n {
			fields = append(fields, "a", "b")
		}
		p := newClient(t, Config{}).Pool(framesBackend(t, func(c *framesConn, r framesRequest) {
			c.head(r.stream, true, fields...)
		}))
		if got := roundTrip(p, get("/")); !strings.HasPrefix(got, want) {
			t.Errorf("%d: got %.40s, want %s", n, got, want)
		}
	}
}

// RFC 9113 section 8.2.1: no space around a value.
func TestTransportSpaceAroundValues(t *testing.T) {
	p := newClient(t, Config{}).Pool(framesBackend(t, func(c *framesConn, r framesRequest) {
		c.head(r.stream, false, ":status", "200", "a", " b c\t", "trailer", "x")
		c.head(r.stream, true, "x", "\ty ")
	}))
	if got, want := parts(roundTrip(p, get("/"))), `200 a=b c trailer=x "" x=y`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
