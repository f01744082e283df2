package cli

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/manifests"
)

// runSource watches the folder or the cluster and publishes host maps until
// ctx ends.
func runSource(ctx context.Context, c runConfig, _ prometheus.Registerer,
	publish func(*hostmap.Map), report func(*hostmap.Map, []hostmap.Problem, time.Duration),
) error {
	return manifests.Run(ctx, manifests.Config{
		Dir: c.Manifests, Controller: c.Controller, DefaultCertificate: c.DefaultCertificate,
		AllowSharedHosts: c.AllowSharedHosts, Publish: publish, Report: report, Log: c.Log,
	})
}
