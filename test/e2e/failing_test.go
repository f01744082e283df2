package e2e

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
)

// failingRate is how many requests a second a host of TestFailingPods gets with
// FAILING, briefRate without: the machines that test are busy.
const (
	failingRate = 100
	briefRate   = 20
)

// TestFailingPods: no GET is lost while some of a Service's pods fail, in one
// way or another. Each case is played by a host of its own for HTTP/2 clients,
// and by another for HTTP/1.1, all at the same time.
//
// FAILING, a duration such as 60s, says for how long, at 100 requests a second for
// each host; 3 s at 20 a second without. With -v the
// figures are logged: lost requests, and quantiles of the time they took.
// INGRESS421_BINARY names a binary to compare with.
func TestFailingPods(t *testing.T) {
	length, rate := 3*time.Second, briefRate
	if v := os.Getenv("FAILING"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("FAILING: %v", err)
		}
		length, rate = d, failingRate
	}
	dir := t.TempDir()
	s, _ := folderStage(t)
	cases := []struct {
		name     string
		protocol string // spoken to the pods
		pods     []podKind
		roll     func(r *rollout)
	}{
		{"one-of-two-refuses", "HTTP", []podKind{refusing, living}, nil},
		{"two-of-three-refuse", "HTTP", []podKind{refusing, living, refusing}, nil},
		{"one-of-two-black-holed", "HTTP", []podKind{blackHole, living}, nil},
		{"two-of-three-black-holed", "HTTP", []podKind{blackHole, living, blackHole}, nil},
		{"two-of-three-black-holed-h2c", "H2C", []podKind{blackHole, living, blackHole}, nil},
		{"one-of-three-resets", "HTTP", []podKind{resetting, living, living}, nil},
		{"one-of-three-resets-h2c", "H2C", []podKind{resetting, living, living}, nil},
		{"two-of-three-reset", "HTTP", []podKind{resetting, living, resetting}, nil},
		{"rolling-slice-first", "HTTP", []podKind{living, living, living}, (*rollout).sliceFirst},
		{"rolling-pod-first", "HTTP", []podKind{living, living, living}, (*rollout).podFirst},
		{"rolling-pod-first-h2c", "H2C", []podKind{living, living, living}, (*rollout).podFirst},
	}
	var all sync.WaitGroup
	results := make(map[string]*figures)
	for _, c := range cases {
		for _, protocol := range []string{"h2", "http1"} {
			name := c.name + "-" + protocol
			r := &rollout{t: t, s: s, dir: dir, folder: string(s.objects.(folder)), service: name, over: make(chan struct{})}
			for _, kind := range c.pods {
				r.pods = append(r.pods, r.pod(kind))
			}
			host := name + ".test"
			r.publish()
			s.put(t, s.secret(name+"-tls", s.ca.Server(t, host)), s.service(name), s.ingress(host, name, name+"-tls", "backend-protocol", c.protocol))
			f := &figures{host: host, codes: make(map[string]int)}
			results[name] = f
			all.Go(func() {
				awaitHandshake(t, s, host)
				var rolling sync.WaitGroup
				if c.roll != nil {
					rolling.Go(func() { r.roll(c.roll) })
				}
				f.load(s, protocol == "http1", length, rate)
				close(r.over)
				rolling.Wait()
			})
		}
	}
	all.Wait()
	for _, name := range slices.Sorted(maps.Keys(results)) {
		f := results[name]
		t.Logf("%-34s %v", name, f)
		if f.lost() > 0 {
			t.Errorf("%s: %d of %d GETs were lost: %v", name, f.lost(), len(f.took), f.codes)
		}
	}
}

// awaitHandshake waits until a host is served, without a request.
func awaitHandshake(t testing.TB, s *stage, host string) {
	t.Helper()
	testkit.Eventually(t, host+" is served", func() string {
		c, err := s.dial(dialing{serverName: host})
		if err != nil {
			return err.Error()
		}
		c.close()
		return ""
	})
}

// figures are what became of a host's requests.
type figures struct {
	host string

	mu    sync.Mutex
	took  []time.Duration
	codes map[string]int
}

// load sends GETs at a rate, whether or not those before are answered.
func (f *figures) load(s *stage, http1 bool, length time.Duration, rate int) {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.https)
		},
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // whose certificate it is is not what is tested
		ForceAttemptHTTP2:   !http1,
		MaxIdleConnsPerHost: failingRate * 10,
	}
	if http1 {
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	defer tr.CloseIdleConnections()
	f.get(tr) // so that not all that come while there is no connection go out at once
	var sent sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		sent.Go(func() {
			start := time.Now()
			code := f.get(tr)
			took := time.Since(start)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.took = append(f.took, took)
			f.codes[code]++
		})
	}
	sent.Wait()
}

