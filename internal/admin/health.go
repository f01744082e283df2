package admin

import (
	"io"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health is what /readyz says. Its zero value is not ready.
type Health struct {
	ready, draining atomic.Bool
}

// SetReady says that a host map is live and the listeners accept.
func (h *Health) SetReady() { h.ready.Store(true) }

// SetDraining says that the process is about to end: no new traffic, please.
// There is no way back.
func (h *Health) SetDraining() { h.draining.Store(true) }

// status returns the status code of /readyz, with the reason.
func (h *Health) status() (int, string) {
	switch {
	case h.draining.Load():
		return http.StatusServiceUnavailable, "draining\n"
	case !h.ready.Load():
		return http.StatusServiceUnavailable, "no host map yet\n"
	default:
		return http.StatusOK, "ok\n"
	}
}

// maxScrapes bounds the scrapes at one time; each may be large.
const maxScrapes = 4

// MetricsHandler answers /metrics from g, /livez with 200, and /readyz from h.
func MetricsHandler(g prometheus.Gatherer, h *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	answer := func(w http.ResponseWriter, code int, text string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text) // A prober that left is nobody to tell.
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		code, text := h.status()
		answer(w, code, text)
	})
	return mux
}
