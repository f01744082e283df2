package e2e

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/testkit"
)

// TestIdleConnections holds ten thousand HTTP/2 connections, each of which has
// had one request, and weighs the process: at most 24 KiB and three goroutines
// each, and all of it given back with them.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	const (
		conns      = 10_000
		perConn    = 24 << 10
		goroutines = 3
	)
	needDescriptors(t, conns+1000)
	s, p := folderStage(t)
	s.host(t, "idle.test", nil)
	s.live(t, "idle.test")
	good := s.neighbour(t, "idle.test")
	start := time.Now()
	before, goBefore, fdsBefore := rss(t, p), s.goroutines(t), s.openFiles(t)

	held := make([]net.Conn, conns)
	release := sync.OnceFunc(func() {
		for _, nc := range held {
			if nc != nil {
				nc.Close()
			}
		}
	})
	defer release()
	turns := make(chan int, conns)
	for i := range held {
		turns <- i
	}
	close(turns)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range turns {
				nc, err := s.idle("idle.test")
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				held[i] = nc
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d connections opened within %v", conns, time.Since(start).Round(time.Millisecond))

	kib := func() float64 { return float64(rss(t, p)-before) / conns / 1024 }
	// Connections give their buffers back when they have been idle for a
	// moment, and the runtime its pages some time later.
	testkit.Eventually(t, fmt.Sprintf("at most %d KiB a connection", perConn>>10), func() string {
		if got := kib(); got > perConn>>10 {
			return fmt.Sprintf("%.1f KiB", got)
		}
		return ""
	})
	if n := s.metric(t, "ingress421_connections", `protocol="h2"`); n < conns {
		t.Errorf("%v connections are open, want %d", n, conns)
	}
	each := float64(s.goroutines(t)-goBefore) / conns
	t.Logf("%d connections: %.1f KiB and %.2f goroutines each", conns, kib(), each)
	if each > goroutines {
		t.Errorf("%.2f goroutines a connection, want at most %d", each, goroutines)
	}
	good.unharmed(t)

	release()
	testkit.Eventually(t, "all is given back", func() string {
		files, gos := s.openFiles(t), s.goroutines(t)
		if files > fdsBefore+10 || gos > goBefore+20 {
			return fmt.Sprintf("%d open files, %d before; %d goroutines, %d before", files, fdsBefore, gos, goBefore)
		}
		return ""
	})
}

// idle opens an HTTP/2 connection, makes one request on it and leaves it.
func (s *stage) idle(host string) (net.Conn, error) {
	nc, tc, err := s.shake(host, "h2", new(net.Dialer))
	if err != nil {
		return nil, err
	}
	err = func() error {
		say := frames(func(fr *http2.Framer) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: block("GET", host, "/")})
		})
		if _, err := tc.Write(say); err != nil {
			return err
		}
		for fr := http2.NewFramer(nil, tc); ; {
			f, err := fr.ReadFrame()
			if err != nil {
				return err
			}
			switch f.(type) {
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				return fmt.Errorf("got %v", f)
			case *http2.HeadersFrame, *http2.DataFrame:
				if f.Header().Flags.Has(http2.FlagDataEndStream) {
					return nil
				}
			}
		}
	}()
	if err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}
