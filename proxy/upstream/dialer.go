package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// alpn is what an endpoint was last found to choose.
type alpn uint32

const (
	alpnUnknown alpn = iota
	alpnHTTP1
	alpnHTTP2
	alpnNotHTTP1 // it has refused HTTP/1.1, and was offered nothing else
)

var (
	errNoHTTP2 = errors.New("tls: the backend does not choose HTTP/2")
	errNoHTTP1 = errors.New("tls: the backend refuses HTTP/1.1")
)

// noProtocol ends the error of crypto/tls, which has no type, where the backend
// speaks nothing of what it was offered (RFC 7301 section 3.2).
const noProtocol = "tls: no application protocol"

// dialer opens connections to one Target, and tells which client they are for.
type dialer struct {
	addr   string        // immutable
	tls    *tls.Config   // immutable; nil for cleartext
	only   bool          // immutable; HTTP/2 or nothing
	cfg    *Config       // immutable
	chosen atomic.Uint32 // an alpn; with tls
}

func newDialer(cfg *Config, t *Target) *dialer {
	d := &dialer{addr: t.Addr.String(), cfg: cfg, only: t.Protocol == GRPCS}
	if t.Protocol.secure() {
		d.tls = t.tlsConfig()
	}
	return d
}

// named returns a dialer to t, which differs by its server name. What TLS
// sessions there are they share.
func (d *dialer) named(t *Target) *dialer {
	n := &dialer{addr: d.addr, cfg: d.cfg, only: d.only, tls: d.tls.Clone()}
	t.nameIn(n.tls, t.ServerName)
	return n
}

// lastChoice is what the endpoint has last chosen.
func (d *dialer) lastChoice() alpn { return alpn(d.chosen.Load()) }

// mayHaveHTTP1 has HTTP/1.1 tried again where the endpoint has refused it.
func (d *dialer) mayHaveHTTP1() {
	d.chosen.CompareAndSwap(uint32(alpnNotHTTP1), uint32(alpnHTTP2))
}

// dial opens a connection, for whatever is spoken there, within the timeout
// (<= 0: none). It ends early with ctx.
func (d *dialer) dial(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return d.cfg.Dial(ctx, "tcp", d.addr)
}

// dialEither opens a connection, over TLS with a choice of protocols. h2 says that
// it is HTTP/2's: in cleartext nobody would ask otherwise.
func (d *dialer) dialEither(ctx context.Context, timeout time.Duration) (nc net.Conn, h2 bool, err error) {
	nc, err = d.dial(ctx, timeout)
	if err != nil || d.tls == nil {
		return nc, true, err
	}
	secure, err := handshake(ctx, nc, timeout, d.tls)
	if err != nil {
		return nil, false, err
	}
	if h2 = secure.ConnectionState().NegotiatedProtocol == "h2"; h2 {
		if d.lastChoice() != alpnNotHTTP1 {
			d.chosen.Store(uint32(alpnHTTP2))
		}
		return secure, true, nil
	}
	if d.only {
		hangUp(secure)
		return nil, false, errNoHTTP2
	}
	d.chosen.Store(uint32(alpnHTTP1))
	return secure, false, nil
}

// dialHTTP1 opens a connection for HTTP/1.1 and offers nothing else. errNoHTTP1: the
// backend refuses that.
func (d *dialer) dialHTTP1(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	nc, err := d.dial(ctx, timeout)
	if err != nil || d.tls == nil {
		return nc, err
	}
	cfg := d.tls.Clone()
	cfg.NextProtos = []string{"http/1.1"}
	secure, err := handshake(ctx, nc, timeout, cfg)
	switch {
	case err == nil:
		return secure, nil
	case strings.HasSuffix(err.Error(), noProtocol):
		d.chosen.Store(uint32(alpnNotHTTP1))
		return nil, errNoHTTP1
	}
	return nil, err
}

// handshake closes nc if it fails. The timeout is the handshake's alone.
func handshake(ctx context.Context, nc net.Conn, timeout time.Duration, cfg *tls.Config) (*tls.Conn, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	secure := tls.Client(&tlsSocket{Conn: nc}, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		hangUp(secure)
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// handshakeError tells a handshake that failed from a dialling that did.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "tls: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// dialReason is the reason of an error of a dialer.
func dialReason(err error) string {
	var ne net.Error
	var he *handshakeError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return ReasonConnectTimeout
	case errors.As(err, &he), errors.Is(err, errNoHTTP2):
		return ReasonTLS
	}
	return ReasonConnect
}

// hangUp closes the socket beneath TLS first: crypto/tls would wait up to 5 s
// for a peer that does not read to take its close_notify.
func hangUp(nc net.Conn) {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		_ = t.NetConn().Close()
	}
	_ = nc.Close()
}
