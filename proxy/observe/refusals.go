package observe

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Lines about refused connections and handshakes: at most so many of one reason
// in that time.
const (
	refusalLines = 10
	refusalEvery = 10 * time.Second
)

// Refusal is a client that is not served.
type Refusal struct {
	Reason string
	Err    error // its cause, nil where Reason says all
	// Peer is the immediate peer, Source the one that a PROXY header names, or
	// else the peer.
	Peer, Source netip.Addr
}

// refusalLog is the lines about clients that are not served.
type refusalLog struct {
	log    *slog.Logger
	budget sparing[refusalKind]
}

type refusalKind struct{ what, reason string }

func newRefusalLog(log *slog.Logger) *refusalLog {
	return &refusalLog{log: log, budget: sparing[refusalKind]{lines: refusalLines, every: refusalEvery}}
}

// connection writes a line about a connection that is turned away.
func (l *refusalLog) connection(r Refusal) {
	if attrs, ok := l.attrs("connection", r); ok {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "connection refused", attrs...)
	}
}

// handshake writes a line about a handshake that has failed.
func (l *refusalLog) handshake(r Refusal, sni string) {
	if attrs, ok := l.attrs("handshake", r); ok {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "handshake refused", append(attrs, slog.String("sni", clip(sni)))...)
	}
}

// attrs are what a line about a refusal says; ok is false where there were many
// of its kind.
func (l *refusalLog) attrs(what string, r Refusal) (attrs []slog.Attr, ok bool) {
	if !l.log.Enabled(context.Background(), slog.LevelInfo) {
		return nil, false
	}
	ok, suppressed := l.budget.take(refusalKind{what, r.Reason}, time.Now())
	if !ok {
		return nil, false
	}
	attrs = append(attrs, slog.String("reason", r.Reason))
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", clip(r.Err.Error())))
	}
	attrs = append(attrs, slog.String("peer", r.Peer.String()))
	if r.Source != r.Peer {
		attrs = append(attrs, slog.String("source", r.Source.String()))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	return attrs, true
}
