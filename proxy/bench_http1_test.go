package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/edge"
	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// saying is a connection in memory whose peer says a text n times over: a client
// asks so often; a backend answers each write so.
type saying struct {
	net.Conn
	text string
	n    int
	rest string
	asks bool // a client: it does not wait for anything
}

func (s *saying) Read(p []byte) (int, error) {
	if s.rest == "" && s.asks {
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

func (s *saying) Write(p []byte) (int, error) {
	if !s.asks {
		s.rest = s.text
	}
	return len(p), nil
}

func (*saying) Close() error                     { return nil }
func (*saying) SetDeadline(time.Time) error      { return nil }
func (*saying) SetReadDeadline(time.Time) error  { return nil }
func (*saying) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkHTTP1 is what a request of HTTP/1.1 costs beside system calls and TLS:
// forwarded to a backend that speaks it too, and refused.
func BenchmarkHTTP1(b *testing.B) {
	ca := newAuthority(b)
	leaf := ca.serverCert("a", "a.test")
	const answer = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 12\r\nConnection: keep-alive\r\n\r\nhello, world"
	s, err := New(Config{Upstream: upstream.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		return &saying{text: answer}, nil
	}}})
	if err != nil {
		b.Fatal(err)
	}
	s.Publish(hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Certificates: []*hostmap.Certificate{leaf},
		Routes: routeTo(&hostmap.Backend{Service: "web", Endpoints: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:80")}}),
	})}}))
	facts := hostmap.Facts{
		TLS: true, ServerName: "a.test", Leaf: leaf, Version: tls.VersionTLS13, ALPN: message.HTTP1, Peer: netip.MustParseAddr("192.0.2.1"),
	}
	for _, host := range []string{"a.test", "other.test"} {
		b.Run(host, func(b *testing.B) {
			b.ReportAllocs()
			c := &edge.Conn{Client: message.Client{Facts: facts, Source: facts.Peer, SourceText: facts.Peer.String()}}
			data, end := attach(c)
			defer end()
			engine := &http1.Engine{Handle: s.requests.ServeHTTP1, Refuse: s.requests.RefuseHTTP1}
			get := "GET / HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: h2load nghttp2/1.52.0\r\n\r\n"
			if reason, err := engine.NewConn(&saying{text: get, n: b.N, asks: true}, http1.Limits{}, data).Serve(); reason != http1.ClosedPeer {
				b.Fatal(reason, err)
			}
		})
	}
}
