package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
)

// TestShortOfMemory opens more requests than a memory limit has room for, of a
// backend that does not answer. What there is no room for is refused, those who
// are connected are told when to come back, the process stays below what a
// container would kill it for, and serves as before when the load is gone.
func TestShortOfMemory(t *testing.T) {
	const (
		limit          = 128 << 20
		kill           = limit * 10 / 9 // the chart's GOMEMLIMIT is nine tenths of the container's limit
		conns, streams = 400, 100
		host           = "busy.test"
	)
	needDescriptors(t, 4*conns)
	t.Setenv("GOMEMLIMIT", fmt.Sprint(limit))
	s, p := folderStage(t)
	s.serveH2C(t, host, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-r.Context().Done()
		}
	})
	good := s.open(t, dialing{serverName: host})
	good.get(t, host).want(t, 200, "busy")

	// What the system can have back at any time, such as the program's own text,
	// does not count.
	most := p.MostMemory(t, "RssAnon")
	var reading sync.WaitGroup
	var open []net.Conn
	for range conns {
		nc, tc, err := s.shake(host, "h2", new(net.Dialer))
		if err != nil {
			continue // there was no room for it
		}
		open = append(open, nc)
		if _, err := tc.Write(frames(nil)); err != nil {
			continue
		}
		c := newFrameConn(nc, tc)
		reading.Go(func() {
			for err := error(nil); err == nil; _, err = c.fr.ReadFrame() {
			}
		})
		for i := range uint32(streams) {
			if err := c.request(2*i+1, true, "GET", host, "/hold", "x", strings.Repeat("v", 8000)); err != nil {
				break
			}
		}
	}
	testkit.Eventually(t, "requests are refused", func() string {
		a := good.get(t, host)
		if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "memory") {
			return fmt.Sprintf("answer %d %v %q", a.StatusCode, a.Header, a.body)
		}
		return ""
	})
	for _, nc := range open {
		nc.Close()
	}
	reading.Wait()
	testkit.Eventually(t, "requests are served again", func() string {
		if a := good.get(t, host); a.StatusCode != http.StatusOK {
			return a.Status
		}
		return ""
	})
	s.live(t, host)
	grown := most()
	t.Logf("%d connections were taken; %d MiB at the most", len(open), grown>>20)
	if grown > kill {
		t.Errorf("it held %d octets, with GOMEMLIMIT=%d", grown, limit)
	}
}

// serveH2C is serve with a backend that speaks HTTP/2.
func (s *stage) serveH2C(t testing.TB, host string, handler http.HandlerFunc) {
	t.Helper()
	name, _, _ := strings.Cut(host, ".")
	ln, address, port := s.listen(t)
	srv := &http.Server{
		Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1 << 16},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Backend", name)
			handler(w, r)
		}),
	}
	srv.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	s.put(t, s.secret(name+"-tls", s.ca.Server(t, host)), s.service(name), s.slice(name, address, port, true),
		s.ingress(host, name, name+"-tls", "backend-protocol", "H2C"))
	s.live(t, host)
}
