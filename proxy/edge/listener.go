package edge

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/ingress421/ingress421/proxy/socket"
)

// proxyHeaderTimeout bounds the wait for a PROXY protocol header.
const proxyHeaderTimeout = 5 * time.Second

// listen makes sockets of what a listener accepts, and has PROXY protocol headers
// read where there are peers who must send one; anybody else must not. The header
// changes whom the client is taken to be; who may be trusted is still asked of the
// immediate peer.
func listen(ln net.Listener, from []netip.Prefix) net.Listener {
	ln = socket.Listener{Listener: ln}
	if len(from) == 0 {
		return ln
	}
	return &proxyproto.Listener{
		Listener:          ln,
		ReadHeaderTimeout: proxyHeaderTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			peer, _ := addrOf(o.Upstream)
			for _, p := range from {
				if p.Contains(peer) {
					return proxyproto.REQUIRE, nil
				}
			}
			return proxyproto.REJECT, nil
		},
	}
}

// headerError waits for the PROXY protocol header of a connection, and says what
// is wrong with it.
func headerError(nc net.Conn) error {
	if pc, ok := nc.(*proxyproto.Conn); ok {
		_, err := pc.Read(nil)
		return err
	}
	return nil
}

// acceptNext is Accept that outlasts a shortage of descriptors or memory,
// which ends when connections do. One that lasts is logged, each second.
func acceptNext(ln net.Listener, log *slog.Logger) (net.Conn, error) {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		nc, err := ln.Accept()
		if err == nil {
			return nc, nil
		}
		var ne net.Error
		if !errors.As(err, &ne) || errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if delay == time.Second {
			log.Warn("connections have to wait", "error", err)
		}
		<-time.After(delay) // the kernel has no event for it
	}
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		if ln != nil {
			_ = ln.Close()
		}
	}
}
