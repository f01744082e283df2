package balance

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// descs are the metrics.
type descs struct{ retries, ejections, resting *prometheus.Desc }

func newDescs() descs {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("ingress421_upstream_"+name, help, append([]string{"namespace", "service"}, more...), nil)
	}
	return descs{
		retries:   desc("retries_total", "Requests that were to be sent once more, by whether the backend's budget allowed it.", "result"),
		ejections: desc("ejections_total", "Endpoints that began to rest, because they had failed."),
		resting:   desc("endpoints_resting", "Endpoints that rest now."),
	}
}

// service is what backends are told apart by in metrics.
type service struct{ namespace, name string }

// figures are those of a Service's backends together.
type figures struct {
	retries, overBudget, ejections uint64
	resting                        map[*endpoint]bool
}

// Describe implements prometheus.Collector.
func (r *Registry) Describe(ch chan<- *prometheus.Desc) {
	ch <- r.descs.retries
	ch <- r.descs.ejections
	ch <- r.descs.resting
}

// Collect implements prometheus.Collector. Series go when their Service does.
func (r *Registry) Collect(ch chan<- prometheus.Metric) {
	for s, f := range r.figures() {
		counter := func(desc *prometheus.Desc, n uint64, more ...string) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), append([]string{s.namespace, s.name}, more...)...)
		}
		counter(r.descs.retries, f.retries, "made")
		counter(r.descs.retries, f.overBudget, "over_budget")
		counter(r.descs.ejections, f.ejections)
		ch <- prometheus.MustNewConstMetric(r.descs.resting, prometheus.GaugeValue, float64(len(f.resting)), s.namespace, s.name)
	}
}

func (r *Registry) figures() map[service]*figures {
	now := r.clock(time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[service]*figures)
	for k, l := range r.ledgers {
		s := service{k.namespace, k.service}
		f := all[s]
		if f == nil {
			f = &figures{resting: make(map[*endpoint]bool)}
			all[s] = f
		}
		f.retries += l.retries.Load()
		f.overBudget += l.overBudget.Load()
		f.ejections += l.ejections.Load()
		for _, m := range l.newest.Load().members {
			if m.rest.Load() > now { // else it only waits for a request to probe it
				f.resting[m.endpoint] = true
			}
		}
	}
	return all
}
