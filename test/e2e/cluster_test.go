package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/admin"
	"github.com/ingress421/ingress421/internal/source"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/proxy"
	"github.com/ingress421/ingress421/proxy/upstream"
	"github.com/ingress421/ingress421/test/kube"
)

var cluster kube.Shared

func TestMain(m *testing.M) {
	controllers.RouteLogs(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	os.Exit(cluster.Run(m))
}

// api is an API server.
type api struct{ client.Client }

// put implements objects.
func (a api) put(t testing.TB, o client.Object) {
	t.Helper()
	o.SetResourceVersion("")
	o.SetUID("")
	err := a.Create(t.Context(), o)
	if apierrors.IsAlreadyExists(err) {
		// An update without a resource version replaces whatever is there.
		err = a.Update(t.Context(), o)
	}
	if err != nil {
		t.Fatalf("put %T %s: %v", o, o.GetName(), err)
	}
}

// remove implements objects.
func (a api) remove(t testing.TB, o client.Object) {
	t.Helper()
	if err := a.Delete(t.Context(), o); err != nil {
		t.Fatalf("delete %T %s: %v", o, o.GetName(), err)
	}
}

// newAPIStage is a namespace of an API server, with a class of its own. Nothing
// serves it yet.
func newAPIStage(t testing.TB, c *kube.Cluster) (s *stage, controller string) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	direct, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ns := c.Namespace(t)
	s = &stage{ca: testkit.NewCA(t, "test CA"), objects: api{direct}, namespace: ns, class: ns}
	controller = "ingress421.dev/" + ns
	ic := s.ingressClass(controller)
	s.put(t, ic)
	t.Cleanup(func() {
		if err := direct.Delete(context.Background(), ic); err != nil {
			t.Errorf("delete IngressClass %s: %v", ic.Name, err)
		}
	})
	return s, controller
}

// pods is a dialer that stands in for a cluster's network: the API server
// takes no EndpointSlice that names loopback.
type pods struct {
	mu    sync.Mutex
	real  map[string]string // address of the pod: that on loopback; guarded by mu
	count atomic.Int32
}

func (p *pods) listen(t testing.TB) (net.Listener, string, int32) {
	t.Helper()
	ln, _, _ := listenLoopback(t)
	n := p.count.Add(1)
	ip := fmt.Sprintf("10.244.%d.%d", n/200, n%200+1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.real[net.JoinHostPort(ip, "8080")] = ln.Addr().String()
	return ln, ip, 8080
}

func (p *pods) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	real, ok := p.real[addr]
	p.mu.Unlock()
	if !ok {
		return nil, errors.New("no pod has the address " + addr)
	}
	return new(net.Dialer).DialContext(ctx, network, real)
}

// clusterStage is the packages in this process, following an API server.
func clusterStage(t testing.TB) *stage {
	t.Helper()
	c := cluster.Get(t)
	s, controller := newAPIStage(t, c)
	network := &pods{real: make(map[string]string)}
	s.listen, s.log = network.listen, &testkit.Buffer{}
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	registry := prometheus.NewRegistry()
	server, err := proxy.New(proxy.Config{
		HTTPAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", DrainTimeout: 5 * time.Second,
		Upstream: upstream.Config{Dial: network.dial},
		Log:      log, MisdirectedLog: s.log, Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	recorder, health := admin.NewRecorder(log), new(admin.Health)
	registry.MustRegister(recorder)
	metrics := httptest.NewServer(admin.MetricsHandler(registry, health))
	t.Cleanup(metrics.Close)
	s.metrics = metrics.Listener.Addr().String()
	if code, _ := get(t, metrics.URL+"/readyz"); code != 503 {
		t.Errorf("/readyz before the first map: %d, want 503", code)
	}

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if t.Failed() {
			t.Logf("it logged\n%s", s.log)
		}
	})
	wg.Go(func() {
		err := controllers.Run(ctx, controllers.Config{
			Rest: c.Config, Namespaces: []string{s.namespace},
			Config: source.Config{
				Controller: controller, Publish: server.Publish, Log: log,
				Report: func(o source.Outcome) { recorder.Record(o.Map, o.Problems, o.Took) },
			},
		})
		if err != nil {
			t.Errorf("controllers: %v", err)
		}
	})
	listening, stop := context.WithTimeout(ctx, patience)
	defer stop()
	httpLn, httpsLn, err := server.Listen(listening)
	if err != nil {
		t.Fatalf("wait for the first map: %v", err)
	}
	health.SetReady()
	s.http, s.https = httpLn.Addr().String(), httpsLn.Addr().String()
	wg.Go(func() {
		if err := server.Run(ctx, httpLn, httpsLn); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	if code, _ := get(t, metrics.URL+"/readyz"); code != 200 {
		t.Errorf("/readyz after the first map: %d, want 200", code)
	}
	return s
}

func TestCluster(t *testing.T) { play(t, clusterStage(t)) }

// TestClusterWithBinary plays in a network namespace, with API server, binary
// and pods, because only there pods can have addresses that an API server
// takes.
func TestClusterWithBinary(t *testing.T) {
	testkit.Binary(t)
	if !kube.InNetwork(t) {
		return
	}
	c := cluster.Get(t)
	s, controller := newAPIStage(t, c)
	var count int32
	s.listen = func(t testing.TB) (net.Listener, string, int32) {
		count++
		ip := fmt.Sprintf("10.244.%d.%d", count/200, count%200+1)
		ln, err := net.Listen("tcp", ip+":8080")
		if err != nil {
			t.Fatal(err)
		}
		return ln, ip, 8080
	}
	p := testkit.Serve(t, "--kubeconfig", c.Kubeconfig, "--controller-name", controller, "--namespace", s.namespace)
	s.addresses(t, p)
	play(t, s)
}
