package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// neighbour is a client of good manners: a hundred requests a second on one
// HTTP/2 connection, whatever others do to the server meanwhile. A twin asks
// the same, at the same moments, of another process that nobody attacks. What
// both see comes of the machine: attackers, backends and servers have the same
// few processors, and the first two the race detector.
type neighbour struct {
	quit       chan struct{}
	done       chan struct{}
	here, twin asker
}

// asker is one of the two.
type asker struct {
	ask func() error

	mu    sync.Mutex
	errs  []error         // guarded by mu
	times []time.Duration // guarded by mu
}

// neighbour starts one that asks for a host.
func (s *stage) neighbour(t testing.TB, host string) *neighbour {
	t.Helper()
	other, _ := folderStage(t)
	other.host(t, host, nil)
	other.live(t, host)
	n := &neighbour{quit: make(chan struct{}), done: make(chan struct{})}
	for a, s := range map[*asker]*stage{&n.here: s, &n.twin: other} {
		c := s.open(t, dialing{serverName: host})
		a.ask = func() error {
			answer, err := c.do("GET", "https://"+host+"/", nil)
			if err == nil && answer.StatusCode != 200 {
				err = fmt.Errorf("status %d", answer.StatusCode)
			}
			return err
		}
	}
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
				wg.Go(n.here.request)
				wg.Go(n.twin.request)
			}
		}
	}()
	t.Cleanup(n.end)
	n.await(t, 1)
	return n
}

func (a *asker) request() {
	start := time.Now()
	err := a.ask()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.times = append(a.times, time.Since(start)); err != nil {
		a.errs = append(a.errs, err)
	}
}

// sorted are the times of all requests so far.
func (a *asker) sorted() ([]time.Duration, []error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.times)
	return slices.Clone(a.times), slices.Clone(a.errs)
}

// await waits until so many more requests were answered.
func (n *neighbour) await(t testing.TB, more int) {
	t.Helper()
	for _, a := range []*asker{&n.here, &n.twin} {
		times, _ := a.sorted()
		goal := len(times) + more
		testkit.Eventually(t, "the good client is answered", func() string {
			if times, _ := a.sorted(); len(times) < goal {
				return fmt.Sprintf("%d requests of %d", len(times), goal)
			}
			return ""
		})
	}
}

func (n *neighbour) end() {
	select {
	case <-n.quit:
	default:
		close(n.quit)
	}
	<-n.done
}

// noise is what a p99 may be whatever the twin's is: a thousand requests have
// ten that are slower.
const noise = 100 * time.Millisecond

// unharmed ends the client and fails the test if it has noticed anything: an
// error, or a p99 of more than three times its twin's.
func (n *neighbour) unharmed(t testing.TB) {
	t.Helper()
	n.await(t, 50)
	n.end()
	here, errs := n.here.sorted()
	twin, _ := n.twin.sorted()
	p99, idle := here[len(here)*99/100], twin[len(twin)*99/100]
	t.Logf("good client: %d requests, p99 %v; of an idle server %v", len(here), p99.Round(10*time.Microsecond), idle.Round(10*time.Microsecond))
	if len(errs) != 0 {
		t.Errorf("good client: %d requests failed, first: %v", len(errs), errs[0])
	}
	if p99 > max(3*idle, noise) {
		t.Errorf("good client: p99 %v, of an idle server %v", p99, idle)
	}
}

// machine is how long an idle server has let its client wait at the worst: what
// the machine, and no server, is to be blamed for.
func (n *neighbour) machine() time.Duration {
	times, _ := n.twin.sorted()
	return times[len(times)-1]
}

// needDescriptors ends the test where a process may not open so many files.
// Programs in Go raise their soft limit to the hard one when they start.
func needDescriptors(t testing.TB, n int) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur < uint64(n) {
		require.Missing(t, fmt.Sprintf("a limit of %d descriptors (ulimit -n)", n))
	}
}

// rss is the resident memory of the process, in octets.
func rss(t testing.TB, p *testkit.Process) int {
	t.Helper()
	return p.Memory(t, "VmRSS")
}

// openFiles and goroutines are the server's, as its metrics tell.
func (s *stage) openFiles(t testing.TB) int  { return int(s.metric(t, "process_open_fds")) }
func (s *stage) goroutines(t testing.TB) int { return int(s.metric(t, "go_goroutines")) }

// cpu is the processor time that the server has taken.
func (s *stage) cpu(t testing.TB) time.Duration {
	return time.Duration(s.metric(t, "process_cpu_seconds_total") * float64(time.Second))
}

// shake opens a connection and does the handshake for a protocol; "" is none.
// nc is the connection beneath: when tc is no longer used, all that is left of
// it is a descriptor.
func (s *stage) shake(host, protocol string, dialer *net.Dialer) (nc net.Conn, tc *tls.Conn, err error) {
	if nc, err = dialer.Dial("tcp", s.https); err != nil || protocol == "" {
		return nc, nil, err
	}
	tc = tls.Client(nc, &tls.Config{
		ServerName: host, NextProtos: []string{protocol}, InsecureSkipVerify: true,
		CurvePreferences: []tls.CurveID{tls.CurveP256}, // the cheapest here: there are thousands
	})
	if err = nc.SetDeadline(time.Now().Add(patience)); err == nil {
		err = tc.Handshake()
	}
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, tc, nc.SetDeadline(time.Time{})
}

// frames are the octets of a connection's beginning: preface, SETTINGS, their
// acknowledgement, and what add writes.
func frames(add func(fr *http2.Framer), settings ...http2.Setting) []byte {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&b, nil)
	_ = fr.WriteSettings(settings...)
	_ = fr.WriteSettingsAck()
	if add != nil {
		add(fr)
	}
	return b.Bytes()
}

// block is a header block of name, value pairs, behind the four pseudo-header
// fields.
func block(method, host, path string, more ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	all := append([]string{":method", method, ":scheme", "https", ":authority", host, ":path", path}, more...)
	for i := 0; i < len(all); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	return b.Bytes()
}
