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
	eventuallyWithin(t, patience, what, holds)
}

// eventuallyWithin waits for a condition that must come in time.
func eventuallyWithin(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// neighbour is a client of good manners: a hundred requests a second on one
// HTTP/2 connection, whatever others do to the server meanwhile. A twin asks
// the same, at the same moments, of another server that nobody attacks. What
// both see comes of the machine: attackers, backends and servers have the same
// few processors and the same runtime, and the race detector.
type neighbour struct {
	quit, done chan struct{}
	here, twin good
	once       sync.Once
	stop       func() // the other server
}

// good is one of the two.
type good struct {
	cc  *http2.ClientConn
	url string

	underWay atomic.Int64

	mu    sync.Mutex
	errs  []error         // guarded by mu
	times []time.Duration // guarded by mu
}

// neighbour starts one that asks for a host's first page, which is answered 200.
func (w *world) neighbour(host string) *neighbour {
	w.t.Helper()
	n := &neighbour{quit: make(chan struct{}), done: make(chan struct{})}
	other := newWorld(w.t, oneSite(w.t, backend(w.t, "twin", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))), nil)
	n.stop = other.stop
	n.here.url, n.twin.url = "https://"+host+"/", "https://a.test/"
	n.here.cc, n.twin.cc = w.h2Client(host, nil), other.h2Client("a.test", nil)
	var wg sync.WaitGroup
	go func() {
		defer close(n.done)
		defer wg.Wait()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-n.quit:
				return
			case <-tick.C:
				wg.Go(n.here.ask)
				wg.Go(n.twin.ask)
			}
		}
	}()
	w.t.Cleanup(n.end)
	n.await(w.t, 1)
	return n
}

// besideGood is a map with a backend for a.test, and one of its own for
// good.test.
func besideGood(t testing.TB, b *hostmap.Backend) *hostmap.Map {
	t.Helper()
	ca := newAuthority(t)
	site := func(host string, b *hostmap.Backend) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Certificates: []*hostmap.Certificate{ca.serverCert(b.Service, host)}, Routes: routeTo(b)})
	}
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("a.test", b), site("good.test", echo(t, "good"))}})
}

func (a *good) ask() {
	a.underWay.Add(1)
	defer a.underWay.Add(-1)
	start := time.Now()
	err := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", a.url, nil)
		if err != nil {
			return err
		}
		resp, err := a.cc.RoundTrip(req)
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
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times = append(a.times, time.Since(start)); err != nil {
		a.errs = append(a.errs, err)
	}
}

// sorted are the times of all requests so far.
func (a *good) sorted() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.times)
	return slices.Clone(a.times)
}

// await waits until so many more requests were answered.
func (n *neighbour) await(t testing.TB, more int) {
	t.Helper()
	for _, a := range []*good{&n.here, &n.twin} {
		goal := len(a.sorted()) + more
		eventually(t, "the good client is answered", func() bool { return len(a.sorted()) >= goal })
	}
}

// end stops asking, and the other server.
func (n *neighbour) end() {
	n.once.Do(func() {
		close(n.quit)
		<-n.done
		_ = n.here.cc.Close()
		_ = n.twin.cc.Close()
		n.stop()
	})
}

// goroutines is how many the client's requests have at the most: its own, and
// those of servers and backends.
func (n *neighbour) goroutines() int {
	return 20 + 8*int(n.here.underWay.Load()+n.twin.underWay.Load())
}

// noise is what a p99 may be whatever the twin's is: of few requests one that a
// busy machine has kept waiting is enough.
const noise = 500 * time.Millisecond

// unharmed ends the client and fails the test if it has noticed anything: an
// error, or a p99 of more than three times its twin's.
func (n *neighbour) unharmed(t testing.TB) {
	t.Helper()
	n.await(t, 20)
	n.end()
	here, twin := n.here.sorted(), n.twin.sorted()
	p99, idle := here[len(here)*99/100], twin[len(twin)*99/100]
	t.Logf("good client: %d requests, p99 %v; of an idle server %v", len(here), p99.Round(10*time.Microsecond), idle.Round(10*time.Microsecond))
	if len(n.here.errs) != 0 {
		t.Errorf("good client: %d of %d requests failed, first: %v", len(n.here.errs), len(here), n.here.errs[0])
	}
	if p99 > max(3*idle, noise) {
		t.Errorf("good client: p99 %v, of an idle server %v", p99, idle)
	}
}

// machine is how long an idle server has let its client wait at the worst: what
// the machine, and no server, is to be blamed for.
func (n *neighbour) machine() time.Duration {
	times := n.twin.sorted()
	return times[len(times)-1]
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
	return int(counterSum(w.t, w.registry, "ingress421_connections_closed_total", "reason", reason))
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
