package proxy

import (
	"context"
	"net"
)

// sockets is a listener whose connections are sockets.
type sockets struct{ net.Listener }

// Accept implements net.Listener.
func (l sockets) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newSocket(nc), nil
}

// dialSocket opens a connection to a backend as a socket.
func dialSocket(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return newSocket(nc), nil
}
