package admin

import (
	"log/slog"
	"net/http"
	"time"
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
// at level debug.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	if log == nil {
		log = slog.Default()
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
