package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// soak is a server under mixed load, and the counts of what was done to it.
type soak struct {
	*world
	maps []*hostmap.Map

	good, canceled, aborted, misdirected, published atomic.Int64

	mu     sync.Mutex
	failed []error // guarded by mu

	idle int // goroutines before there was any load
}

// TestSoak loads a server in every way at once while ten host maps a second
// are published and certificates renewed: no request of a client of good
// manners fails, and memory, goroutines and descriptors stay what they were.
// SOAK, a duration such as 10m, says for how long; 5 s without.
func TestSoak(t *testing.T) {
	length := 5 * time.Second
	if v := os.Getenv("SOAK"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	s := newSoak(t)
	// The first phase grows what is kept for reuse.
	phases := max(2, min(10, int(length/time.Minute)))
	fds := descriptors()
	var first sample
	for phase := range phases {
		s.phase(length / time.Duration(phases))
		now := s.settle()
		t.Logf("phase %d: %d KiB heap, %d goroutines, %d descriptors; %d good requests, %d canceled, %d aborted, %d misdirected, %d maps",
			phase+1, now.heap>>10, now.goroutines, now.descriptors, s.good.Load(), s.canceled.Load(), s.aborted.Load(), s.misdirected.Load(), s.published.Load())
		if phase == 0 {
			first = now
			continue
		}
		if now.heap > first.heap+first.heap/10+(2<<20) {
			t.Errorf("heap of %d KiB, %d at first", now.heap>>10, first.heap>>10)
		}
		if now.goroutines > first.goroutines+10 {
			t.Errorf("%d goroutines, %d at first", now.goroutines, first.goroutines)
		}
	}
	eventually(t, "descriptors are given back", func() bool { return descriptors() <= fds+5 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) != 0 {
		t.Errorf("%d of %d good requests failed, first: %v", len(s.failed), s.good.Load(), s.failed[0])
	}
	for what, n := range map[string]*atomic.Int64{"good": &s.good, "canceled": &s.canceled, "aborted": &s.aborted, "misdirected": &s.misdirected, "published": &s.published} {
		if n.Load() == 0 {
			t.Errorf("nothing was %s", what)
		}
	}
}

func newSoak(t *testing.T) *soak {
	big := make([]byte, 1<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/big":
			_, _ = w.Write(big)
		case "/hold":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		default:
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.Copy(w, r.Body)
			_, _ = io.WriteString(w, "done")
		}
	})
	ca := newAuthority(t)
	a, b := backend(t, "a", handler), backend(t, "b", handler)
	both := &hostmap.Backend{Namespace: "default", Service: "both", Port: "80", Endpoints: append(a.Endpoints[:1:1], b.Endpoints...)}
	s := &soak{}
	for i := range 8 {
		// Renewed certificates, other endpoints, and a site that comes and goes.
		cert := ca.serverCert("a", "a.test", "b.test")
		to := []*hostmap.Backend{a, b, both}[i%3]
		sites := []*hostmap.Site{
			hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "a.test", Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(to)}),
			hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "b.test", Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(to)}),
		}
		if i%2 == 0 {
			sites = append(sites, hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "c.test", Certificates: []*hostmap.Certificate{ca.serverCert("c", "c.test")}, Routes: routeTo(to)}))
		}
		s.maps = append(s.maps, hostmap.New(hostmap.Spec{Sites: sites}))
	}
	s.world = newWorld(t, s.maps[0], func(c *Config) {
		c.MisdirectedLog = io.Discard
		c.Upstream.IdleTimeout = time.Second
	})
	s.idle = goroutines()
	return s
}

// phase loads the server for a time.
func (s *soak) phase(length time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		for _, protocol := range []string{message.HTTP1, message.HTTP2} {
			wg.Go(func() { s.client(ctx, protocol) })
		}
	}
	wg.Go(func() { s.impatient(ctx) })
	wg.Go(func() { s.rude(ctx) })
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				n := s.published.Add(1)
				s.server.Publish(s.maps[int(n)%len(s.maps)])
			}
		}
	})
	wg.Wait()
}

// transport is a client's, with a connection for a.test whatever it asks for.
func (s *soak) transport(protocol string) *http.Transport {
	tr := &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 10, Protocols: new(http.Protocols),
		// A request that is given up while it dials leaves a connection behind.
		IdleConnTimeout: time.Second,
		TLSClientConfig: &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}, //nolint:gosec // a test looks at what it is served
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.https)
		},
	}
	tr.Protocols.SetHTTP1(protocol == message.HTTP1)
	tr.Protocols.SetHTTP2(protocol == message.HTTP2)
	return tr
}

