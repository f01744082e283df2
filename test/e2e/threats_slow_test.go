package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/testkit"
)

// slowWay is one way to keep a server waiting.
type slowWay struct {
	name     string
	protocol string // after a handshake; "": there is none
	say      []byte
	trickle  []byte // then this, once a second
	deaf     bool   // read nothing
}

// TestSlowloris keeps the server waiting in six ways, on a thousand
// connections each. Every one of them must be gone a second after its time is
// over, with its descriptors and the backend's, and a good client must not
// notice. The times are those of the shipped configuration, but for the one
// for bodies that do not move.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	const (
		each    = 1000
		timeout = 10 * time.Second
		late    = time.Second
		host    = "slow.test"
	)
	needDescriptors(t, 12*each)
	s, _ := folderStage(t, "--stall-timeout", timeout.String())
	big := make([]byte, 1<<20)
	b := s.backend(t, "slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", "slow")
		if r.URL.Path == "/big" {
			_, _ = w.Write(big)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	s.put(t, s.secret("slow-tls", s.ca.Server(t, host)), s.service("slow"), s.slice("slow", b.address, b.port, true), s.ingress(host, "slow", "slow-tls"))
	s.live(t, host)
	good := s.neighbour(t, host)
	goBefore, filesBefore := s.goroutines(t), s.openFiles(t)

	head := "POST / HTTP/1.1\r\nHost: " + host + "\r\n"
	get := block("GET", host, "/")
	ways := []slowWay{
		// A record of 256 octets that holds a ClientHello, of which 5 come.
		{name: "half a ClientHello", say: []byte{22, 3, 1, 1, 0, 1, 0, 0, 252, 3}},
		{name: "no preface", protocol: "h2"},
		{name: "half a HEADERS frame", protocol: "h2", say: append(frames(nil), append([]byte{0, 0, byte(2 * len(get)), byte(http2.FrameHeaders), 5, 0, 0, 0, 1}, get...)...)},
		{name: "a head that trickles", protocol: "http/1.1", say: []byte(head + "X: "), trickle: []byte("x\r\nX: ")},
		{name: "half a body", protocol: "http/1.1", say: []byte(head + "Content-Length: 9\r\n\r\nx")},
		{name: "a response unread", protocol: "http/1.1", deaf: true, say: []byte("GET /big HTTP/1.1\r\nHost: " + host + "\r\n\r\n")},
	}
	start := time.Now()
	slowly := &slowConns{stage: s, t: t, host: host, turns: make(chan struct{}, 6), over: make(chan struct{})}
	t.Cleanup(slowly.end)
	for range each {
		for _, way := range ways {
			slowly.begin(way)
		}
	}
	slowly.began.Wait()
	opened := time.Now()
	t.Logf("%d connections opened within %v", each*len(ways), opened.Sub(start).Round(time.Millisecond))
	testkit.Eventually(t, "all connections are gone", func() string {
		if n := s.openFiles(t); n > filesBefore+20 {
			return fmt.Sprintf("%d open files, %d before", n, filesBefore)
		}
		return ""
	})
	took := time.Since(opened)
	slowly.end()
	limit := timeout + late + good.machine()
	t.Logf("all gone %v later; the limit is %v", took.Round(time.Millisecond), limit.Round(time.Millisecond))
	if took > limit {
		t.Errorf("the last descriptor was given back after %v", took)
	}
	for _, way := range ways {
		if took, ok := slowly.took[way.name]; ok {
			t.Logf("%s: closed after %v to %v", way.name, took[0].Round(time.Millisecond), took[1].Round(time.Millisecond))
			if took[0] < timeout-late || took[1] > limit {
				t.Errorf("%s: closed after %v to %v", way.name, took[0], took[1])
			}
		} else if !way.deaf {
			t.Errorf("%s: no connection was closed", way.name)
		}
	}
	good.unharmed(t)
	testkit.Eventually(t, "no more goroutines than before", func() string {
		if n := s.goroutines(t); n > goBefore+50 {
			return fmt.Sprintf("%d goroutines, %d before", n, goBefore)
		}
		return ""
	})
}

// slowConns are the connections of an attacker.
type slowConns struct {
	*stage
	t     testing.TB
	host  string
	turns chan struct{} // the times are for a connection, not for its place in a queue
	began sync.WaitGroup
	ended sync.WaitGroup
	over  chan struct{} // closed by end
	once  sync.Once

	mu   sync.Mutex
	took map[string][2]time.Duration // the shortest and the longest; guarded by mu
}

// begin opens one connection.
func (c *slowConns) begin(way slowWay) {
	c.turns <- struct{}{}
	c.began.Add(1)
	c.ended.Go(func() {
		dialer := new(net.Dialer)
		if way.deaf {
			dialer.Control = smallBuffers
		}
		nc, tc, err := c.shake(c.host, way.protocol, dialer)
		var begun time.Time
		if err == nil {
			defer nc.Close()
			begun = time.Now()
			err = say(nc, tc, way.say)
		}
		<-c.turns
		c.began.Done()
		if err != nil {
			c.t.Errorf("%s: %v", way.name, err)
			return
		}
		if way.deaf {
			<-c.over
			return
		}
		if way.trickle != nil {
			c.ended.Go(func() {
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for range tick.C {
					if say(nc, tc, way.trickle) != nil {
						return
					}
				}
			})
		}
		await(nc, tc)
		d := time.Since(begun)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.took == nil {
			c.took = make(map[string][2]time.Duration)
		}
		was, ok := c.took[way.name]
		if !ok {
			was = [2]time.Duration{d, d}
		}
		c.took[way.name] = [2]time.Duration{min(was[0], d), max(was[1], d)}
	})
}

func (c *slowConns) end() {
	c.once.Do(func() { close(c.over) })
	c.ended.Wait()
}

func say(nc net.Conn, tc *tls.Conn, p []byte) error {
	if tc != nil {
		nc = tc
	}
	_, err := nc.Write(p)
	return err
}

// await reads until the server has closed the connection.
func await(nc net.Conn, tc *tls.Conn) {
	if tc != nil {
		nc = tc
	}
	var p [256]byte
	for {
		if _, err := nc.Read(p[:]); err != nil {
			return
		}
	}
}

// smallBuffers lets a connection hold little that was not read, on either
// side: the system sizes the sender's buffer by the segments.
func smallBuffers(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400))
	})
	return errors.Join(err, failed)
}
