package proxy

import (
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

// proxyHeaderTimeout bounds the wait for a PROXY protocol header.
const proxyHeaderTimeout = 5 * time.Second

// withProxyProtocol makes sockets of what a listener accepts, and wraps it where
// PROXY protocol headers are configured: the named peers must send one, anybody
// else must not. The header changes whom the client is taken to be; who may be
// trusted is still asked of the immediate peer.
func (s *Server) withProxyProtocol(ln net.Listener) net.Listener {
	ln = sockets{ln}
	from := s.cfg.ProxyProtocolFrom
	if len(from) == 0 {
		return ln
	}
	return &proxyproto.Listener{
		Listener:          ln,
		ReadHeaderTimeout: proxyHeaderTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			peer := addrOf(o.Upstream)
			for _, p := range from {
				if p.Contains(peer) {
					return proxyproto.REQUIRE, nil
				}
			}
			return proxyproto.REJECT, nil
		},
	}
}

// peerOf is the immediate peer of a connection, whatever a PROXY protocol
// header says.
func peerOf(nc net.Conn) net.Addr {
	if pc, ok := nc.(*proxyproto.Conn); ok {
		return pc.Raw().RemoteAddr()
	}
	return nc.RemoteAddr()
}
