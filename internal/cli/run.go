package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/admin"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy"
)

// defaultController is the spec.controller of the IngressClasses that are ours.
const defaultController = "ingress421.dev/controller"

// runConfig is what `run` was asked for, checked.
type runConfig struct {
	Manifests          string
	Kubeconfig         string
	Namespaces         []string
	Controller         string
	HTTPAddr           string
	HTTPSAddr          string
	MetricsAddr        string
	AdminAddr          string
	PublishService     types.NamespacedName
	PublishAddresses   []string
	DefaultCertificate types.NamespacedName
	ProxyProtocolFrom  []netip.Prefix
	ExternalHTTPSPort  int
	AllowSharedHosts   bool
	DrainTimeout       time.Duration
	AccessLog          string
	Limits             hostmap.Limits

	Log    *slog.Logger
	Stdout io.Writer // access log; neither may block for long
	Stderr io.Writer // a line for each 421, if Log is enabled for level info
}

// addresses are what a server listens on, as host:port; "" for no listener.
type addresses struct {
	HTTP, HTTPS, Metrics, Admin string
}

func newRun() *cobra.Command {
	var (
		c                                               runConfig
		publishService, defaultCertificate, level       string
		proxyProtocolFrom, namespaces, publishAddresses []string
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve the Ingresses of a cluster, or of a folder of manifests",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if err = checkLimits(cmd.Flags()); err != nil {
				return err
			}
			if c.PublishService, err = namespacedName("publish-service", publishService); err != nil {
				return err
			}
			if c.DefaultCertificate, err = namespacedName("default-certificate", defaultCertificate); err != nil {
				return err
			}
			if c.ProxyProtocolFrom, err = prefixes("proxy-protocol-from", proxyProtocolFrom); err != nil {
				return err
			}
			for _, list := range []string{"namespace", "publish-address"} {
				if f := cmd.Flags().Lookup(list); f.Changed && f.Value.String() == "[]" {
					return usagef("--%s: want at least one", list)
				}
			}
			if cmd.Flags().Changed("manifests") && c.Manifests == "" {
				return usagef("--manifests: want a folder") // nobody who names one means the cluster
			}
			c.Namespaces, c.PublishAddresses = namespaces, publishAddresses
			if err = c.check(); err != nil {
				return err
			}
			lost := func(log string) func(uint64) {
				return func(lines uint64) {
					c.Log.Warn("log lines were lost, nobody has read them", "log", log, "lines", lines)
				}
			}
			stdout, stderr := newOutlet(cmd.OutOrStdout(), lost("stdout")), newOutlet(cmd.ErrOrStderr(), lost("stderr"))
			defer stdout.close()
			defer stderr.close()
			if c.Log, err = newLog(stderr, level); err != nil {
				return err
			}
			c.Stdout, c.Stderr = stdout, stderr
			// Whoever reads the log may go. Serving goes on.
			signal.Ignore(syscall.SIGPIPE)
			return runServer(cmd.Context(), c, nil)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.Manifests, "manifests", "", "serve this folder of Kubernetes YAML instead of a cluster")
	f.StringVar(&c.Kubeconfig, "kubeconfig", "", "the cluster to serve; without it $KUBECONFIG, ~/.kube/config, the pod's own")
	f.StringSliceVar(&namespaces, "namespace", nil, "watch these namespaces only")
	f.StringVar(&c.Controller, "controller-name", defaultController, "serve IngressClasses with this spec.controller")
	f.StringVar(&c.HTTPAddr, "http-addr", ":8080", "listen for cleartext HTTP/1.1")
	f.StringVar(&c.HTTPSAddr, "https-addr", ":8443", "listen for TLS")
	f.StringVar(&c.MetricsAddr, "metrics-addr", ":9090", "listen for /metrics, /livez and /readyz")
	f.StringVar(&c.AdminAddr, "admin-addr", "127.0.0.1:9421", "listen for the read-only page; keep it on loopback")
	f.StringVar(&publishService, "publish-service", "", "write the addresses of this Service (namespace/name) into Ingress status")
	f.StringSliceVar(&publishAddresses, "publish-address", nil, "write these addresses into Ingress status")
	f.StringVar(&defaultCertificate, "default-certificate", "", "Secret (namespace/name) for hosts without one of their own")
	f.StringSliceVar(&proxyProtocolFrom, "proxy-protocol-from", nil, "peers (CIDR) that must send a PROXY protocol header")
	f.IntVar(&c.ExternalHTTPSPort, "external-https-port", 443, "the port by which clients reach --https-addr")
	f.BoolVar(&c.AllowSharedHosts, "allow-shared-hosts", false, "let several namespaces have rules for one host")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", time.Minute, "how long requests may take to finish after SIGTERM")
	f.StringVar(&c.AccessLog, "access-log", proxy.AccessLogOff, "off, json or text; to standard output")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	limitFlags(f, &c.Limits)
	return cmd
}

