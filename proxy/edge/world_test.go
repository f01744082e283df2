package edge

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/observe"
)

// world is an Edge on loopback that answers 200 to every request.
type world struct {
	t           testing.TB
	edge        *Edge
	registry    *prometheus.Registry
	log         *testkit.Buffer
	live        atomic.Pointer[hostmap.Map]
	http, https string // host:port
	stop        func()
}

// newWorld starts an Edge; change may adjust its configuration.
func newWorld(t testing.TB, m *hostmap.Map, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, registry: prometheus.NewRegistry(), log: &testkit.Buffer{}}
	w.live.Store(m)
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	observer := observe.New(observe.Config{Log: log, Registerer: w.registry})
	ok := []hpack.HeaderField{{Name: "content-length", Value: "0"}}
	cfg := Config{
		Hosts: w.live.Load, Attach: func(*Conn) (any, func()) { return nil, func() {} }, DrainTimeout: 5 * time.Second, DrainAccept: 10 * time.Millisecond,
		HTTP1: &http1.Engine{
			Handle: func(x *http1.Exchange) { _ = x.Respond(200, ok, nil) },
			Refuse: func(x *http1.Exchange, status int, _ string) { _ = x.Respond(status, ok, nil) },
		},
		HTTP2: &h2.Engine{Admit: func(s *h2.Stream) bool { return s.Respond(200, nil, nil) == nil }},
		Full:  func() bool { return false }, Observer: observer, Log: log,
	}
	if change != nil {
		change(&cfg)
	}
	w.edge = New(cfg)
	listen := func() net.Listener {
		ln, err := w.edge.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	cleartext, secure := listen(), listen()
	w.http, w.https = cleartext.Addr().String(), secure.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.edge.Serve(ctx, cleartext, secure) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		observer.Close()
	})
	t.Cleanup(w.stop)
	return w
}

// publish makes a map live.
func (w *world) publish(m *hostmap.Map) { w.edge.Published(w.live.Swap(m)) }

// dial does a handshake with a server name that need not be one.
func (w *world) dial(serverName string, change func(*tls.Config)) (tls.ConnectionState, error) {
	return testkit.Handshake(w.https, serverName, change)
}

// dialH2 opens an HTTP/2 connection.
func (w *world) dialH2(serverName string) (*http2.ClientConn, error) {
	nc, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: serverName, NextProtos: []string{"h2"}, InsecureSkipVerify: true}) //nolint:gosec // a test looks at what it is served
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	return (&http2.Transport{DisableCompression: true}).NewClientConn(nc)
}

// counted is what a counter with one label of interest has come to.
func (w *world) counted(name, label, value string) (n float64) {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == label && l.GetValue() == value {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// authority signs certificates of Secrets.
type authority struct {
	t testing.TB
	*testkit.CA
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	return &authority{t, testkit.NewCA(t, "test CA")}
}

// serverCert makes a certificate of a Secret for some names.
func (a *authority) serverCert(secret string, names ...string) *hostmap.Certificate {
	a.t.Helper()
	return a.secret(secret, a.Server(a.t, names...).TLS)
}

// rsaCert makes one with an RSA key.
func (a *authority) rsaCert(secret, name string) *hostmap.Certificate {
	a.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		a.t.Fatal(err)
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}, a.Cert, &key.PublicKey, a.Key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.secret(secret, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
}

func (a *authority) secret(name string, pair tls.Certificate) *hostmap.Certificate {
	a.t.Helper()
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: "default", Name: name}, pair)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// shop is three hosts: a and b share a certificate that covers both, and c has
// another.
func shop(t testing.TB) *hostmap.Map {
	ca := newAuthority(t)
	ab, c := ca.serverCert("ab", "a.test", "b.test"), ca.serverCert("c", "c.test")
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("a.test", ab), site("b.test", ab), site("c.test", c)}})
}

func site(host string, certs ...*hostmap.Certificate) *hostmap.Site {
	return hostmap.NewSite(hostmap.Site{Host: host, Certificates: certs})
}

// loopback are the peers of tests.
func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// header2 is a PROXY protocol header in version 2 without addresses.
func header2(command, family byte) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family, 0, 0})
}
