package proxy

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ingress421/ingress421/proxy/upstream"
)

// failure is a kind of lines about requests that a backend has not answered, or
// not whole.
type failure struct{ namespace, service, port, reason string }

// Lines about failures: at most one of a kind in that time.
const (
	failureLines = 1
	failureEvery = 10 * time.Second
)

// backendFailed tells whether a request has failed on the backend's side of us,
// and not because of its client.
func (r *request) backendFailed() bool {
	switch r.reason {
	case "", reasonAborted, upstream.ReasonCanceled, upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		return false
	}
	if r.verdict.Route == nil || r.verdict.Route.Backend == nil {
		return false
	}
	switch r.status {
	case 502, 503, 504, 508:
		return true
	}
	return r.err != nil // a response that has begun
}

// logFailure writes a line about a request that a backend has failed, unless
// there was one of its kind: who, why, and what the system has said of it.
func (s *Server) logFailure(r *request) {
	b := r.verdict.Route.Backend
	ok, suppressed := s.failureLines.take(failure{b.Namespace, b.Service, b.Port, r.reason}, time.Now())
	if !ok {
		return
	}
	attrs := append(make([]slog.Attr, 0, 9),
		slog.String("namespace", b.Namespace), slog.String("service", b.Service), slog.String("port", b.Port),
		slog.Int("status", r.status), slog.String("reason", r.reason))
	if r.endpoint.IsValid() {
		attrs = append(attrs, slog.String("endpoint", r.endpoint.String()))
	}
	if r.err != nil {
		attrs = append(attrs, slog.String("error", clip(causeOf(r.err))))
	}
	attrs = append(attrs, slog.String("ingress", r.verdict.Route.From.NamespacedName()))
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "backend failed", attrs...)
}

// causeOf is an error's text without the reason, which stands beside it.
func causeOf(err error) string {
	var e *upstream.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}
