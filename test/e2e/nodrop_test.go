package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
)

// long tells whether the long versions are asked for (make test-long).
func long() bool { return os.Getenv("LONG") != "" }

// replace puts an object in one step, as what replaces files does that are
// watched.
func (f folder) replace(t testing.TB, o client.Object) {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	file := f.path(o)
	part := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".part")
	if err := os.WriteFile(part, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, file); err != nil {
		t.Fatal(err)
	}
}

// traffic sends requests to a host at a steady pace, over every protocol, and
// keeps what goes wrong.
type traffic struct {
	wg     sync.WaitGroup
	cancel context.CancelFunc
	sent   atomic.Int64

	mu    sync.Mutex
	wrong map[string]int // guarded by mu
}

// sendTo begins. Each of the clients has connections of its own to an address and
// sends a request each pause.
func sendTo(t testing.TB, ca *testkit.CA, address, host string, clients int, pause time.Duration) *traffic {
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{cancel: cancel, wrong: map[string]int{}}
	for i := range clients {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: ca.Roots()}, //nolint:gosec // the default versions
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
			Protocols: new(http.Protocols), MaxIdleConnsPerHost: 4,
		}
		if i%2 == 0 {
			transport.Protocols.SetHTTP2(true)
		} else {
			transport.Protocols.SetHTTP1(true)
		}
		c := &http.Client{Transport: transport, Timeout: patience}
		tr.wg.Go(func() {
			defer transport.CloseIdleConnections()
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				// A POST over HTTP/1.1 that meets the end of an idle connection is lost
				// whoever ends it (RFC 9112 section 9.3.1): no client sends it again.
				tr.note(send(c, host, i%2 == 0 && n%4 == 0))
			}
		})
	}
	return tr
}

func send(c *http.Client, host string, post bool) error {
	method, body := http.MethodGet, io.Reader(nil)
	if post {
		method, body = http.MethodPost, strings.NewReader("some content")
	}
	req, err := http.NewRequestWithContext(context.Background(), method, "https://"+host+"/", body)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: read: %w", method, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %d %s", resp.Proto, method, resp.StatusCode, text)
	}
	return nil
}

func (tr *traffic) note(err error) {
	tr.sent.Add(1)
	if err == nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.wrong[err.Error()]++
}

// end stops it, and fails the test for whatever went wrong.
func (tr *traffic) end(t testing.TB) (sent int64) {
	t.Helper()
	tr.cancel()
	tr.wg.Wait()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for what, n := range tr.wrong {
		t.Errorf("%d of %d requests: %s", n, tr.sent.Load(), what)
	}
	return tr.sent.Load()
}

// fleet is the endpoints of a Service, which come and go.
type fleet struct {
	stage   *stage
	service string
	live    []*replica
	leaving sync.WaitGroup
}

type replica struct {
	port int32
	srv  *http.Server
}

func (p *fleet) start(t testing.TB) {
	ln, _, port := p.stage.listen(t)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Backend", p.service)
		_, _ = io.WriteString(w, strconv.Itoa(int(port)))
	})}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	p.live = append(p.live, &replica{port, srv})
}

// slices are the EndpointSlices, one for each port; all but the first n are empty.
func (p *fleet) slices(n int) (all []client.Object) {
	ready, name := true, "http"
	for i, one := range p.live {
		s := p.stage.slice(p.service, "127.0.0.1", one.port, true)
		s.Name = fmt.Sprintf("%s-%d", p.service, i)
		if i >= n {
			s.Endpoints = nil
		}
		s.Ports = []discoveryv1.EndpointPort{{Name: &name, Port: &one.port}}
		for j := range s.Endpoints {
			s.Endpoints[j].Conditions.Ready = &ready
		}
		all = append(all, s)
	}
	return all
}

// leave has a pod end as Kubernetes has it: it is out of the slices, and then, when
// whoever reads them has had the time, it finishes its requests.
func (p *fleet) leave(one *replica) {
	p.leaving.Go(func() {
		time.Sleep(3 * time.Second) // a preStop hook
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = one.srv.Shutdown(ctx)
	})
}

// TestNothingIsDropped: while endpoints, certificates and Ingresses change twenty
// times a second every request is answered.
func TestNothingIsDropped(t *testing.T) {
	span, floor := 6*time.Second, int64(200)
	if long() {
		span, floor = time.Minute, 20_000
	}
	s, p := folderStage(t)
	dir := s.objects.(folder)
	web := &fleet{stage: s, service: "web"}
	for range 4 {
		web.start(t)
	}
	replace := func(list ...client.Object) {
		for _, o := range list {
			dir.replace(t, o)
		}
	}
	replace(s.service("web"), s.secret("web-tls", s.ca.Server(t, "web.test")), s.ingress("web.test", "web", "web-tls"))
	replace(web.slices(4)...)
	s.live(t, "web.test")

	load := sendTo(t, s.ca, s.https, "web.test", 10, 20*time.Millisecond)
	published := s.metric(t, "ingress421_hostmap_publish_total")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n, end := 0, time.Now().Add(span); time.Now().Before(end); n++ {
		<-tick.C
		switch n % 5 {
		case 0:
			replace(web.slices(1 + rand.IntN(4))...)
		case 1:
			replace(s.secret("web-tls", s.ca.Server(t, "web.test")))
		case 2:
			replace(s.ingress("web.test", "web", "web-tls", "read-timeout", fmt.Sprintf("%ds", 30+n)))
		case 3:
			other := s.ingress("other.test", "web", "web-tls")
			replace(other)
			if n%2 == 0 {
				dir.remove(t, other)
			}
		case 4:
			gone := web.live[0]
			web.live = web.live[1:]
			web.start(t)
			replace(web.slices(4)...)
			web.leave(gone)
		}
	}
	if sent := load.end(t); sent < floor {
		t.Errorf("%d requests were sent, which shows nothing", sent)
	} else {
		t.Logf("%d requests, %.0f host maps", sent, s.metric(t, "ingress421_hostmap_publish_total")-published)
	}
	web.leaving.Wait()
	p.Stop(t)
}

