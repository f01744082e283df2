package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// idle opens n connections, makes one request on each, and looks at the proxy's
// memory once they have been quiet for a while.
func idle(protocol string, request func(net.Conn) error) func(context.Context, *bench, *peer, int) (sample, error) {
	return func(ctx context.Context, _ *bench, p *peer, n int) (sample, error) {
		before, err := p.proc.rss()
		if err != nil {
			return sample{}, err
		}
		conns, err := open(ctx, p.port, n, protocol, request)
		defer func() {
			for _, c := range conns {
				if c != nil {
					_ = c.Close()
				}
			}
		}()
		if err != nil {
			return sample{}, err
		}
		select {
		case <-ctx.Done():
			return sample{}, ctx.Err()
		case <-time.After(10 * time.Second): // connections become idle, and collectors run
		}
		after, err := p.proc.rss()
		if err != nil {
			return sample{}, err
		}
		return sample{KiB: float64(after-before) / float64(n) / 1024, RSS: float64(after) / (1 << 20)}, nil
	}
}

// open makes n connections, eight at a time, each with one request.
func open(ctx context.Context, port, n int, protocol string, request func(net.Conn) error) ([]net.Conn, error) {
	const workers = 8
	conns := make([]net.Conn, n)
	cfg := clientConfig()
	cfg.NextProtos = []string{protocol}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					errs <- err
					return
				}
				conns[i] = nc
				if err := request(nc); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return conns, err
	default:
		return conns, nil
	}
}
