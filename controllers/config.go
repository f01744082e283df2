package controllers

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// Config says which cluster is read and who is told.
type Config struct {
	// Rest is how to reach the API server. It is not changed.
	Rest *rest.Config
	source.Config
	// Namespaces are those that are watched; none: all. IngressClasses belong
	// to no namespace and are always read.
	Namespaces []string

	// PublishAddresses are written into the status of our Ingresses, or else
	// the addresses of PublishService. With neither no address is written.
	PublishAddresses []string
	PublishService   types.NamespacedName
	// LeaderElection makes the replicas agree on one that writes status, events
	// and the record of owners ([OwnersName]), by a Lease in LeaderNamespace
	// ("": $POD_NAMESPACE, else that of the service account, else "default").
	// Without it this process writes.
	LeaderElection  bool
	LeaderNamespace string

	// Overlaps returns, by class, the hosts of a map that share certificates, for
	// the status of AuthorityPolicies. It may take seconds and is called by one
	// goroutine of the replica that writes. Nil: nothing is written of them.
	Overlaps func(*hostmap.Map) map[string]Overlaps
}

// Requests per second to the API server. Only status and events need any
// number of them, once after the start.
const (
	requestRate  = 50
	requestBurst = 100
)

// goodbye bounds the wait for workers at the end.
const goodbye = 5 * time.Second

// Run follows the cluster until ctx is done. Before the first map it waits for
// the API server for as long as that takes. Its error is that it could not be
// set up; later nothing but ctx ends it.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.LeaderNamespace == "" {
		c.LeaderNamespace = ownNamespace()
	}
	var live atomic.Bool
	config := connect(c.Rest, c.Log, &live)
	scheme, err := newScheme()
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	policies, answered := awaitPolicies(ctx, config, c.Log)
	if !answered {
		return nil
	}
	direct, err := client.New(config, client.Options{Scheme: scheme, Mapper: newMapper()})
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	record, namespaces, answered := c.rights(ctx, direct)
	if !answered {
		return nil
	}
	gateways, answered := c.hasGateways(ctx, direct)
	if !answered {
		return nil
	}
	wait := goodbye
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		MapperProvider:          staticMapper,
		Cache:                   cacheOptions(&c),
		Client:                  client.Options{Cache: &client.CacheOptions{}},
		Logger:                  logr.FromSlogHandler(demoted{c.Log.Handler()}),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		GracefulShutdownTimeout: &wait,
	})
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	w, err := newWriter(&c, mgr)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	w.record = record
	s := &cluster{
		Config: &c, reader: mgr.GetCache(), synced: make(chan struct{}), wake: w.wake,
		record: record, namespaces: namespaces, gateways: gateways,
	}
	loop := c.Config
	loop.Publish = func(m *hostmap.Map) {
		c.Publish(m)
		live.Store(true)
	}
	loop.Report = func(o source.Outcome) {
		if c.Report != nil {
			c.Report(o)
		}
		w.outcomes.put(o)
	}
	s.loop = source.New(loop, s.list)
	s.policies.Store(policies)
	if err := s.add(mgr, config); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	election, err := newElection(&c, w.run)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	if err := mgr.Add(everyReplica(election.Start)); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow the cluster: %w", err)
	}
	return nil
}

// ownNamespace is the namespace of this pod.
func ownNamespace() string {
	if ns := os.Getenv("POD_NAMESPACE"); ns != "" {
		return ns
	}
	ns, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err == nil && len(ns) != 0 {
		return string(ns)
	}
	return "default"
}