// client makes requests that must all be answered, four at a time.
func (s *soak) client(ctx context.Context, protocol string) {
	tr := s.transport(protocol)
	defer tr.CloseIdleConnections()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := s.ask(tr, i); err != nil {
					s.mu.Lock()
					s.failed = append(s.failed, fmt.Errorf("%s, request %d: %w", protocol, i, err))
					s.mu.Unlock()
				}
				s.good.Add(1)
			}
		})
	}
	wg.Wait()
}

func (s *soak) ask(rt http.RoundTripper, i int) error {
	// Not the load's: a request under way at its end is awaited.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url, status := "https://a.test/", 200
	var body []byte
	length := int64(0)
	switch i % 8 {
	case 1:
		url = "https://b.test/big"
	case 2, 3:
		body = bytes.Repeat([]byte{'x'}, rand.IntN(200_000))
		if length = int64(len(body)); i%8 == 3 {
			length = -1
		}
	case 4:
		url, status = "https://c.test/", 421
	}
	req, err := http.NewRequestWithContext(ctx, "PUT", url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.ContentLength = length
	if length == 0 {
		req.Method, req.Body, req.GetBody = "GET", nil, nil
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, url, err)
	}
	defer resp.Body.Close()
	got, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: body: %w", req.Method, url, err)
	}
	if resp.StatusCode != status {
		return fmt.Errorf("%s %s: %d", req.Method, url, resp.StatusCode)
	}
	if want := int64(len(body) + len("done")); url == "https://a.test/" && got != want {
		return fmt.Errorf("%d octets of %d", got, want)
	}
	if status == 421 {
		s.misdirected.Add(1)
	}
	return nil
}

// impatient gives requests up: held ones, and responses that have begun.
func (s *soak) impatient(ctx context.Context) {
	one, two := s.transport(message.HTTP1), s.transport(message.HTTP2)
	defer one.CloseIdleConnections()
	defer two.CloseIdleConnections()
	for i := 0; ctx.Err() == nil; i++ {
		tr := []*http.Transport{one, two}[i%2]
		path := []string{"/hold", "/big"}[i/2%2]
		giveUp, cancel := context.WithTimeout(ctx, time.Duration(1+rand.IntN(30))*time.Millisecond)
		req, err := http.NewRequestWithContext(giveUp, "GET", "https://a.test"+path, nil)
		if err != nil {
			cancel()
			continue
		}
		if resp, err := tr.RoundTrip(req); err == nil {
			_, _ = io.CopyN(io.Discard, resp.Body, 1000)
			_ = resp.Body.Close()
		}
		cancel()
		s.canceled.Add(1)
	}
}

// rude opens connections, begins something and goes away with a TCP reset.
func (s *soak) rude(ctx context.Context) {
	half := [][]byte{
		nil,
		[]byte("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nhalf"),
		[]byte("GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		[]byte("GET / HTT"),
		[]byte(http2.ClientPreface),
		append([]byte(http2.ClientPreface), 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 1),
	}
	for i := 0; ctx.Err() == nil; i++ {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", s.https)
		if err != nil {
			continue
		}
		what := i % len(half)
		protocol := "http/1.1"
		if what >= 4 {
			protocol = "h2"
		}
		if what != 0 {
			tc := tls.Client(nc, &tls.Config{ServerName: "a.test", NextProtos: []string{protocol}, InsecureSkipVerify: true}) //nolint:gosec // as above
			if tc.HandshakeContext(ctx) == nil {
				_, _ = tc.Write(half[what])
			}
		}
		if c, ok := nc.(*net.TCPConn); ok {
			_ = c.SetLinger(0)
		}
		_ = nc.Close()
		s.aborted.Add(1)
	}
}

// sample is what a server without load holds.
type sample struct {
	heap                    uint64
	goroutines, descriptors int
}

// settle waits until the load's connections are gone and takes a sample.
func (s *soak) settle() sample {
	eventually(s.t, "all connections are gone", func() bool { return openConnections(s.t, s.registry) == 0 })
	eventually(s.t, "connections to backends are idle out", func() bool { return goroutines() <= s.idle+5 })
	s.server.Publish(s.maps[0])
	var m runtime.MemStats
	for range 3 { // what pools hold goes after two
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return sample{m.HeapAlloc, goroutines(), descriptors()}
}
