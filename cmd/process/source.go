package process

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/hostsfile"
	"github.com/ingress421/ingress421/internal/manifests"
	"github.com/ingress421/ingress421/internal/source"
)

// source watches the folder or the cluster that c names and publishes host
// maps until its context ends. A cluster that c does not lead to is an error
// at once.
func (c *Config) source(publish func(*hostmap.Map), report func(source.Outcome), overlaps func(*hostmap.Map) map[string]controllers.Overlaps, self func() hostmap.Self) (func(context.Context) error, error) {
	hosts, err := c.guardHosts()
	if err != nil {
		return nil, err
	}
	common := source.Config{Options: c.Options, GuardHosts: hosts, Self: self, Publish: publish, Report: report, Log: c.Log}
	if c.Manifests != "" {
		return func(ctx context.Context) error {
			return manifests.Run(ctx, manifests.Config{Dir: c.Manifests, Config: common})
		}, nil
	}
	cluster, err := c.Cluster()
	if err != nil {
		return nil, err
	}
	controllers.RouteLogs(c.Log)
	return func(ctx context.Context) error {
		return controllers.Run(ctx, controllers.Config{
			Rest: cluster, Config: common, Namespaces: c.Namespaces,
			PublishService: c.PublishService, PublishAddresses: c.PublishAddresses, LeaderElection: true,
			Overlaps: overlaps,
		})
	}, nil
}

// Load reads files and folders, else the folder or the cluster that c names,
// once, and compiles what is there. Nothing is served and nothing is written.
func Load(ctx context.Context, c Config, paths ...string) (source.Outcome, error) {
	hosts, err := c.guardHosts()
	if err != nil {
		return source.Outcome{}, err
	}
	common := source.Config{Options: c.Options, GuardHosts: hosts, Log: c.Log}
	if len(paths) == 0 && c.Manifests != "" {
		paths = []string{c.Manifests}
	}
	if len(paths) != 0 {
		return manifests.Load(ctx, common, paths...)
	}
	cluster, err := c.Cluster()
	if err != nil {
		return source.Outcome{}, err
	}
	controllers.RouteLogs(c.Log)
	return controllers.Load(ctx, controllers.Config{Rest: cluster, Config: common, Namespaces: c.Namespaces})
}

// guardHosts opens the file of hosts that c names; nil where it names none.
func (c *Config) guardHosts() (*hostsfile.File, error) {
	if c.GuardHosts == "" {
		return nil, nil
	}
	f, err := hostsfile.Open(c.GuardHosts)
	if err != nil {
		return nil, fmt.Errorf("read the hosts to guard: %w", err)
	}
	return f, nil
}

// Cluster finds the cluster as kubectl does: by the named file, else
// $KUBECONFIG, else ~/.kube/config, else the one this pod runs in.
func (c *Config) Cluster() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	overrides := clientcmd.ConfigOverrides{CurrentContext: c.Context}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster (or name a folder with --manifests): %w", err)
	}
	return cfg, nil
}
