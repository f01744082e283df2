package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/socket"
)

// dialer opens connections to backends as sockets. The compiler has refused what
// no backend may be; what it could not know, such as a port that the system
// chose, is refused here. self, which may be nil, is this process as it is now.
func dialer(self func() hostmap.Self) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(addr)
		switch {
		case err != nil:
			return nil, err
		case !hostmap.Forwardable(to.Addr()):
			return nil, errNotForwardable
		case self != nil && self().Is(to):
			return nil, errSelf
		}
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return socket.New(nc), nil
	}
}

var (
	errNotForwardable = errors.New("nothing is forwarded to this address")
	errSelf           = errors.New("this ingress controller itself listens there")
)
