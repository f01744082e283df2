package observe

import (
	"context"
	"log/slog"
	"time"
)

// failure is a kind of lines about requests that a backend has not answered, or
// not whole.
type failure struct{ namespace, service, port, reason string }

// Lines about failures: at most one of a kind in that time.
const (
	failureLines = 1
	failureEvery = 10 * time.Second
)

// failureLog is the lines about backends that fail.
type failureLog struct {
	log    *slog.Logger
	budget sparing[failure]
}

func newFailureLog(log *slog.Logger) *failureLog {
	return &failureLog{log: log, budget: sparing[failure]{lines: failureLines, every: failureEvery}}
}

// write writes a line about a request that a backend has failed, unless
// there was one of its kind: who, why, and what the system has said of it.
func (l *failureLog) write(x *Exchange) {
	b := x.backend()
	ok, suppressed := l.budget.take(failure{b.Namespace, b.Service, b.Port, x.Reason}, time.Now())
	if !ok {
		return
	}
	attrs := append(make([]slog.Attr, 0, 10),
		slog.String("namespace", b.Namespace), slog.String("service", b.Service), slog.String("port", b.Port),
		slog.Int("status", x.Status), slog.String("reason", x.Reason))
	if x.Endpoint.IsValid() {
		attrs = append(attrs, slog.String("endpoint", x.Endpoint.String()))
	}
	if x.Err != nil {
		attrs = append(attrs, slog.String("error", clip(x.Err.Error())))
	}
	attrs = append(attrs, slog.String("ingress", x.Verdict.Route.From.NamespacedName()))
	if mend := mends[x.Reason]; mend != "" {
		attrs = append(attrs, slog.String("mend", mend))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	l.log.LogAttrs(context.Background(), slog.LevelWarn, "backend failed", attrs...)
}

// mends say by reason what to do about a backend that fails.
var mends = map[string]string{
	"connect":         "see whether the pod listens on this port; else correct targetPort of the Service",
	"connect_timeout": "see whether the pod is reached: its node, a NetworkPolicy",
	"tls":             "see whether the port speaks TLS, and that its certificate is of the CA and name that are expected",
	"read_timeout":    "see why the pod takes so long, or set ingress421.dev/read-timeout on the Ingress",
	"send_timeout":    "see why the pod does not read, or set ingress421.dev/send-timeout on the Ingress",
	"reset":           "see why the pod ends connections: its log, its memory limit, its own time-outs",
	"bad_response":    "see whether the port speaks HTTP, or set ingress421.dev/backend-protocol on the Ingress",
	"head_too_large":  "have the backend send smaller fields",
}
