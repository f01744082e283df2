package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"
)

// maxNames bounds the server names that one Pool keeps connections for. They
// may come from requests.
const maxNames = 256

// alpn is what an endpoint was last found to choose.
type alpn uint32

const (
	alpnUnknown alpn = iota
	alpnHTTP1
	alpnHTTP2
)

var (
	errNoHTTP2   = errors.New("tls: the backend does not choose HTTP/2")
	errSpeaksH2  = errors.New("the backend chooses HTTP/2")
	errNoUpgrade = errors.New("HTTP/2 knows no Upgrade")
	errNoStream  = errors.New("no stream on which the backend takes the request")
)

// tlsConfig is that of all connections of a Pool, for its own server name.
func (t *Target) tlsConfig() *tls.Config {
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            t.CAs,
		InsecureSkipVerify: t.CAs == nil, //nolint:gosec // as documented at Target.CAs: no CA, no verification
		// One for each Pool: what was verified by other CAs is not resumed.
		ClientSessionCache:          tls.NewLRUClientSessionCache(64),
		DynamicRecordSizingDisabled: true,
	}
	cfg.NextProtos = []string{"h2", "http/1.1"}
	if t.Protocol == GRPCS {
		cfg.NextProtos = cfg.NextProtos[:1]
	}
	t.nameIn(cfg, t.ServerName)
	return cfg
}

// nameIn sets the server name; without one the certificate must be for the
// address.
func (t *Target) nameIn(cfg *tls.Config, name string) {
	if name == "" {
		name = t.Addr.Addr().WithZone("").String()
	}
	cfg.ServerName = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
}

// grpc says that requests go with "te: trailers".
func (p *Pool) grpc() bool { return p.target.Protocol == GRPC || p.target.Protocol == GRPCS }

// named returns the Pool for requests with a server name of their own: a
// connection made for one never carries requests for another.
func (p *Pool) named(name string) *Pool {
	if p.tls == nil || name == "" || name == p.target.ServerName {
		return p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.names[name]; n != nil {
		return n
	}
	t := p.target
	t.ServerName = name
	n := &Pool{client: p.client, target: t, addr: p.addr, tls: p.tls.Clone(), retired: p.retired}
	n.target.nameIn(n.tls, name)
	n.h2 = &h2set{pool: n, retired: p.retired}
	if len(p.names) >= maxNames {
		for other, o := range p.names {
			if o.unused() {
				delete(p.names, other)
			}
		}
	}
	if len(p.names) >= maxNames {
		n.retired, n.h2.retired = true, true // its connections end with their requests
		return n
	}
	if p.names == nil {
		p.names = make(map[string]*Pool)
	}
	p.names[name] = n
	return n
}

// unused says that there are no connections to keep.
func (p *Pool) unused() bool {
	p.mu.Lock()
	idle := len(p.idle)
	p.mu.Unlock()
	return idle == 0 && p.h2.empty()
}

// connectNet opens a connection within the timeout; it ends early with ctx. h2
// tells what is spoken on it.
func (p *Pool) connectNet(ctx context.Context, timeout time.Duration) (nc net.Conn, h2 bool, err error) {
	nc, err = p.dialNet(ctx, timeout)
	if err != nil || p.tls == nil {
		return nc, true, err
	}
	secure, err := p.handshake(ctx, nc, timeout, p.tls)
	if err != nil {
		return nil, false, err
	}
	if h2 = secure.ConnectionState().NegotiatedProtocol == "h2"; h2 {
		p.alpn.Store(uint32(alpnHTTP2))
		return secure, true, nil
	}
	if p.target.Protocol == GRPCS {
		hangUp(secure)
		return nil, false, errNoHTTP2
	}
	p.alpn.Store(uint32(alpnHTTP1))
	return secure, false, nil
}

// handshake closes nc if it fails. The timeout is the handshake's alone.
func (p *Pool) handshake(ctx context.Context, nc net.Conn, timeout time.Duration, cfg *tls.Config) (*tls.Conn, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	secure := tls.Client(nc, cfg)
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

// dialHTTP1 opens a connection for HTTP/1.1 behind TLS. With only, nothing else
// is offered: for an Upgrade, which HTTP/2 does not know. Otherwise a backend
// that has learned HTTP/2 is believed, by errSpeaksH2.
func (p *Pool) dialHTTP1(ctx context.Context, timeout time.Duration, only bool) (*conn, error) {
	if !only {
		nc, h2, err := p.connectNet(ctx, timeout)
		switch {
		case err != nil:
			return nil, err
		case h2:
			p.h2.add(nc)
			return nil, errSpeaksH2
		}
		return newConn(nc), nil
	}
	nc, err := p.dialNet(ctx, timeout)
	if err != nil {
		return nil, err
	}
	cfg := p.tls.Clone()
	cfg.NextProtos = []string{"http/1.1"}
	secure, err := p.handshake(ctx, nc, timeout, cfg)
	if err != nil {
		return nil, err
	}
	return newConn(secure), nil
}
