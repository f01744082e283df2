package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/admin"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
	"github.com/ingress421/ingress421/proxy"
)

// Config says what to serve and where. Its values have been checked.
type Config struct {
	compile.Options
	Manifests         string
	GuardHosts        string // a file; "" is none
	Kubeconfig        string
	Context           string // of the kubeconfig; "": its current one
	Namespaces        []string
	HTTPAddr          string
	HTTPSAddr         string
	MetricsAddr       string
	AdminAddr         string
	PublishService    types.NamespacedName
	PublishAddresses  []string
	ProxyProtocolFrom []netip.Prefix
	ExternalHTTPSPort int
	DrainTimeout      time.Duration
	AccessLog         string
	AccessLogEvery    int
	HostMetrics       string
	Limits            hostmap.Limits
	Version           string // of the program

	Log    *slog.Logger
	Stdout io.Writer // access log; neither may block for long
	Stderr io.Writer // a line for each 421, if Log is enabled for level info
}

// Addresses are what a server listens on, as host:port; "" for no listener.
type Addresses struct {
	HTTP, HTTPS, Metrics, Admin string
}

// Run serves until ctx ends and requests under way are finished. serving,
// where it is not nil, is told once requests are taken.
func Run(ctx context.Context, c Config, serving func(Addresses)) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	lost := make(admin.LinesLost)
	for name, w := range map[string]io.Writer{"stdout": c.Stdout, "stderr": c.Stderr} {
		if o, ok := w.(*Outlet); ok {
			lost[name] = o.Lost
		}
	}
	registry.MustRegister(lost)
	var told []io.Writer // of misdirected requests
	if c.Log.Enabled(ctx, slog.LevelInfo) {
		told = append(told, c.Stderr)
	}
	live := admin.Live{Misdirected: new(admin.Misdirected)}
	if c.AdminAddr != "" {
		told = append(told, live.Misdirected)
	}
	var misdirectedLog io.Writer
	if len(told) != 0 {
		misdirectedLog = io.MultiWriter(told...)
	}
	// A cluster takes a moment to learn that a pod is going, and sends it new
	// connections until then.
	var drainAccept time.Duration
	if c.Manifests == "" {
		drainAccept = 5 * time.Second
	}
	self := newSelf(&c)
	server, err := proxy.New(proxy.Config{
		HTTPAddr: c.HTTPAddr, HTTPSAddr: c.HTTPSAddr, ExternalHTTPSPort: c.ExternalHTTPSPort,
		ProxyProtocolFrom: c.ProxyProtocolFrom, Limits: c.Limits, DrainTimeout: c.DrainTimeout, DrainAccept: drainAccept,
		Log: c.Log, MisdirectedLog: misdirectedLog, AccessLog: c.AccessLog, AccessLogTo: c.Stdout, AccessLogEvery: c.AccessLogEvery, HostMetrics: c.HostMetrics,
		Self: self.current, Registerer: registry,
	})
	if err != nil {
		return err
	}
	recorder, health := admin.NewRecorder(c.Log), new(admin.Health)
	live.Version, live.Health, live.Connections = c.Version, health, server.Connections
	live.Endpoints = func() []admin.Endpoint {
		var failing []admin.Endpoint
		for _, f := range server.Failing() {
			failing = append(failing, admin.Endpoint(f))
		}
		return failing
	}
	registry.MustRegister(recorder)
	recorded := make(chan struct{}) // closed once there is something to say of what is served
	first := sync.OnceFunc(func() { close(recorded) })
	report := func(o source.Outcome) {
		recorder.Record(o.Map, o.Problems, o.Took)
		first()
	}
	overlaps := func(m *hostmap.Map) map[string]controllers.Overlaps { return overlapsOf(recorder.Audit(m)) }
	follow, err := c.source(server.Publish, report, overlaps, self.current)
	if err != nil {
		return err
	}

	// The source and the listeners for operators outlive the drain: endpoints
	// go on changing while requests finish, and somebody wants to watch.
	var wg sync.WaitGroup
	defer wg.Wait()
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	background := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				stop(err)
			}
		})
	}

	var at Addresses
	for _, l := range []struct {
		name, addr string
		handler    http.Handler
		bound      *string
	}{
		{"metrics", c.MetricsAddr, admin.MetricsHandler(prometheus.Gatherers{registry, controllers.Gatherer()}, health), &at.Metrics},
		{"admin", c.AdminAddr, admin.Handler(recorder, live), &at.Admin},
	} {
		if l.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", l.name, err)
		}
		*l.bound = ln.Addr().String()
		srv := admin.NewServer(l.handler, c.Log)
		defer srv.Close()
		background(func() error {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", l.name, err)
			}
			return nil
		})
	}
	c.Log.Info("listening", "metrics", at.Metrics, "admin", at.Admin)

	background(func() error { return follow(work) })
	wg.Go(func() { releaseMemory(work) })

	// Either the process is asked to stop, or something in the background has
	// failed.
	serve, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(work, func() { end(context.Cause(work)) })()

	httpLn, httpsLn, err := server.Listen(serve)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if httpLn != nil {
		at.HTTP = httpLn.Addr().String()
	}
	if httpsLn != nil {
		at.HTTPS = httpsLn.Addr().String()
	}
	self.listen(at)
	defer context.AfterFunc(serve, health.SetDraining)()
	health.SetReady()
	select {
	case <-recorded:
	case <-serve.Done():
	}
	ready := []any{"http", at.HTTP, "https", at.HTTPS, "metrics", at.Metrics, "admin", at.Admin}
	if state := recorder.State(); state.Map != nil {
		ready = append(ready, "hosts", state.Map.Hosts(), "certificates", state.Map.CertificateCount(), "problems", len(state.Problems))
	}
	c.Log.Info("serving", ready...)
	if serving != nil {
		serving(at)
	}
	if err := server.Run(serve, httpLn, httpsLn); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return context.Cause(serve)
	}
	c.Log.Info("stopped")
	return nil
}
