package edge

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// heldConn lets the client's hello pass, and holds what comes after it until
// release is closed.
type heldConn struct {
	net.Conn
	writes  atomic.Int32
	held    chan struct{} // closed when something is held
	release chan struct{}
}

// Write implements net.Conn.
func (c *heldConn) Write(p []byte) (int, error) {
	if c.writes.Add(1) == 2 {
		close(c.held)
		<-c.release
	}
	return c.Conn.Write(p)
}

// TestPublishDuringHandshake: a connection whose handshake began under a map
// is drained like others if the map published before its end puts it in the
// wrong.
func TestPublishDuringHandshake(t *testing.T) {
	m := shop(t)
	w := newWorld(t, m, nil)
	nc, err := net.Dial("tcp", w.https)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	held := &heldConn{Conn: nc, held: make(chan struct{}), release: make(chan struct{})}
	tc := tls.Client(held, &tls.Config{ServerName: "c.test", NextProtos: []string{"h2"}, InsecureSkipVerify: true}) //nolint:gosec // a test looks at what it is served
	shaken := make(chan error, 1)
	go func() { shaken <- tc.Handshake() }()
	<-held.held

	var left []*hostmap.Site
	for _, s := range m.Sites() {
		if s.Host != "c.test" {
			left = append(left, s)
		}
	}
	w.publish(hostmap.New(hostmap.Spec{Sites: left}))
	close(held.release)
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	if err := tc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := tc.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	fr := http2.NewFramer(tc, tc)
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatalf("before a GOAWAY: %v", err)
		}
		if f.Header().Type == http2.FrameGoAway {
			return
		}
	}
}
