// Package admin is what operators look at: metrics, health, and a read-only
// page about the host map.
//
// There are two listeners. The metrics listener ([MetricsHandler]) is for
// machines of the cluster and tells numbers: /metrics, /livez and /readyz. The
// admin listener ([Handler]) is for people on the machine itself and tells
// names: the page, the host map as text and as JSON, and the problems. It is
// meant for a loopback address. Neither changes anything, and neither holds a
// key: what is told of a certificate is its leaf, which every client gets.
//
// [Recorder] stands between the sources, which report each map they publish,
// and both listeners. It is a Prometheus collector that reads the present map
// when it is asked, so that no series outlives its object.
package admin