// get sends one request and says what came of it.
func (f *figures) get(rt http.RoundTripper) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+f.host+"/", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Proxy-Status")))
}

func (f *figures) lost() int { return len(f.took) - f.codes["200"] }

func (f *figures) String() string {
	slices.SortFunc(f.took, cmp.Compare)
	at := func(q float64) float64 { return ms(f.took[int(q*float64(len(f.took)-1))]) }
	return fmt.Sprintf("%5d GETs, lost %4d, p50 %7.1f ms, p99 %7.1f ms, p99.9 %7.1f ms, max %7.1f ms",
		len(f.took), f.lost(), at(.5), at(.99), at(.999), at(1))
}

// podKind is what a pod does with connections.
type podKind int

const (
	living    podKind = iota
	refusing          // nobody listens
	blackHole         // packets for it are dropped
	resetting         // it reads a request, and resets the connection
)

// pod is one endpoint of a Service.
type pod struct {
	address string
	port    int32
	asked   chan struct{} // closed when a living one gets its first request
	close   func()        // at once, with whatever is under way
}

// rollEvery is the time between two steps of a rolling update, and lag the time
// by which slice and pod differ.
const (
	rollEvery = 300 * time.Millisecond
	lag       = 100 * time.Millisecond
)

// rollout is a Service whose pods come and go.
type rollout struct {
	t       testing.TB
	s       *stage
	dir     string // for files that are not whole yet
	folder  string
	service string
	pods    []pod
	turn    int           // the pod that is replaced next
	over    chan struct{} // closed when there are no more requests
}

// roll replaces pods, step by step, while there are requests.
func (r *rollout) roll(step func(*rollout)) {
	for {
		select {
		case <-r.over:
			return
		case <-time.After(rollEvery):
			step(r)
		}
	}
}

// replace starts a pod in the place of the next one, which it returns.
func (r *rollout) replace() (old, young pod) {
	old, young = r.pods[r.turn], r.pod(living)
	r.pods[r.turn] = young
	r.turn = (r.turn + 1) % len(r.pods)
	return old, young
}

// await waits until a pod gets requests: the slice that names it is live.
func (r *rollout) await(p pod) {
	select {
	case <-p.asked:
	case <-r.over:
	case <-time.After(patience):
		r.t.Errorf("%s: a pod of the slice gets no request", r.service)
	}
}

// sliceFirst replaces a pod: the new one is there, the slice names it instead
// of the old one, and the old one closes at once a little later.
func (r *rollout) sliceFirst() {
	old, young := r.replace()
	r.publish()
	r.await(young)
	time.Sleep(lag) // as long as kubelet and endpoint controller are apart
	old.close()
}

// podFirst replaces two of three pods, as when a node goes: the slice comes to
// know only after they have closed.
func (r *rollout) podFirst() {
	old1, young1 := r.replace()
	old2, young2 := r.replace()
	old1.close()
	old2.close()
	time.Sleep(lag)
	r.publish()
	r.await(young1)
	r.await(young2)
}

// publish writes the slice of the Service, in one step.
func (r *rollout) publish() {
	var text []byte
	for i, p := range r.pods {
		// The pods of the test differ in their ports, so each has a slice.
		slice := r.s.slice(r.service, p.address, p.port, true)
		slice.Name = fmt.Sprintf("%s-%d", r.service, i)
		b, err := yaml.Marshal(slice)
		if err != nil {
			r.t.Error(err)
			return
		}
		text = append(append(text, "---\n"...), b...)
	}
	whole := filepath.Join(r.dir, r.service)
	if err := os.WriteFile(whole, text, 0o600); err != nil {
		r.t.Error(err)
		return
	}
	if err := os.Rename(whole, filepath.Join(r.folder, "slices-"+r.service+".yaml")); err != nil {
		r.t.Error(err)
	}
}

// pod starts one.
func (r *rollout) pod(kind podKind) pod {
	if kind == blackHole {
		return r.blackHole()
	}
	ln, address, port := r.s.listen(r.t)
	p := pod{address: address, port: port, asked: make(chan struct{}), close: func() { _ = ln.Close() }}
	switch kind {
	case living:
		var once sync.Once
		srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			once.Do(func() { close(p.asked) })
			time.Sleep(20 * time.Millisecond) // so that some are under way when it closes
			_, _ = io.WriteString(w, "ok")
		})}
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
		go func() { _ = srv.Serve(ln) }()
		p.close = func() { _ = srv.Close() }
	case refusing:
		_ = ln.Close()
	case resetting:
		go func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = nc.Read(make([]byte, 1024))
					_ = nc.(*net.TCPConn).SetLinger(0)
					_ = nc.Close()
				}()
			}
		}()
	}
	r.t.Cleanup(p.close)
	return p
}
