//go:build !race

package proxy

import (
	"crypto/tls"
	"io"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/message"
)

// A stack is made smaller, by half, only while it is used to less than a quarter.
// Of what a connection waits in a few hundred octets too many cost 8 KiB each.
func TestIdleConnectionsHoldSmallStacks(t *testing.T) {
	const conns, most = 200, 5 << 10
	for protocol, says := range map[string]string{
		message.HTTP1: "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		message.HTTP2: http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00",
	} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t, oneSite(t, echo(t, "b")), nil)
			before := stacks()
			for range conns {
				nc, err := tls.Dial("tcp", w.https, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{protocol}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = nc.Close() })
				if _, err := io.WriteString(nc, says); err != nil {
					t.Fatal(err)
				}
				if _, err := nc.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			held := 0
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
				runtime.GC() // halves them
				if held = (stacks() - before) / conns; held <= most {
					return
				}
			}
			t.Errorf("%d octets of stack for an idle connection, want at most %d", held, most)
		})
	}
}

// stacks is how many octets goroutines have as their stacks.
func stacks() int {
	s := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}
