package edge

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/observe"
)

// Config is what an Edge is made of.
type Config struct {
	// Hosts is the live host map. It is first called when a connection comes.
	Hosts func() *hostmap.Map
	// Limits hold for connections of classes that set none of their own.
	Limits hostmap.Limits
	// ProxyProtocolFrom are the peers that must send a PROXY protocol header.
	// Anybody else who sends one is refused.
	ProxyProtocolFrom []netip.Prefix
	// DrainTimeout bounds the wait for requests under way when Serve ends.
	DrainTimeout time.Duration
	// DrainAccept is for how long connections are still taken once Serve is to
	// end: whoever sends them learns of the end no earlier.
	DrainAccept time.Duration
	// Attach gives what the engine of a connection is to have as its data, and
	// what is called when the connection has ended.
	Attach func(*Conn) (data any, end func())
	// HTTP1 and HTTP2 serve the connections.
	HTTP1 *http1.Engine
	HTTP2 *h2.Engine
	// Full tells whether there is no room for another connection.
	Full func() bool
	// Observer is told of connections and handshakes. Log takes what is only
	// for those who look for it.
	Observer *observe.Observer
	Log      *slog.Logger
}

// Edge takes connections and serves them. Make one with [New].
type Edge struct {
	cfg        Config
	hosts      func() *hostmap.Map
	log        *slog.Logger
	observer   *observe.Observer
	handshaker *handshaker
	conns      registry
	sources    sources
	lingering  lingering
	serving    sync.WaitGroup // listeners and connections
}

// New makes an Edge.
func New(cfg Config) *Edge {
	return &Edge{cfg: cfg, hosts: cfg.Hosts, log: cfg.Log, observer: cfg.Observer, handshaker: newHandshaker(cfg.Hosts)}
}

// Listen opens a listener for Serve at host:port.
func (e *Edge) Listen(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return listen(ln, e.cfg.ProxyProtocolFrom), nil
}

// Published drains the connections that the live map has put in the wrong. It is
// called once that map is live, with the one that was.
func (e *Edge) Published(previous *hostmap.Map) {
	m := e.hosts()
	if !handshakesChanged(previous, m) {
		return
	}
	for _, c := range e.conns.all() {
		if c.settled.Load() && !stillRight(m, c) {
			c.drain()
		}
	}
}

// limitsOf are the limits of a connection: its site's class's, and those of the
// process where that sets none.
func (e *Edge) limitsOf(site *hostmap.Site) hostmap.Limits {
	class := e.hosts().Class()
	if site != nil {
		class = site.Class
	}
	return class.Limits.Or(e.cfg.Limits)
}
