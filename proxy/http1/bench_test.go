package http1

import (
	"io"
	"net"
	"testing"
	"time"
)

// script is a connection whose client has said it all, n times over.
type script struct {
	net.Conn
	text string
	n    int
	rest string
}

func (s *script) Read(p []byte) (int, error) {
	if s.rest == "" {
		if s.n == 0 {
			return 0, io.EOF
		}
		s.n--
		s.rest = s.text
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

const browserGet = "GET /path/to/a/thing?with=query HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef\r\n\r\n"

var (
	hello       = []byte("hello, world")
	helloFields = fields("server", "x", "date", "Sat, 28 Nov 2026 07:00:00 GMT", "content-type", "text/plain", "content-length", "12")
)

func sayHello(x *Exchange) { _ = x.Respond(200, helloFields, hello) }

// A request costs one allocation: its head, of which the owner may keep parts.
func TestAllocations(t *testing.T) {
	const n = 1000
	g := newEngine(sayHello)
	per := testing.AllocsPerRun(10, func() {
		s := &script{text: browserGet, n: n}
		if reason, _ := g.NewConn(s, Limits{}, nil).Serve(); reason != ClosedPeer {
			t.Fatal(reason)
		}
	}) / n
	if per >= 1.5 { // the race detector takes buffers out of pools
		t.Errorf("%.2f allocations a request", per)
	}
}

func BenchmarkGet(b *testing.B) {
	b.ReportAllocs()
	g := newEngine(sayHello)
	if reason, _ := g.NewConn(&script{text: browserGet, n: b.N}, Limits{}, nil).Serve(); reason != ClosedPeer {
		b.Fatal(reason)
	}
}

func BenchmarkPost(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 4096)
	g := newEngine(func(x *Exchange) {
		for {
			if _, err := x.Read(buf); err != nil {
				break
			}
		}
		sayHello(x)
	})
	post := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + pad("", 1000, "")
	if reason, _ := g.NewConn(&script{text: post, n: b.N}, Limits{}, nil).Serve(); reason != ClosedPeer {
		b.Fatal(reason)
	}
}
