package edge

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

func leafOf(cs tls.ConnectionState) string { return strings.Join(cs.PeerCertificates[0].DNSNames, ",") }

func isAlert(err error, name string) bool {
	return err != nil && strings.Contains(err.Error(), name)
}

func TestCertificateByServerName(t *testing.T) {
	ca := newAuthority(t)
	sites := []*hostmap.Site{
		site("a.test", ca.serverCert("a", "a.test")),
		site("*.w.test", ca.serverCert("w", "*.w.test")),
		site("own.w.test", ca.serverCert("own", "own.w.test")),
		site("wrong.test", ca.serverCert("wrong", "other.test")),
		site("none.test"),
	}
	def := ca.serverCert("default", "default.test")
	for _, withDefault := range []bool{false, true} {
		spec := hostmap.Spec{Sites: sites}
		fallback := "unrecognized name"
		if withDefault {
			spec.Defaults, fallback = []*hostmap.Certificate{def}, "default.test"
		}
		w := newWorld(t, hostmap.New(spec), nil)
		for name, want := range map[string]string{
			"a.test": "a.test", "A.TEST": "a.test",
			"x.w.test": "*.w.test", "own.w.test": "own.w.test", "x.y.w.test": fallback, "w.test": fallback,
			"wrong.test":   "other.test", // as its Ingress names it, so that a look shows it
			"none.test":    "unrecognized name",
			"nowhere.test": fallback, "": fallback,
			"a.test:443": "unrecognized name", "a.test x": "unrecognized name", "-a.test": "unrecognized name",
		} {
			cs, err := w.dial(name, nil)
			got := ""
			if err == nil {
				got = leafOf(cs)
			}
			if got != want && !isAlert(err, want) {
				t.Errorf("server name %q, default %v: %s %v, want %s", name, withDefault, got, err, want)
			}
		}
	}
}

// ECDSA before RSA cannot be seen with one key type; the choice by what the
// hello supports can: a client without ECDSA signatures gets the RSA leaf.
func TestCertificateByHello(t *testing.T) {
	ca := newAuthority(t)
	ecdsa, rsa := ca.serverCert("e", "a.test"), ca.rsaCert("r", "a.test")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		site("a.test", ecdsa, rsa),
	}})
	w := newWorld(t, m, nil)
	for name, tt := range map[string]struct {
		suites []uint16
		want   x509.PublicKeyAlgorithm
	}{
		"both":     {nil, x509.ECDSA},
		"rsa only": {[]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, x509.RSA},
	} {
		cs, err := w.dial("a.test", func(c *tls.Config) { c.CipherSuites, c.MaxVersion = tt.suites, tls.VersionTLS12 })
		if err != nil || cs.PeerCertificates[0].PublicKeyAlgorithm != tt.want {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// An intermediate more than the depth allows fails the handshake, resumed or
// not.
func TestClientAuthDepth(t *testing.T) {
	ca, root := newAuthority(t), newAuthority(t)
	signed := root.Sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	key, ok := signed.TLS.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatal("no signer")
	}
	inter := &testkit.CA{Cert: signed.Leaf, Key: key}
	cert := inter.Client(t, "deep").TLS
	cert.Certificate = append(cert.Certificate, signed.Leaf.Raw)
	wild := ca.serverCert("wild", "*.test")
	site := func(host string, depth int) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{
			Host: host, Certificates: []*hostmap.Certificate{wild},
			Policy: hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, depth, []*x509.Certificate{root.Cert}),
		})
	}
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("one.test", 1), site("two.test", 2)}}), nil)
	for host, ok := range map[string]bool{"one.test": false, "two.test": true} {
		for range 2 {
			if _, err := w.dial(host, func(c *tls.Config) { c.Certificates = []tls.Certificate{cert} }); (err == nil) != ok {
				t.Errorf("%s: %v, want ok %v", host, err, ok)
			}
		}
	}
}

