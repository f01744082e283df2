package controllers

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Gatherer gathers what the Kubernetes libraries count: leader_election_*,
// controller_runtime_*, workqueue_* and rest_client_*. Their metrics of the
// process and of the Go runtime are left to the caller's own collectors.
func Gatherer() prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		all, err := metrics.Registry.Gather()
		kept := all[:0]
		for _, f := range all {
			for _, prefix := range []string{"leader_election_", "controller_runtime_", "workqueue_", "rest_client_"} {
				if strings.HasPrefix(f.GetName(), prefix) {
					kept = append(kept, f)
					break
				}
			}
		}
		return kept, err
	})
}
