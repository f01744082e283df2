package admin

import "github.com/prometheus/client_golang/prometheus"

// LinesLost is the metric of log lines that were lost, by the name of the log.
// Each value is asked for the count, from any goroutine.
type LinesLost map[string]func() uint64

func (LinesLost) desc() *prometheus.Desc {
	return prometheus.NewDesc("ingress421_log_lines_lost_total",
		"Lines of the log that were lost, because nobody has read them.", []string{"log"}, nil)
}

// Describe implements prometheus.Collector.
func (l LinesLost) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc() }

// Collect implements prometheus.Collector.
func (l LinesLost) Collect(ch chan<- prometheus.Metric) {
	desc := l.desc()
	for log, lost := range l {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(lost()), log)
	}
}
