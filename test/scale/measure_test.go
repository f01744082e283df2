package scale

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/test/kube"
)

const (
	trials      = 60  // changes of each kind that are timed alone
	churnRate   = 50  // changes a second
	trafficRate = 500 // requests a second
	loadedHosts = 64  // that traffic is for
	phase       = 30 * time.Second
	outage      = 15 * time.Second
	askedHosts  = 10_000 // that have been asked for when /metrics is measured
)

// times are quantiles of how long changes took from the API server's answer
// until a client saw them, in milliseconds.
type times struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// figures are what one size came to. Times are in milliseconds, memory in MiB,
// use of the processor in per cent of one core.
type figures struct {
	Hosts        int     `json:"hosts"`
	Ready        float64 `json:"ready"`
	Settled      float64 `json:"settled"`
	Endpoints    times   `json:"endpoints"`
	Ingress      times   `json:"ingress"`
	Secret       times   `json:"secret"`
	InChurn      times   `json:"inChurn"`
	ChurnCPU     float64 `json:"churnCPU"`
	Peak         float64 `json:"peak"`
	Traffic      times   `json:"traffic"`
	TrafficChurn times   `json:"trafficInChurn"`
	Outage       float64 `json:"afterOutage"`
	MetricsSize  float64 `json:"metricsSize"`
	MetricsTime  float64 `json:"metricsTime"`
	Failed       int     `json:"failed"` // requests that were not answered with 200
}

// run is the binary, what it follows, and who asks it.
type run struct {
	*world
	process *process
	prober  *prober
	round   int // of changes made
}

func measure(t *testing.T, hosts int) figures {
	f := figures{Hosts: hosts}
	cluster := kube.Start(t)
	between, config := kube.NewRelay(t, cluster.Config)
	between.Mend(t)
	kubeconfig := throughRelay(t, cluster, config.Host)
	begun := time.Now()
	w := newWorld(t, cluster, hosts)
	t.Logf("%d hosts written in %v", hosts, time.Since(begun).Round(time.Second))
	serveAddress(t, "0.0.0.0:8080")

	p := start(t, kubeconfig)
	f.Ready = p.ready.Seconds() * 1000
	r := &run{world: w, process: p, prober: newProber(p.Address(t, "serving", "https"), w.ca.Roots())}
	p.settle(t)
	f.Settled = mib(p.Memory(t, "VmRSS"))

	f.Endpoints = r.time(t, r.endpoints)
	f.Ingress = r.time(t, r.ingress)
	f.Secret = r.time(t, r.renewal)
	r.churn(t, &f)

	between.Cut()
	time.Sleep(outage) // the length of the outage
	address, err := w.moveEndpoint(t.Context(), 0, r.next())
	if err != nil {
		t.Fatal(err)
	}
	between.Mend(t)
	after, err := r.prober.untilAnswer(t.Context(), host(0, 0), address)
	if err != nil {
		t.Error(err)
	}
	f.Outage = after.Seconds() * 1000
	f.MetricsSize, f.MetricsTime = r.metrics(t)
	return f
}

// throughRelay writes a kubeconfig whose server is the relay.
func throughRelay(t *testing.T, c *kube.Cluster, relay string) string {
	t.Helper()
	text, err := os.ReadFile(c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), c.Config.Host, relay)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mib(octets int) float64 { return float64(octets) / (1 << 20) }

func (r *run) next() int {
	r.round++
	return r.round
}

// time makes one change after the other.
func (r *run) time(t *testing.T, change func(*testing.T) (time.Duration, error)) times {
	t.Helper()
	var took []time.Duration
	for range trials {
		d, err := change(t)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, d)
	}
	return times{quantile(took, 0.5), quantile(took, 0.99)}
}

func (r *run) endpoints(t *testing.T) (time.Duration, error) {
	address, err := r.moveEndpoint(t.Context(), 0, r.next())
	if err != nil {
		return 0, err
	}
	return r.prober.untilAnswer(t.Context(), host(0, 0), address)
}

// ingress moves hosts between two Services whose endpoints nobody changes but
// itself.
func (r *run) ingress(t *testing.T) (time.Duration, error) {
	to := 2 + r.next()%2
	address, err := r.moveEndpoint(t.Context(), to, 0)
	if err != nil {
		return 0, err
	}
	if _, err := r.prober.untilAnswer(t.Context(), host(to, 0), address); err != nil {
		return 0, err
	}
	if err := r.moveHosts(t.Context(), 1, to); err != nil {
		return 0, err
	}
	return r.prober.untilAnswer(t.Context(), host(1, 0), address)
}

