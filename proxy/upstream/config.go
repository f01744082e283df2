package upstream

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 5 * time.Second
	DefaultReadTimeout    = 60 * time.Second
	DefaultSendTimeout    = 60 * time.Second
	// DefaultIdleTimeout is below what backends commonly use themselves (Node
	// and Apache 5 s, gunicorn 2 s but it tells so, nginx 75 s), so that it is
	// us who close an idle connection, and no request meets a closing one.
	DefaultIdleTimeout        = 4 * time.Second
	DefaultMaxIdlePerEndpoint = 1024
)

// Config is the same for all pools of a Client. Zero values take the defaults,
// negative durations mean no limit.
type Config struct {
	// Dial opens a TCP connection; nil: a net.Dialer. It must obey ctx.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// ConnectTimeout bounds dialling, and the TLS handshake by itself.
	ConnectTimeout time.Duration
	// ReadTimeout bounds the wait for the whole response head after the request
	// was sent, and each wait for more of the body.
	ReadTimeout time.Duration
	// SendTimeout bounds each wait for the backend to take more of the request.
	SendTimeout time.Duration
	// IdleTimeout is how long a connection is kept without a request. A backend
	// that tells less in a Keep-Alive field is believed. It cannot be switched
	// off.
	IdleTimeout time.Duration
	// MaxIdlePerEndpoint bounds the idle connections of a Pool.
	MaxIdlePerEndpoint int
}

func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	setDefault(&c.ConnectTimeout, DefaultConnectTimeout)
	setDefault(&c.ReadTimeout, DefaultReadTimeout)
	setDefault(&c.SendTimeout, DefaultSendTimeout)
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.MaxIdlePerEndpoint <= 0 {
		c.MaxIdlePerEndpoint = DefaultMaxIdlePerEndpoint
	}
	return c
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// common is what all pools of a Client have in common.
type common struct {
	cfg       Config        // immutable
	buffers   buffers       // lent to exchanges and connections
	exchanges sync.Pool     // of *Exchange
	streams   sync.Pool     // of *h2stream
	frames    frame.Buffers // lent to connections of HTTP/2, for what they say
	process   Budget        // what the windows of all responses are larger than need be
}
