package observe

import "sync/atomic"

// Values of Config.HostMetrics: which metrics say by host how many requests there
// were, and how long they took. The others say it of [hostmap.LabelAll].
const (
	// HostMetricsFull says both by host.
	HostMetricsFull = "full"
	// HostMetricsAuto is full until more than autoHosts hosts were asked for, and
	// then requests, until the process ends.
	HostMetricsAuto = "auto"
	// HostMetricsRequests says by host how many.
	HostMetricsRequests = "requests"
	// HostMetricsNone says neither: requests for hosts that are served are counted
	// together.
	HostMetricsNone = "none"
)

// autoHosts is how many histograms HostMetricsAuto has: one is 17 lines of text,
// 1.5 KiB, and a thousand are about as much as all the rest.
const autoHosts = 1000

// add adds the counters of another site to those of this one.
func (st *Site) add(o *Site) {
	if cells := o.cells.Load(); cells != nil {
		for _, c := range *cells {
			st.cell(c.protocol, c.method, c.status).n.Add(c.n.Load())
		}
	}
	if cells := o.misdirected.Load(); cells != nil {
		for _, c := range *cells {
			st.misdirectedCell(c.misdirectedLabels).n.Add(c.n.Load())
		}
	}
	st.recovered.Add(o.recovered.Load())
	for i := range o.duration.buckets {
		st.duration.buckets[i].Add(o.duration.buckets[i].Load())
	}
	st.duration.nanos.Add(o.duration.nanos.Load())
}

// hostMetrics says which metrics are by host.
type hostMetrics struct {
	mode string // Config.HostMetrics
	// many: there were too many hosts once for HostMetricsAuto to be full.
	many atomic.Bool
}

// of tells which metrics of some sites are by host.
func (m *hostMetrics) of(sites []*Site) (requests, durations bool) {
	switch m.mode {
	case HostMetricsFull:
		return true, true
	case HostMetricsRequests:
		return true, false
	case HostMetricsNone:
		return false, false
	}
	if !m.many.Load() {
		n := 0
		for _, st := range sites {
			if st.host != nil && st.cells.Load() != nil {
				n++
			}
		}
		m.many.Store(n > autoHosts)
	}
	return true, !m.many.Load()
}
