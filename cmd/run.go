package cmd

import (
	"net"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/proxy"
)

func newRun() *cobra.Command {
	var (
		c                                   process.Config
		publishService, level, format       string
		proxyProtocolFrom, publishAddresses []string
		remote                              bool
	)
	objects := objectFlags{to: &c}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve the Ingresses of a cluster, or of a folder of manifests",
		Long: `Serve the Ingresses of a cluster, or of a folder of manifests: answer requests
that their connection was not made for with 421, and forward all others.

The log is on standard error, in JSON unless that is a terminal. SIGTERM drains;
a second one ends the process.`,
		Example: `  ingress421 run --manifests deploy/ --http-addr :80 --https-addr :443
  ingress421 run --kubeconfig ~/.kube/config --publish-service edge/ingress421
  ingress421 run --manifests deploy/ --access-log text --log-format text`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if err = checkLimits(cmd.Flags()); err != nil {
				return err
			}
			if c.PublishService, err = namespacedName("publish-service", publishService); err != nil {
				return err
			}
			if err = objects.settle(cmd.Flags()); err != nil {
				return err
			}
			if c.ProxyProtocolFrom, err = prefixes("proxy-protocol-from", proxyProtocolFrom); err != nil {
				return err
			}
			if f := cmd.Flags().Lookup("publish-address"); f.Changed && f.Value.String() == "[]" {
				return usagef("--publish-address: want at least one")
			}
			c.PublishAddresses = publishAddresses
			if err = contradiction(&c); err != nil {
				return err
			}
			if !remote && !onLoopback(c.AdminAddr) {
				return usagef("--admin-addr %q: others could reach the page, which names every host, Secret and endpoint and asks nobody who he is; want a loopback address such as 127.0.0.1:9421, or --admin-allow-remote", c.AdminAddr)
			}
			lost := func(log string) func(uint64) {
				return func(lines uint64) {
					c.Log.Warn("log lines were lost, nobody has read them", "log", log, "lines", lines)
				}
			}
			logs, err := logTo(cmd.ErrOrStderr(), format)
			if err != nil {
				return err
			}
			stdout, stderr := process.NewOutlet(cmd.OutOrStdout(), lost("stdout")), process.NewOutlet(logs, lost("stderr"))
			defer stdout.Close()
			defer stderr.Close()
			if c.Log, err = newLog(stderr, level); err != nil {
				return err
			}
			c.Stdout, c.Stderr, c.Version = stdout, stderr, version
			// Whoever reads the log may go. Serving goes on.
			signal.Ignore(syscall.SIGPIPE)
			return process.Run(cmd.Context(), c, nil)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	objects.register(f, "serve", "watch")
	f.StringVar(&c.HTTPAddr, "http-addr", ":8080", "listen for cleartext HTTP/1.1")
	f.StringVar(&c.HTTPSAddr, "https-addr", ":8443", "listen for TLS")
	f.StringVar(&c.MetricsAddr, "metrics-addr", ":9090", "listen for /metrics, /livez and /readyz")
	f.StringVar(&c.AdminAddr, "admin-addr", "127.0.0.1:9421", "listen for the read-only page, on loopback")
	f.BoolVar(&remote, "admin-allow-remote", false, "let --admin-addr be an address that others reach: the page names every host, Secret and endpoint, and asks nobody who he is")
	f.StringVar(&publishService, "publish-service", "", "write the addresses of this Service (namespace/name) into Ingress status")
	f.StringSliceVar(&publishAddresses, "publish-address", nil, "write these addresses into Ingress status")
	f.StringSliceVar(&proxyProtocolFrom, "proxy-protocol-from", nil, "peers (CIDR) that must send a PROXY protocol header")
	f.StringVar(&c.Zone, "zone", "", "the zone of this node: endpoints that their EndpointSlices hint are for it are tried first")
	f.IntVar(&c.ExternalHTTPSPort, "external-https-port", 443, "the port by which clients reach --https-addr")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", time.Minute, "how long requests may take to finish after SIGTERM")
	f.StringVar(&c.AccessLog, "access-log", proxy.AccessLogOff, "off, json or text; to standard output")
	f.IntVar(&c.AccessLogEvery, "access-log-every", 1, "a line for one in so many requests that are answered below 400; others have theirs always")
	f.StringVar(&c.HostMetrics, "host-metrics", proxy.HostMetricsAuto, "which metrics are by host: full, auto (no durations once 1,000 hosts were asked for), requests (no durations) or none")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&format, "log-format", "", "json or text; to standard error, text on a terminal unless it says otherwise")
	limitFlags(f, &c.Limits)
	return cmd
}

// contradiction refuses what contradicts itself.
func contradiction(c *process.Config) error {
	switch {
	case c.Manifests != "" && (c.PublishService.Name != "" || len(c.PublishAddresses) != 0):
		return usagef("--manifests has no status to write: leave out --publish-service and --publish-address")
	case c.PublishService.Name != "" && len(c.PublishAddresses) != 0:
		return usagef("want one of --publish-service and --publish-address")
	case c.ExternalHTTPSPort < 1 || c.ExternalHTTPSPort > 65535:
		return usagef("--external-https-port: want a port from 1 to 65535")
	case c.DrainTimeout <= 0:
		return usagef("--drain-timeout: want a time above zero, such as 60s")
	case !slices.Contains([]string{proxy.AccessLogOff, proxy.AccessLogJSON, proxy.AccessLogText}, c.AccessLog):
		return usagef("--access-log: want off, json or text")
	case !slices.Contains([]string{proxy.HostMetricsFull, proxy.HostMetricsAuto, proxy.HostMetricsRequests, proxy.HostMetricsNone}, c.HostMetrics):
		return usagef("--host-metrics: want full, auto, requests or none")
	case c.AccessLogEvery < 1:
		return usagef("--access-log-every: want a number of requests, 1 for all")
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

// onLoopback tells whether none but this machine's programs reach an address;
// "" is no listener.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if addr == "" || err == nil && host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
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
