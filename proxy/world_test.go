package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	// expired makes certificates whose time is over.
	expired bool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	var der []byte
	a.key, der = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

var serial = struct {
	sync.Mutex
	n int64
}{}

func (a *authority) sign(template *x509.Certificate, parent *authority) (*ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial.Lock()
	serial.n++
	template.SerialNumber = big.NewInt(serial.n)
	serial.Unlock()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent != nil && parent.expired {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	signer, signKey := template, key
	if parent != nil {
		signer, signKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signKey)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, der
}

// serverCert makes a certificate of a Secret for some names.
func (a *authority) serverCert(secret string, names ...string) *hostmap.Certificate {
	a.t.Helper()
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	key, der := a.sign(template, a)
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: "default", Name: secret}, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// clientCert makes a client's key pair.
func (a *authority) clientCert(name string) tls.Certificate {
	a.t.Helper()
	key, der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// world is a server on loopback with what tests need around it.
type world struct {
	t        testing.TB
	server   *Server
	registry *prometheus.Registry
	log      *testkit.Buffer
	http     string // host:port
	https    string
	stop     func()
}

// newWorld starts a server; change may adjust its configuration.
func newWorld(t testing.TB, m *hostmap.Map, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, registry: prometheus.NewRegistry(), log: &testkit.Buffer{}}
	cfg := Config{
		HTTPAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", Registerer: w.registry,
		MisdirectedLog: w.log, DrainTimeout: 5 * time.Second,
		DrainAccept: 10 * time.Millisecond, // nobody but the test's own clients comes
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.server = s
	s.Publish(m)
	ctx, cancel := context.WithCancel(context.Background())
	httpLn, httpsLn, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.http, w.https = httpLn.Addr().String(), httpsLn.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, httpLn, httpsLn) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// counterSum is what the counters of a name with a label add up to.
func counterSum(t testing.TB, from prometheus.Gatherer, name, label, value string) (n float64) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == label && l.GetValue() == value }) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// openConnections is how many client connections carry requests.
func openConnections(t testing.TB, from prometheus.Gatherer) (n int) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "ingress421_connections" {
			for _, m := range f.GetMetric() {
				n += int(m.GetGauge().GetValue())
			}
		}
	}
	return n
}

// echo is a backend that tells what it was sent.
func echo(t testing.TB, name string) *hostmap.Backend {
	t.Helper()
	return backend(t, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", name)
		w.Header().Set("X-Host", r.Host)
		w.Header().Set("X-Path", r.RequestURI)
		for n, v := range r.Header {
			w.Header()["X-Echo-"+n] = v
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte(name+" "), body...))
	}))
}

func backend(t testing.TB, name string, h http.Handler) *hostmap.Backend {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &hostmap.Backend{
		Namespace: "default", Service: name, Port: "80",
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort(srv.Listener.Addr().String())},
	}
}

// routeTo is the route of every path to a backend.
func routeTo(b *hostmap.Backend) []*hostmap.Route {
	return []*hostmap.Route{{Type: hostmap.Prefix, Path: "/", Backend: b, From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: b.Service}}}
}

// h2Client opens one HTTP/2 connection and keeps to it, whatever host is asked
// for, as a browser that coalesces does.
func (w *world) h2Client(serverName string, change func(*tls.Config)) *http2.ClientConn {
	w.t.Helper()
	cc, err := w.dialH2(serverName, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return cc
}

func (w *world) dialH2(serverName string, change func(*tls.Config)) (*http2.ClientConn, error) {
	cfg := &tls.Config{ServerName: serverName, NextProtos: []string{"h2"}, InsecureSkipVerify: true} //nolint:gosec // a test looks at what it is served
	if change != nil {
		change(cfg)
	}
	nc, err := tls.Dial("tcp", w.https, cfg)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	return (&http2.Transport{DisableCompression: true}).NewClientConn(nc)
}

type answer struct {
	*http.Response
	body string
}

func roundTrip(t testing.TB, rt http.RoundTripper, method, url string, change func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read: %v", method, url, err)
	}
	return answer{resp, string(body)}
}
