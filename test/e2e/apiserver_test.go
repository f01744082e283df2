package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
)

// gateway stands between the binary and an API server, and breaks what passes.
type gateway struct {
	kubeconfig string // of who goes through it

	mu    sync.Mutex
	to    http.Handler // the API server; guarded by mu, as is the next
	fault fault
	epoch context.Context // of requests; done when something else is to break
	end   context.CancelFunc
}

// fault answers a request instead of the API server, which is pass.
type fault func(w http.ResponseWriter, r *http.Request, pass http.Handler)

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := new(gateway)
	g.epoch, g.end = context.WithCancel(context.Background())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	g.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(g.kubeconfig, []byte(`{"apiVersion": "v1", "kind": "Config", "current-context": "a",
"clusters": [{"name": "a", "cluster": {"server": "http://`+ln.Addr().String()+`"}}],
"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}], "users": [{"name": "a", "user": {}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// lead leads requests to an API server.
func (g *gateway) lead(t *testing.T, c *rest.Config) {
	t.Helper()
	transport, err := rest.TransportFor(c)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(c.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	g.mu.Lock()
	g.to = proxy
	g.mu.Unlock()
	g.breaks(nil)
}

// breaks ends all requests, and breaks those that follow; nil breaks nothing.
func (g *gateway) breaks(f fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end()
	g.epoch, g.end = context.WithCancel(context.Background())
	g.fault = f
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	to, f, epoch := g.to, g.fault, g.epoch
	g.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(epoch, cancel)()
	r = r.WithContext(ctx)
	if f == nil {
		to.ServeHTTP(w, r)
		return
	}
	f(w, r, to)
}

func gone(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// says answers all with an error of Kubernetes.
func says(code int, reason metav1.StatusReason) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": %d, "reason": %q, "message": "broken for a test"}`, code, reason)
	}
}

// half sends half of each list, and ends each watch.
func half(tell bool) fault {
	return func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if r.URL.Query().Has("watch") {
			panic(http.ErrAbortHandler)
		}
		whole := &recorded{header: make(http.Header)}
		pass.ServeHTTP(whole, r)
		for name, values := range whole.header {
			w.Header()[name] = values
		}
		n := whole.body.Len()
		if tell {
			n /= 2 // It ends where it says that it does.
		}
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.WriteHeader(whole.code)
		_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
	}
}

// recorded is a response that is kept.
type recorded struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(code int)        { r.code = code }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }

// TestBrokenAPIServer: whatever becomes of the API server, clients see nothing
// of it, and what has changed meanwhile is served soon after. Who starts then
// takes no connections.
func TestBrokenAPIServer(t *testing.T) {
	testkit.Binary(t)
	if !kube.InNetwork(t) {
		return
	}
	const soon = 10 * time.Second
	c := cluster.Get(t)
	s, controller := newAPIStage(t, c)
	pod, err := net.Listen("tcp", "10.244.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	s.listen = func(testing.TB) (net.Listener, string, int32) { return pod, "10.244.0.1", 8080 }
	b := s.backend(t, "a", nil)
	g := newGateway(t)
	g.lead(t, c.Config)
	secret := s.secret("tls", s.ca.Server(t, "*.test"))
	base := []client.Object{secret, s.service("a"), s.slice("a", b.address, b.port, true), s.ingress("a.test", "a", "tls")}
	s.put(t, base...)
	start := func(http, https string) *testkit.Process {
		return testkit.Start(t, exec.Command(testkit.Binary(t), "run", "--kubeconfig", g.kubeconfig, "--controller-name", controller, "--namespace", s.namespace,
			"--http-addr", http, "--https-addr", https, "--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"))
	}
	served := func(host string) string {
		a, err := s.fetch(host)
		if err != nil {
			return err.Error()
		}
		if a != "a" {
			return "it is answered by " + strconv.Quote(a)
		}
		return ""
	}

	for i, tt := range []struct {
		name  string
		fault fault
	}{
		{"gone", gone},
		{"500", says(500, metav1.StatusReasonInternalError)},
		{"503", says(503, metav1.StatusReasonServiceUnavailable)},
		{"403", says(403, metav1.StatusReasonForbidden)},
		{"410", says(410, metav1.StatusReasonExpired)},
		{"half of each list", half(true)},
		{"lists that break off", half(false)},
	} {
		// Each by itself: the longer a client has met errors of an API server that
		// answers, the longer it waits before it asks again.
		p := start("127.0.0.1:0", "127.0.0.1:0")
		s.addresses(t, p)
		testkit.Eventually(t, "a.test is served", func() string { return served("a.test") })
		g.breaks(tt.fault)
		host := fmt.Sprintf("new-%d.test", i)
		s.put(t, s.ingress(host, "a", "tls"))
		// Time is what is tested: nothing may happen in it.
		for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
			if why := served("a.test"); why != "" {
				t.Fatalf("%s: a.test is not served: %s", tt.name, why)
			}
		}
		if why := served(host); why == "" {
			t.Errorf("%s: %s is served, though nobody can know of it", tt.name, host)
		}
		back := time.Now()
		g.breaks(nil)
		testkit.Eventually(t, host+" is served", func() string { return served(host) })
		if took := time.Since(back); took > soon {
			t.Errorf("%s: it took %v to recover, want %v at most", tt.name, took, soon)
		}
		if code := p.Stop(t); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	}

	g.breaks(gone)
	https := net.JoinHostPort("127.0.0.1", strconv.Itoa(testkit.FreePort(t)))
	p := start("127.0.0.1:0", https)
	metrics := p.Address(t, "listening", "metrics")
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		if code, _ := get(t, "http://"+metrics+"/readyz"); code != 503 {
			t.Fatalf("/readyz without an API server: %d, want 503", code)
		}
		if conn, err := net.Dial("tcp", https); err == nil {
			conn.Close()
			t.Fatal("connections are taken without a host map")
		}
	}
	back := time.Now()
	g.breaks(nil)
	s.addresses(t, p)
	testkit.Eventually(t, "a.test is served", func() string { return served("a.test") })
	if took := time.Since(back); took > soon {
		t.Errorf("it took %v to start when the API server was back, want %v at most", took, soon)
	}
}

// fetch asks a host on a connection of its own, and returns who answers.
func (s *stage) fetch(host string) (string, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: s.ca.Roots()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.https)
		},
	}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://" + host + "/")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.Header.Get("X-Backend"), err
}
