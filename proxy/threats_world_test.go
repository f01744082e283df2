package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// patience is how long a condition may take on a machine that is busy with
// something else. What is judged by time has a bound of its own.
const patience = 20 * time.Second

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// neighbour is a client of good manners: about a hundred requests a second on
// one HTTP/2 connection, whatever others do to the server meanwhile.
type neighbour struct {
	stop, done chan struct{}

	mu    sync.Mutex
	errs  []error         // guarded by mu
	times []time.Duration // guarded by mu
}

// neighbour starts one, which asks for url on a connection for a.test.
func (w *world) neighbour(url string) *neighbour {
	w.t.Helper()
	n := &neighbour{stop: make(chan struct{}), done: make(chan struct{})}
	cc := w.h2Client("a.test", nil)
	var wg sync.WaitGroup
	go func() {
		defer close(n.done)
		defer wg.Wait()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-n.stop:
				return
			case <-tick.C:
				wg.Go(func() { n.ask(cc, url) })
			}
		}
	}()
	w.t.Cleanup(n.end)
	n.waitFor(w.t, 1)
	return n
}

func (n *neighbour) ask(rt http.RoundTripper, url string) {
	start := time.Now()
	err := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != 200 {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.times = append(n.times, time.Since(start)); err != nil {
		n.errs = append(n.errs, err)
	}
}

// waitFor waits until that many more requests were answered.
func (n *neighbour) waitFor(t testing.TB, more int) {
	t.Helper()
	count := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.times)
	}
	goal := count() + more
	eventually(t, "the good client is answered", func() bool { return count() >= goal })
}

func (n *neighbour) end() {
	select {
	case <-n.stop:
	default:
		close(n.stop)
	}
	<-n.done
}

// worstP99 bounds what a good client may notice of an attack. It is generous
// because the attackers, the backends and the race detector have the same two
// processors.
const worstP99 = 3 * time.Second

// unharmed ends the client and fails the test if it has met an error.
func (n *neighbour) unharmed(t testing.TB) {
	t.Helper()
	n.waitFor(t, 10)
	n.end()
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.Sort(n.times)
	p50, p99 := n.times[len(n.times)/2], n.times[len(n.times)*99/100]
	t.Logf("good client: %d requests, p50 %v, p99 %v", len(n.times), p50, p99)
	if len(n.errs) != 0 {
		t.Errorf("good client: %d of %d requests failed, first: %v", len(n.errs), len(n.times), n.errs[0])
	}
	if p99 > worstP99 {
		t.Errorf("good client: p99 %v", p99)
	}
}

// attacker speaks frames without regard to what comes back.
type attacker struct {
	t   testing.TB
	nc  net.Conn
	out *bufio.Writer
	fr  *http2.Framer // reads nc, writes out
	buf bytes.Buffer
	enc *hpack.Encoder

	acks  chan struct{} // one for each PING that was answered
	heads atomic.Int64  // HEADERS that came
	ends  atomic.Int64  // streams that were answered whole, or reset
	gone  chan struct{} // closed at the end; what follows is valid then
	code  http2.ErrCode // of the last GOAWAY
	last  uint32        // ... and its stream
	says  string        // ... and its text
}

// attacker opens an HTTP/2 connection for a.test with its SETTINGS.
func (w *world) attacker(settings ...http2.Setting) *attacker {
	w.t.Helper()
	nc, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: "a.test", NextProtos: []string{"h2"}, InsecureSkipVerify: true}) //nolint:gosec // a test looks at what it is served
	if err != nil {
		w.t.Fatal(err)
	}
	a := &attacker{
		t: w.t, nc: nc, out: bufio.NewWriterSize(nc, 16<<10),
		acks: make(chan struct{}, 1<<10), gone: make(chan struct{}),
	}
	a.fr = http2.NewFramer(a.out, nc)
	a.enc = hpack.NewEncoder(&a.buf)
	_, _ = a.out.WriteString(http2.ClientPreface)
	_ = a.fr.WriteSettings(settings...)
	_ = a.fr.WriteSettingsAck()
	_ = a.out.Flush()
	go a.read()
	w.t.Cleanup(func() {
		_ = nc.Close()
		<-a.gone
	})
	return a
}

func (a *attacker) read() {
	defer close(a.gone)
	defer a.nc.Close()
	for {
		f, err := a.fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.PingFrame:
			if f.IsAck() {
				a.acks <- struct{}{}
			}
		case *http2.GoAwayFrame:
			a.code, a.last, a.says = f.ErrCode, f.LastStreamID, string(f.DebugData())
		case *http2.RSTStreamFrame:
			a.ends.Add(1)
		case *http2.HeadersFrame:
			a.heads.Add(1)
			if f.StreamEnded() {
				a.ends.Add(1)
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				a.ends.Add(1)
			}
		}
	}
}

// headers writes a request head: the four pseudo-header fields of a GET or a
// POST of path, and more name, value pairs.
func (a *attacker) headers(id uint32, end bool, path string, more ...string) {
	method := "POST"
	if end {
		method = "GET"
	}
	a.fields(id, end, append([]string{":method", method, ":scheme", "https", ":authority", "a.test", ":path", path}, more...)...)
}

// fields writes a header block of name, value pairs in one frame.
func (a *attacker) fields(id uint32, end bool, fields ...string) {
	_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: a.block(fields...), EndHeaders: true, EndStream: end})
}

func (a *attacker) block(fields ...string) []byte {
	a.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = a.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return a.buf.Bytes()
}

// flush sends what was written. A connection that is gone is no error.
func (a *attacker) flush() { _ = a.out.Flush() }

// pace flushes and waits until the server has read all of it; false: the
// connection is gone.
func (a *attacker) pace() bool {
	_ = a.fr.WritePing(false, [8]byte{1})
	a.flush()
	select {
	case <-a.acks:
		return true
	case <-a.gone:
		return false
	case <-time.After(patience):
		a.t.Fatal("no answer to a PING")
		return false
	}
}

// wantGone waits for the server's end of the connection.
func (a *attacker) wantGone(within time.Duration) {
	a.t.Helper()
	a.flush()
	select {
	case <-a.gone:
	case <-time.After(within):
		a.t.Fatalf("the connection is still open after %v", within)
	}
}

// closedBy is how many connections the server has ended for a reason.
func (w *world) closedBy(reason string) int {
	w.t.Helper()
	var m dto.Metric
	if err := w.server.metrics.closed.WithLabelValues(reason).Write(&m); err != nil {
		w.t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

// wantClosedBy waits until n connections were ended for a reason.
func (w *world) wantClosedBy(reason string, n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%d connections closed for %s", n, reason), func() bool { return w.closedBy(reason) >= n })
}

// goroutines counts the goroutines that are at work: those of h2's free list
// which wait for their next request are left out.
func goroutines() int {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	n := 0
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "h2.(*workers).loop") && !strings.Contains(g, "serveStream") {
			continue
		}
		n++
	}
	return n
}

// descriptors counts the open files of this process, and is 0 where the
// system does not tell.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// tcpBackend is a backend that serves each connection with a function.
func tcpBackend(t testing.TB, name string, serve func(net.Conn)) *hostmap.Backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				serve(nc)
			})
		}
	})
	return &hostmap.Backend{
		Namespace: "default", Service: name, Port: "80",
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort(ln.Addr().String())},
	}
}