// mutual is a map of hosts that ask different things of their clients, below
// one wildcard certificate.
func mutual(ca, clients, others *authority) *hostmap.Map {
	wild := ca.serverCert("wild", "*.test")
	site := func(host string, p hostmap.TLSPolicy) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Certificates: []*hostmap.Certificate{wild}, Policy: p})
	}
	policy := func(mode hostmap.ClientAuth, cas ...*x509.Certificate) hostmap.TLSPolicy {
		return hostmap.NewTLSPolicy(mode, 1, cas)
	}
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		site("open.test", hostmap.TLSPolicy{}),
		site("open2.test", hostmap.TLSPolicy{}),
		site("mtls.test", policy(hostmap.ClientAuthRequire, clients.Cert)),
		site("mtls2.test", policy(hostmap.ClientAuthRequire, clients.Cert, clients.Cert)),
		site("others.test", policy(hostmap.ClientAuthRequire, others.Cert)),
		site("optional.test", policy(hostmap.ClientAuthOptional, clients.Cert)),
		site("broken.test", hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)),
	}})
}

// A session is resumed for the site, leaf and policy it was made for, and for
// nothing else, whatever the client offers (CVE-2025-23419, CVE-2025-68121).
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
			m := mutual(ca, clients, others)
			w := newWorld(t, m, nil)
			good := clients.Client(t, "good").TLS
			hosts := []string{"open.test", "open2.test", "mtls.test", "mtls2.test", "optional.test"}
			// oneSession offers the session of any host to every host.
			session := func(cache tls.ClientSessionCache, host string) (tls.ConnectionState, error) {
				return w.dial(host, func(c *tls.Config) {
					c.MinVersion, c.MaxVersion = version, version
					c.ClientSessionCache = cache
					c.Certificates = []tls.Certificate{good}
				})
			}
			for _, first := range hosts {
				for _, second := range hosts {
					cache := &oneSession{}
					if _, err := session(cache, first); err != nil {
						t.Fatal(err)
					}
					cs, err := session(cache, second)
					if err != nil {
						t.Errorf("%s after %s: %v", second, first, err)
						continue
					}
					if cs.DidResume != (first == second) {
						t.Errorf("%s after %s: resumed %v", second, first, cs.DidResume)
					}
				}
			}

			// A renewed certificate, and a changed policy, end the sessions of
			// before; a map that changes neither does not.
			cache := &oneSession{}
			if _, err := session(cache, "open.test"); err != nil {
				t.Fatal(err)
			}
			w.publish(hostmap.New(hostmap.Spec{Sites: m.Sites()}))
			if cs, err := session(cache, "open.test"); err != nil || !cs.DidResume {
				t.Errorf("after a publish that changes nothing: %v, resumed %v", err, cs.DidResume)
			}
			w.publish(mutual(ca, clients, others))
			if cs, err := session(cache, "open.test"); err != nil || cs.DidResume {
				t.Errorf("after a renewal: %v, resumed %v", err, cs.DidResume)
			}
			if cs, err := session(cache, "open.test"); err != nil || !cs.DidResume {
				t.Errorf("with the ticket of after: %v, resumed %v", err, cs.DidResume)
			}
		})
	}
}

// oneSession keeps the last session, whatever host it was made for.
type oneSession struct{ s *tls.ClientSessionState }

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) { return o.s, o.s != nil }

func (o *oneSession) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		o.s = s
	}
}

// A hello in pieces is the same hello (CVE-2026-32305).
func TestFragmentedHello(t *testing.T) {
	m := shop(t)
	w := newWorld(t, m, nil)
	nc, err := net.Dial("tcp", w.https)
	if err != nil {
		t.Fatal(err)
	}
	tc := tls.Client(&slicer{nc}, &tls.Config{ServerName: "c.test", NextProtos: []string{"h2"}, InsecureSkipVerify: true}) //nolint:gosec // as above
	defer tc.Close()
	if err := tc.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := leafOf(tc.ConnectionState()); got != "c.test" {
		t.Errorf("served %s", got)
	}
}

// slicer sends one octet a time.
type slicer struct{ net.Conn }

func (s *slicer) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := s.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestHandshakeTimeout(t *testing.T) {
	m := shop(t)
	w := newWorld(t, m, func(c *Config) { c.Limits.HandshakeTimeout = 50 * time.Millisecond })
	nc, err := net.Dial("tcp", w.https)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	var timeout net.Error
	if _, err := nc.Read(make([]byte, 1)); err == nil || (errors.As(err, &timeout) && timeout.Timeout()) {
		t.Errorf("a connection that says nothing: %v", err)
	}
}