// balancer passes connections on to whichever of two replicas is ready, as a
// balancer before a Service does.
type balancer struct {
	ln       net.Listener
	mu       sync.Mutex
	replicas [2]struct{ https, metrics string } // guarded by mu; "" is none
	next     int                                // guarded by mu
}

func newBalancer(t testing.TB) *balancer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{ln: ln}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.pass(c) })
		}
	})
	return b
}

func (b *balancer) set(i int, https, metrics string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replicas[i].https, b.replicas[i].metrics = https, metrics
}

// pick asks for readiness at each connection, so that it knows at once.
func (b *balancer) pick() (address string) {
	b.mu.Lock()
	replicas, first := b.replicas, b.next
	b.next++
	b.mu.Unlock()
	for i := range replicas {
		r := replicas[(first+i)%len(replicas)]
		if r.https == "" {
			continue
		}
		resp, err := http.Get("http://" + r.metrics + "/readyz")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return r.https
		}
	}
	return ""
}

func (b *balancer) pass(client net.Conn) {
	defer client.Close()
	replica, err := net.Dial("tcp", b.pick())
	if err != nil {
		return
	}
	defer replica.Close()
	var wg sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}
	wg.Go(func() { one(replica, client) })
	one(client, replica)
	wg.Wait()
}

// tunnels opens WebSockets one after the other, each for a while, and says what
// goes wrong in one.
func tunnels(ctx context.Context, s *stage, address, host string) error {
	for ctx.Err() == nil {
		if err := tunnel(s, address, host); err != nil {
			return err
		}
	}
	return nil
}

func tunnel(s *stage, address, host string) error {
	at := *s
	at.https = address
	c, err := at.dial(dialing{serverName: host, http1: true})
	if err != nil {
		return err
	}
	defer c.close()
	_ = c.nc.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c.nc, "GET /tunnel HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.rd, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("a tunnel: %s", resp.Status)
	}
	for range 10 {
		if _, err := io.WriteString(c.nc, "ping"); err != nil {
			return err
		}
		var got [4]byte
		if _, err := io.ReadFull(c.rd, got[:]); err != nil || string(got[:]) != "ping" {
			return errors.Join(err, fmt.Errorf("a tunnel brings %q", got))
		}
		time.Sleep(20 * time.Millisecond) // the pace of messages
	}
	return nil
}

// TestRollingRestart: two replicas are restarted in turn behind a balancer, and
// no client notices that does what GOAWAY and Connection: close say.
func TestRollingRestart(t *testing.T) {
	restarts := 4
	if long() {
		restarts = 20
	}
	s, first := folderStage(t)
	dir := s.objects.(folder)
	b := s.backend(t, "web", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tunnel" {
			w.Header().Set("X-Backend", "web")
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(nc, rw)
	})
	s.put(t, s.service("web"), s.secret("web-tls", s.ca.Server(t, "web.test")), s.ingress("web.test", "web", "web-tls"), s.slice("web", b.address, b.port, true))
	s.live(t, "web.test")

	replicas := [2]*testkit.Process{first, testkit.Serve(t, "--manifests", string(dir))}
	lb := newBalancer(t)
	ready := func(i int) {
		lb.set(i, replicas[i].Address(t, "serving", "https"), replicas[i].Address(t, "serving", "metrics"))
	}
	ready(0)
	ready(1)
	load := sendTo(t, s.ca, lb.ln.Addr().String(), "web.test", 6, 20*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := tunnels(ctx, s, lb.ln.Addr().String(), "web.test"); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range restarts {
		i := n % 2
		if code := replicas[i].Stop(t); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		replicas[i] = testkit.Serve(t, "--manifests", string(dir))
		ready(i)
	}
	cancel()
	wg.Wait()
	t.Logf("%d requests", load.end(t))
}

// TestDrainFollowsEndpoints: a process that drains goes on following objects, so
// that what it still has to answer goes to pods that are there.
func TestDrainFollowsEndpoints(t *testing.T) {
	s, p := folderStage(t)
	entered, release := make(chan struct{}), make(chan struct{})
	old := s.backend(t, "old", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-release
		}
		echo(w, r, "web")
	})
	next := s.backend(t, "next", nil)
	s.put(t, s.service("web"), s.secret("web-tls", s.ca.Server(t, "web.test")), s.ingress("web.test", "web", "web-tls"), s.slice("web", old.address, old.port, true))
	s.live(t, "web.test")
	slow := s.open(t, dialing{serverName: "web.test", http1: true})
	ended := make(chan error, 1)
	go func() {
		_, err := slow.do("GET", "https://web.test/slow", nil)
		ended <- err
	}()
	<-entered
	published := s.metric(t, "ingress421_hostmap_publish_total")
	p.Signal(t)
	testkit.Eventually(t, "/readyz fails", func() string {
		if code, _ := get(t, "http://"+s.metrics+"/readyz"); code != 503 {
			return "it says that it is ready"
		}
		return ""
	})
	s.objects.(folder).replace(t, s.slice("web", next.address, next.port, true))
	testkit.Eventually(t, "the change is live", func() string {
		if s.metric(t, "ingress421_hostmap_publish_total") == published {
			return "no host map was published while it drains"
		}
		return ""
	})
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code := p.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}
