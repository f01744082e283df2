package observe

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Opened counts a client connection in, by the protocol that it speaks.
func (o *Observer) Opened(protocol string) { o.metrics.connections.WithLabelValues(protocol).Inc() }

// Ended counts a client connection out.
func (o *Observer) Ended(protocol string) { o.metrics.connections.WithLabelValues(protocol).Dec() }

// Closed counts a client connection that was closed, served or not, by why.
func (o *Observer) Closed(reason string) { o.metrics.closed.WithLabelValues(reason).Inc() }

// StreamRefused counts a request that its connection did not take, or gave up.
func (o *Observer) StreamRefused(reason string) { o.metrics.refused.WithLabelValues(reason).Inc() }

// Handshake counts a TLS handshake. Version and resumed are "" for one that has
// failed.
func (o *Observer) Handshake(result, version, resumed string) {
	o.metrics.handshakes.WithLabelValues(result, version, resumed).Inc()
}

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

// ConnectionRefused logs a connection that is turned away, unless there were many
// of its reason.
func (o *Observer) ConnectionRefused(r Refusal) {
	if attrs, ok := o.refusal("connection ", r); ok {
		o.log.LogAttrs(context.Background(), slog.LevelInfo, "connection refused", attrs...)
	}
}

// HandshakeRefused logs a handshake that has failed, for a server name as the
// client sent it, unless there were many of its reason.
func (o *Observer) HandshakeRefused(r Refusal, sni string) {
	if attrs, ok := o.refusal("handshake ", r); ok {
		attrs = append(attrs, slog.String("sni", clip(sni)))
		o.log.LogAttrs(context.Background(), slog.LevelInfo, "handshake refused", attrs...)
	}
}

// refusal is what a line about a refusal says; ok is false where there is to be
// none.
func (o *Observer) refusal(kind string, r Refusal) (attrs []slog.Attr, ok bool) {
	if !o.log.Enabled(context.Background(), slog.LevelInfo) {
		return nil, false
	}
	ok, suppressed := o.refusals.take(kind+r.Reason, time.Now())
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