func (r *run) renewal(t *testing.T) (time.Duration, error) {
	leaf, err := r.renew(t, 4)
	if err != nil {
		return 0, err
	}
	return r.prober.untilLeaf(t.Context(), host(4, 0), leaf)
}

// churn measures traffic beside changes of what the binary does not watch, and
// then beside as many changes of endpoints. The API server is as busy in both.
func (r *run) churn(t *testing.T, f *figures) {
	t.Helper()
	hosts := make([]string, loadedHosts)
	for i := range hosts {
		hosts[i] = host(10+i, 0)
	}
	r.prober.load(within(t, 2*time.Second), hosts, trafficRate) // makes the connections
	leases := r.clients.CoordinationV1().Leases(namespace)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "clock"}}
	if _, err := leases.Create(t.Context(), lease, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	calm := r.loaded(t, hosts, func(ctx context.Context, n int) error {
		patch := fmt.Appendf(nil, `{"spec":{"leaseTransitions":%d}}`, n)
		_, err := leases.Patch(ctx, lease.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	})
	peak := r.process.MostMemory(t, "VmRSS")
	var seen []time.Duration
	first := 10 + loadedHosts // whose endpoints nobody is asking for
	churned := r.loaded(t, hosts, func(ctx context.Context, n int) error {
		if n%(churnRate/2) != 0 { // two a second are waited for
			_, err := r.moveEndpoint(ctx, first+rand.IntN(r.ingresses-first), n)
			return err
		}
		address, err := r.moveEndpoint(ctx, 0, r.next())
		if err != nil {
			return err
		}
		took, err := r.prober.untilAnswer(ctx, host(0, 0), address)
		if err == nil {
			seen = append(seen, took)
		}
		return err
	})
	f.Peak = mib(peak())
	f.InChurn = times{quantile(seen, 0.5), quantile(seen, 0.99)}
	f.Traffic, f.TrafficChurn = calm.times, churned.times
	f.ChurnCPU = 100 * (churned.cpu - calm.cpu).Seconds() / phase.Seconds()
	f.Failed = calm.failed + churned.failed
}

// loadedPhase is what a phase of traffic came to.
type loadedPhase struct {
	times
	cpu    time.Duration
	failed int
}

// loaded puts traffic on hosts for a phase, and makes changes beside it, of
// which those that are slow delay no other.
func (r *run) loaded(t *testing.T, hosts []string, change func(ctx context.Context, n int) error) loadedPhase {
	t.Helper()
	ctx := within(t, phase)
	before := r.process.cpu(t)
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(time.Second / churnRate)
		defer tick.Stop()
		var slow sync.Mutex // held by a change that is waited for
		for n := 0; ctx.Err() == nil; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			group.Go(func() {
				if n%(churnRate/2) == 0 {
					slow.Lock()
					defer slow.Unlock()
				}
				if ctx.Err() != nil {
					return
				}
				if err := change(context.WithoutCancel(ctx), n); err != nil {
					t.Errorf("change %d: %v", n, err)
				}
			})
		}
	})
	l := r.prober.load(ctx, hosts, trafficRate)
	cpu := r.process.cpu(t) - before
	group.Wait()
	p := loadedPhase{times: times{quantile(l.took, 0.5), quantile(l.took, 0.99)}, cpu: cpu}
	for what, n := range l.failed {
		t.Logf("%d requests: %s", n, what)
		p.failed += n
	}
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// metrics asks for many hosts, and then for the metrics: their size in MiB and
// how long they take.
func (r *run) metrics(t *testing.T) (size, took float64) {
	t.Helper()
	once := newProber(r.prober.https, r.ca.Roots())
	once.client.Transport.(*http.Transport).DisableKeepAlives = true
	once.client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	next := make(chan string)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for h := range next {
				if status, _, err := once.answer(t.Context(), h); err != nil || status != http.StatusOK {
					t.Errorf("%s is answered with %d, error %v", h, status, err)
				}
			}
		})
	}
	for i := range min(askedHosts, r.ingresses*hostsPerIngress) {
		next <- host(i/hostsPerIngress, i%hostsPerIngress)
	}
	close(next)
	group.Wait()
	begun := time.Now()
	resp, err := http.Get("http://" + r.process.Address(t, "serving", "metrics") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return mib(int(n)), time.Since(begun).Seconds() * 1000
}
