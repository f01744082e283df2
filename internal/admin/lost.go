package admin

import "github.com/prometheus/client_golang/prometheus"

// LinesLost is the metric of log lines that were lost, by the name of the log.
// Each value is asked for the count, from any goroutine.
type LinesLost map[string]func() uint64

var lostDesc = prometheus.NewDesc("ingress421_log_lines_lost_total",
	"Lines of the log that were lost, because nobody has read them.", []string{"log"}, nil)

// Describe implements prometheus.Collector.
func (LinesLost) Describe(ch chan<- *prometheus.Desc) { ch <- lostDesc }

// Collect implements prometheus.Collector.
func (l LinesLost) Collect(ch chan<- prometheus.Metric) {
	for log, lost := range l {
		ch <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(lost()), log)
	}
}
