package admin

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Bounds of both listeners. Their clients send small requests and read at
// once; a scrape or a host map of 100,000 hosts is some tens of MiB.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// NewServer makes an HTTP server, with bounds on what a client may cost, for
// [MetricsHandler] or [Handler]. What goes wrong on its connections is logged
// at level debug. A request that an ingress421 has forwarded is refused: whoever
// may write an EndpointSlice could publish another replica's metrics.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.Default()
	}
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, v := range r.Header.Values(hostmap.LoopField) {
				if _, n := hostmap.Passes(v, ""); n > 0 {
					http.Error(w, "not to be had through an ingress421", http.StatusForbidden)
					return
				}
			}
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
