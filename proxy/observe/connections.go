package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Connections counts the open connections of clients, by protocol.
func (o *Observer) Connections() map[string]int {
	open := make(map[string]int)
	all := make(chan prometheus.Metric)
	go func() {
		defer close(all)
		o.metrics.connections.Collect(all)
	}()
	for m := range all {
		var value dto.Metric
		if err := m.Write(&value); err != nil {
			continue // A gauge has none.
		}
		for _, label := range value.GetLabel() {
			open[label.GetValue()] = int(value.GetGauge().GetValue()) // there is one, the protocol
		}
	}
	return open
}
