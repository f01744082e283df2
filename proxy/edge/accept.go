package edge

import (
	"context"
	"errors"
	"net"
	"time"
)

// Serve serves the listeners, either of which may be nil, until ctx ends or one
// of them fails. Then it drains: connections are told, requests under way are
// finished, new ones are still taken until every connection is told or
// DrainTimeout is over.
func (e *Edge) Serve(ctx context.Context, httpLn, httpsLn net.Listener) error {
	failed := make(chan error, 2)
	accept := func(ln net.Listener, serve func(net.Conn)) {
		if ln == nil {
			return
		}
		e.serving.Go(func() {
			if err := e.accept(ln, serve); !errors.Is(err, net.ErrClosed) {
				failed <- err
			}
		})
	}
	accept(httpsLn, e.serveTLS)
	accept(httpLn, e.serveCleartext)

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	e.drain(httpLn, httpsLn)
	e.serving.Wait()
	return err
}

// accept takes connections until the listener is closed, and serves each by
// itself: who a client is may have to be read from it first (PROXY protocol),
// which must not keep others waiting.
func (e *Edge) accept(ln net.Listener, serve func(net.Conn)) error {
	for {
		nc, err := acceptNext(ln, e.log)
		if err != nil {
			return err
		}
		e.serving.Go(func() { serve(nc) })
	}
}

// drain ends all connections gracefully, within DrainTimeout. Connections are
// still taken, and told at once, until none is left or a moment has passed:
// those that the system has queued already must not be reset.
func (e *Edge) drain(listeners ...net.Listener) {
	ctx, cancel := context.WithTimeout(context.Background(), e.cfg.DrainTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	accept := time.NewTimer(min(e.cfg.DrainAccept, e.cfg.DrainTimeout/2))
	defer accept.Stop()
	for accepting := true; (accepting || e.conns.len() > 0) && ctx.Err() == nil; {
		for _, c := range e.conns.all() {
			c.drain()
		}
		select {
		case <-accept.C:
			accepting = false
			closeAll(listeners)
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	closeAll(listeners)
	for _, c := range e.conns.all() { // none, unless the time is over
		_ = c.Close()
	}
}
