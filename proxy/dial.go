package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/socket"
)

// dialBackend opens a connection to a backend as a socket. The compiler has
// refused what no backend may be; what it could not know, such as a port that
// the system chose, is refused here.
func (s *Server) dialBackend(ctx context.Context, network, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil:
		return nil, err
	case !hostmap.Forwardable(to.Addr()):
		return nil, errNotForwardable
	case s.cfg.Self != nil && s.cfg.Self().Is(to):
		return nil, errSelf
	}
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return socket.New(nc), nil
}

var (
	errNotForwardable = errors.New("nothing is forwarded to this address")
	errSelf           = errors.New("this ingress controller itself listens there")
)
