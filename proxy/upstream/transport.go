package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// idleHTTP2 is how long connections that speak HTTP/2 alone are kept. They
	// say GOAWAY before they close, so a longer limit risks nothing.
	idleHTTP2 = 60 * time.Second
	// streamWindow bounds what is held of one response that the client does not
	// read. The connection's window stays large: one that slow readers could
	// fill would stop the others.
	streamWindow = 256 << 10
	pingEvery    = 15 * time.Second // without a frame from the backend
	pingWait     = 15 * time.Second
)

// transport is net/http's for one Pool, and what its requests have in common.
type transport struct {
	kept   *http.Transport
	scheme string
	host   string // by which kept finds a connection: server name or address
	grpc   bool
}

func newTransport(cfg *Config, t Target, addr string) *transport {
	tr := &transport{scheme: "http", host: addr, grpc: t.Protocol == GRPC || t.Protocol == GRPCS}
	protocols, idle := new(http.Protocols), idleHTTP2
	switch t.Protocol {
	case H2C, GRPC:
		protocols.SetUnencryptedHTTP2(true)
	case HTTPS:
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
		idle = cfg.IdleTimeout
	case GRPCS:
		protocols.SetHTTP2(true)
	}
	if t.Protocol == HTTPS || t.Protocol == GRPCS {
		tr.scheme = "https"
		if t.ServerName != "" {
			tr.host = bracket(t.ServerName)
		}
	}
	tr.kept = &http.Transport{
		// Whatever the host of the URL is: the endpoint is settled.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			timeout := cfg.ConnectTimeout
			if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
				if err := a.dial(); err != nil {
					return nil, err
				}
				timeout = a.connectTimeout
			}
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			return cfg.Dial(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            t.CAs,
			InsecureSkipVerify: t.CAs == nil, //nolint:gosec // as documented at Target.CAs: no CA, no verification
			ClientSessionCache: tls.NewLRUClientSessionCache(64),
		},
		TLSHandshakeTimeout:    max(cfg.ConnectTimeout, 0),
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConns:           cfg.MaxIdlePerEndpoint,
		MaxIdleConnsPerHost:    cfg.MaxIdlePerEndpoint,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: MaxHeadBytes,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow,
			SendPingTimeout:           pingEvery,
			PingTimeout:               pingWait,
			WriteByteTimeout:          max(cfg.SendTimeout, 0),
		},
	}
	return tr
}

// retire closes idle connections. Such as are in use close when they have been
// idle for their time.
func (tr *transport) retire() { tr.kept.CloseIdleConnections() }

func bracket(host string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}