// check refuses what contradicts itself.
func (c *runConfig) check() error {
	switch {
	case c.Manifests != "" && (c.Kubeconfig != "" || len(c.Namespaces) != 0):
		return usagef("--manifests does not go with --kubeconfig or --namespace")
	case c.Manifests != "" && (c.PublishService.Name != "" || len(c.PublishAddresses) != 0):
		return usagef("--manifests has no status to write: leave out --publish-service and --publish-address")
	case c.PublishService.Name != "" && len(c.PublishAddresses) != 0:
		return usagef("want one of --publish-service and --publish-address")
	case c.Controller == "":
		return usagef("--controller-name: want the spec.controller of the IngressClasses to serve")
	case c.ExternalHTTPSPort < 1 || c.ExternalHTTPSPort > 65535:
		return usagef("--external-https-port: want a port from 1 to 65535")
	case c.DrainTimeout <= 0:
		return usagef("--drain-timeout: want a time above zero, such as 60s")
	case !slices.Contains([]string{proxy.AccessLogOff, proxy.AccessLogJSON, proxy.AccessLogText}, c.AccessLog):
		return usagef("--access-log: want off, json or text")
	}
	for _, namespace := range c.Namespaces {
		// An empty one would stand for all.
		if len(validation.IsDNS1123Label(namespace)) != 0 {
			return usagef("--namespace %q: want names of namespaces, separated by commas", namespace)
		}
	}
	for _, address := range c.PublishAddresses {
		if _, err := netip.ParseAddr(address); err != nil && len(validation.IsDNS1123Subdomain(address)) != 0 {
			return usagef("--publish-address %q: want IP addresses or host names, separated by commas", address)
		}
	}
	for flag, addr := range map[string]string{
		"http-addr": c.HTTPAddr, "https-addr": c.HTTPSAddr, "metrics-addr": c.MetricsAddr, "admin-addr": c.AdminAddr,
	} {
		if addr == "" {
			continue
		}
		_, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return usagef("--%s: %w", flag, err)
		}
	}
	return nil
}

// runServer serves until ctx ends and requests under way are finished. serving,
// where it is not nil, is told once requests are taken.
func runServer(ctx context.Context, c runConfig, serving func(addresses)) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	lost := make(admin.LinesLost)
	for name, w := range map[string]io.Writer{"stdout": c.Stdout, "stderr": c.Stderr} {
		if o, ok := w.(*outlet); ok {
			lost[name] = o.lost.Load
		}
	}
	registry.MustRegister(lost)
	var misdirectedLog io.Writer
	if c.Log.Enabled(ctx, slog.LevelInfo) {
		misdirectedLog = c.Stderr
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
		Log: c.Log, MisdirectedLog: misdirectedLog, AccessLog: c.AccessLog, AccessLogTo: c.Stdout,
		Self: self.current, Registerer: registry,
	})
	if err != nil {
		return err
	}
	recorder, health := admin.NewRecorder(c.Log), new(admin.Health)
	registry.MustRegister(recorder)
	follow, err := c.source(server.Publish, recorder.Record, self.current)
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

	var at addresses
	for _, l := range []struct {
		name, addr string
		handler    http.Handler
		bound      *string
	}{
		{"metrics", c.MetricsAddr, admin.MetricsHandler(prometheus.Gatherers{registry, controllers.Gatherer()}, health), &at.Metrics},
		{"admin", c.AdminAddr, admin.Handler(recorder), &at.Admin},
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
	c.Log.Info("serving", "http", at.HTTP, "https", at.HTTPS, "metrics", at.Metrics, "admin", at.Admin)
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

func newLog(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level: want debug, info, warn or error")
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}

// namespacedName parses namespace/name; "" is none.
func namespacedName(flag, s string) (types.NamespacedName, error) {
	if s == "" {
		return types.NamespacedName{}, nil
	}
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return types.NamespacedName{}, usagef("--%s %q: want namespace/name", flag, s)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}

func prefixes(flag string, texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, usagef("--%s %q: want a CIDR such as 10.0.0.0/8", flag, s)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
