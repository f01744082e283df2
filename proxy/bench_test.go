package proxy

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/edge"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/message"
)

// nowhere takes answers and drops them, so that a benchmark measures what
// becomes of a request before it reaches the wire.
type nowhere struct{}

func (nowhere) Read([]byte) (int, error)                                       { return 0, nil }
func (nowhere) Trailer() []hpack.HeaderField                                   { return nil }
func (nowhere) WriteInterim(int, []hpack.HeaderField) error                    { return nil }
func (nowhere) WriteHeader(int, []hpack.HeaderField, bool) error               { return nil }
func (nowhere) Respond(int, []hpack.HeaderField, []byte) error                 { return nil }
func (nowhere) RespondBlock(*message.Block, []hpack.HeaderField, []byte) error { return nil }
func (nowhere) Write(p []byte) (int, error)                                    { return len(p), nil }
func (nowhere) WriteEnd([]byte) error                                          { return nil }
func (nowhere) WriteTrailer([]hpack.HeaderField) error                         { return nil }
func (nowhere) Reset(http2.ErrCode)                                            {}
func (nowhere) OnCancel(h2.Canceler)                                           {}
func (nowhere) SetClose()                                                      {}
func (nowhere) StopRead()                                                      {}
func (nowhere) ForgetHead()                                                    {}

// BenchmarkAdmit is what a request costs between its head and its forwarding,
// and what a 421 costs in all but its octets.
func BenchmarkAdmit(b *testing.B) {
	ca := newAuthority(b)
	leaf := ca.serverCert("a", "a.test")
	s, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	s.Publish(hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{leaf}, Routes: routeTo(&hostmap.Backend{})}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Certificates: []*hostmap.Certificate{ca.serverCert("c", "c.test")}, Routes: routeTo(&hostmap.Backend{})}),
	}}))
	c := &client{Conn: &edge.Conn{Client: message.Client{Facts: hostmap.Facts{
		TLS: true, ServerName: "a.test", Leaf: leaf, Version: tls.VersionTLS13, ALPN: message.HTTP2, Peer: netip.MustParseAddr("192.0.2.1"),
	}}}}
	header := []hpack.HeaderField{
		{Name: "user-agent", Value: "bench"}, {Name: "accept", Value: "*/*"}, {Name: "accept-encoding", Value: "gzip, br"},
		{Name: "cookie", Value: "a=b"},
	}
	for _, host := range []string{"a.test", "c.test", "unserved.test"} {
		b.Run(host, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := s.requests.Begin(c, nowhere{}, time.Now())
				r.Protocol, r.Method, r.Scheme, r.Authority, r.Target, r.Header = message.HTTP2, "GET", "https", host, "/", header
				s.requests.Admit(r)
				s.requests.End(r)
			}
		})
	}
}
