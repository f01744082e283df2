package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// dial does a handshake with a server name that need not be one.
func (w *world) dial(serverName string, change func(*tls.Config)) (tls.ConnectionState, error) {
	cfg := &tls.Config{ServerName: serverName, NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true} //nolint:gosec // a test looks at what it is served
	if change != nil {
		change(cfg)
	}
	nc, err := tls.Dial("tcp", w.https, cfg)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer nc.Close()
	// In TLS 1.3 the server's view of the client's certificate, and the session
	// tickets, come with the first bytes after the handshake.
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Read(make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return nc.ConnectionState(), nil
}

func leafOf(cs tls.ConnectionState) string { return strings.Join(cs.PeerCertificates[0].DNSNames, ",") }

func isAlert(err error, name string) bool {
	return err != nil && strings.Contains(err.Error(), name)
}

func TestCertificateByServerName(t *testing.T) {
	ca := newAuthority(t)
	b := routeTo(echo(t, "b"))
	site := func(host string, certs ...*hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Certificates: certs, Routes: b})
	}
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
	ecdsa, rsa := ca.serverCert("e", "a.test"), rsaCert(t, ca, "a.test")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{ecdsa, rsa}, Routes: routeTo(echo(t, "b"))}),
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

// mutual is a map of hosts that ask different things of their clients, below
// one wildcard certificate.
func mutual(t testing.TB, ca, clients, others *authority) *hostmap.Map {
	wild := ca.serverCert("wild", "*.test")
	site := func(host string, p hostmap.TLSPolicy) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Certificates: []*hostmap.Certificate{wild}, Policy: p, Routes: routeTo(echo(t, host))})
	}
	policy := func(mode hostmap.ClientAuth, cas ...*x509.Certificate) hostmap.TLSPolicy {
		return hostmap.NewTLSPolicy(mode, 1, cas)
	}
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		site("open.test", hostmap.TLSPolicy{}),
		site("open2.test", hostmap.TLSPolicy{}),
		site("mtls.test", policy(hostmap.ClientAuthRequire, clients.cert)),
		site("mtls2.test", policy(hostmap.ClientAuthRequire, clients.cert, clients.cert)),
		site("others.test", policy(hostmap.ClientAuthRequire, others.cert)),
		site("optional.test", policy(hostmap.ClientAuthOptional, clients.cert)),
		site("broken.test", hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)),
	}})
}

func TestClientAuth(t *testing.T) {
	ca, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
	w := newWorld(t, mutual(t, ca, clients, others), nil)
	good, bad := clients.clientCert("good"), others.clientCert("bad")
	with := func(certs ...tls.Certificate) func(*tls.Config) {
		return func(c *tls.Config) {
			if len(certs) > 0 {
				// Sent whatever CAs the server names.
				c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
			}
		}
	}
	for _, tt := range []struct {
		name string
		cert []tls.Certificate
		ok   bool
	}{
		{"open.test", nil, true},
		{"mtls.test", nil, false},
		{"mtls.test", []tls.Certificate{good}, true},
		{"mtls.test", []tls.Certificate{bad}, false},
		{"optional.test", nil, true},
		{"optional.test", []tls.Certificate{good}, true},
		{"optional.test", []tls.Certificate{bad}, false},
		{"broken.test", nil, false},
		{"broken.test", []tls.Certificate{good}, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			_, err := w.dial(tt.name, func(c *tls.Config) { with(tt.cert...)(c); c.MaxVersion = version })
			if (err == nil) != tt.ok {
				t.Errorf("%s, %d certificates, %s: %v, want ok %v", tt.name, len(tt.cert), tls.VersionName(version), err, tt.ok)
			}
		}
	}
	// Each failed for what it was: "broken.test" for our own want of CAs.
	for result, want := range map[string]float64{"client_certificate": 6, "refused": 4, "error": 0} {
		got := func() float64 { return counterSum(t, w.registry, "ingress421_tls_handshakes_total", "result", result) }
		eventually(t, result, func() bool { return got() >= want })
		if got() != want {
			t.Errorf("%v handshakes with result %s, want %v", got(), result, want)
		}
	}

	// Across hosts: a connection is good for hosts of its own policy, and for
	// such as ask for nothing.
	hosts := []string{"open.test", "open2.test", "mtls.test", "mtls2.test", "others.test", "optional.test", "broken.test"}
	group := map[string]string{"open.test": "", "open2.test": "", "mtls.test": "m", "mtls2.test": "m", "others.test": "o", "optional.test": "p", "broken.test": "never"}
	for _, sni := range hosts[:6] {
		cert := good
		if sni == "others.test" {
			cert = bad
		}
		cc := w.h2Client(sni, with(cert))
		for _, host := range hosts {
			want := 421
			if g := group[host]; g == "" || g == group[sni] {
				want = 200
			}
			a := roundTrip(t, cc, "GET", "https://"+host+"/", nil)
			if a.StatusCode != want || (want == 421 && !strings.Contains(a.Header.Get("Proxy-Status"), "tls_policy")) {
				t.Errorf("%s on a connection of %s: %d %s, want %d", host, sni, a.StatusCode, a.Header.Get("Proxy-Status"), want)
			}
			// The verified certificate goes to hosts that asked for it, and no
			// further.
			sent := a.Header.Get("X-Echo-Client-Cert")
			wantCert := ""
			if want == 200 && group[host] != "" {
				wantCert = ":" + base64.StdEncoding.EncodeToString(cert.Certificate[0]) + ":"
			}
			if sent != wantCert {
				t.Errorf("%s on a connection of %s: Client-Cert %.20q, want %.20q", host, sni, sent, wantCert)
			}
		}
	}
}

// An intermediate more than the depth allows fails the handshake, resumed or
// not.
func TestClientAuthDepth(t *testing.T) {
	ca, root := newAuthority(t), newAuthority(t)
	inter := &authority{t: t, pool: root.pool}
	var der []byte
	inter.key, der = inter.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, root)
	inter.cert, _ = x509.ParseCertificate(der)
	cert := inter.clientCert("deep")
	cert.Certificate = append(cert.Certificate, der)
	wild := ca.serverCert("wild", "*.test")
	site := func(host string, depth int) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{
			Host: host, Certificates: []*hostmap.Certificate{wild}, Routes: routeTo(echo(t, host)),
			Policy: hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, depth, []*x509.Certificate{root.cert}),
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

// A session is resumed for the site, leaf and policy it was made for, and for
// nothing else, whatever the client offers (CVE-2025-23419, CVE-2025-68121).
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
			m := mutual(t, ca, clients, others)
			w := newWorld(t, m, nil)
			good := clients.clientCert("good")
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
			w.server.Publish(hostmap.New(hostmap.Spec{Sites: m.Sites()}))
			if cs, err := session(cache, "open.test"); err != nil || !cs.DidResume {
				t.Errorf("after a publish that changes nothing: %v, resumed %v", err, cs.DidResume)
			}
			w.server.Publish(mutual(t, ca, clients, others))
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

// A resumed connection has the facts of the one before.
func TestResumedConnectionIsJudged(t *testing.T) {
	_, m := shop(t)
	w := newWorld(t, m, nil)
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		cc := w.h2Client("a.test", func(c *tls.Config) { c.ClientSessionCache = cache })
		for host, want := range map[string]int{"a.test": 200, "b.test": 200, "c.test": 421} {
			if a := roundTrip(t, cc, "GET", "https://"+host+"/", nil); a.StatusCode != want {
				t.Errorf("%s: %d, want %d", host, a.StatusCode, want)
			}
		}
	}
}

// A hello in pieces is the same hello (CVE-2026-32305).
func TestFragmentedHello(t *testing.T) {
	_, m := shop(t)
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

func TestMinimumVersion(t *testing.T) {
	ca := newAuthority(t)
	wild := ca.serverCert("w", "*.test")
	strict := hostmap.BuiltinClass()
	strict.MinVersion = tls.VersionTLS13
	b := routeTo(echo(t, "b"))
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "old.test", Certificates: []*hostmap.Certificate{wild}, Routes: b}),
		hostmap.NewSite(hostmap.Site{Host: "new.test", Class: strict, Certificates: []*hostmap.Certificate{wild}, Routes: b}),
	}}), nil)
	tls12 := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	if _, err := w.dial("new.test", tls12); err == nil {
		t.Error("TLS 1.2 for a host that wants 1.3")
	}
	cc := w.h2Client("old.test", tls12)
	if a := roundTrip(t, cc, "GET", "https://new.test/", nil); a.StatusCode != 421 {
		t.Errorf("by way of another host: %d", a.StatusCode)
	}
	if a := roundTrip(t, w.h2Client("old.test", nil), "GET", "https://new.test/", nil); a.StatusCode != 200 {
		t.Errorf("with TLS 1.3: %d", a.StatusCode)
	}
}

// Publish drains the connections that the new map has put in the wrong, and
// no others.
func TestPublishDrains(t *testing.T) {
	ca := newAuthority(t)
	b := routeTo(echo(t, "b"))
	site := func(host string, p hostmap.TLSPolicy, cert *hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Namespace: cert.Secret.Namespace, Policy: p, Certificates: []*hostmap.Certificate{cert}, Routes: b})
	}
	owned := func(namespace string, s *hostmap.Site) *hostmap.Site {
		other := *s
		other.Namespace = namespace
		return hostmap.NewSite(other)
	}
	taken := ca.serverCert("ab", "a.test", "b.test")
	taken.Secret.Namespace = "other"
	ab, c := ca.serverCert("ab", "a.test", "b.test"), ca.serverCert("c", "c.test")
	before := []*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ab), site("c.test", hostmap.TLSPolicy{}, c)}
	for name, tt := range map[string]struct {
		after []*hostmap.Site
		drain bool
	}{
		"nothing":            {before, false},
		"another site":       {before[:1], false},
		"renewal":            {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ca.serverCert("ab", "b.test", "a.test")), before[1]}, false},
		"fewer names":        {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ca.serverCert("ab", "a.test")), before[1]}, true},
		"more names":         {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ca.serverCert("ab", "a.test", "b.test", "d.test")), before[1]}, true},
		"no longer served":   {before[1:], true},
		"another owner":      {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, taken), before[1]}, true},
		"a copy of another":  {[]*hostmap.Site{owned("other", site("a.test", hostmap.TLSPolicy{}, ab)), before[1]}, false},
		"another's owner":    {[]*hostmap.Site{before[0], owned("other", before[1])}, false},
		"client auth is new": {[]*hostmap.Site{site("a.test", hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{ca.cert}), ab), before[1]}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, hostmap.New(hostmap.Spec{Sites: before}), nil)
			conn := w.rawH2("a.test", nil)
			if a := conn.get("https", "a.test", "/"); a.status != "200" {
				t.Fatalf("before: %+v", a)
			}
			w.server.Publish(hostmap.New(hostmap.Spec{Sites: tt.after}))
			if tt.drain {
				if a := conn.answer(99); !a.gone || len(conn.goAways) < 2 {
					t.Errorf("gone %v, GOAWAYs %v", a.gone, conn.goAways)
				}
				return
			}
			if a := conn.get("https", "a.test", "/"); a.status != "200" || len(conn.goAways) != 0 {
				t.Errorf("after: %+v, GOAWAYs %v", a, conn.goAways)
			}
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	_, m := shop(t)
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

func TestConnectionsPerSource(t *testing.T) {
	_, m := shop(t)
	w := newWorld(t, m, func(c *Config) { c.Limits.MaxConnectionsPerSource = 2 })
	one, two := w.h2Client("a.test", nil), w.h2Client("a.test", nil)
	if _, err := w.dialH2("a.test", nil); err == nil {
		t.Error("a third connection of one source")
	}
	for _, cc := range []interface{ Close() error }{one, two} {
		_ = cc.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if cc, err := w.dialH2("a.test", nil); err == nil {
			if a := roundTrip(t, cc, "GET", "https://a.test/", nil); a.StatusCode != 200 {
				t.Error(a.StatusCode)
			}
			return
		}
	}
	t.Error("no connection after the others were closed")
}

func rsaCert(t testing.TB, ca *authority, name string) *hostmap.Certificate {
	t.Helper()
	pair, err := rsaPair(ca, name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: "default", Name: "rsa"}, pair)
	if err != nil {
		t.Fatal(err)
	}
	if c.ECDSA {
		t.Fatal(fmt.Errorf("%s: not RSA", name))
	}
	return c
}

// Each connection has the limits of its site's class, on both protocols.
func TestLimitsOfTheClass(t *testing.T) {
	ca := newAuthority(t)
	small := hostmap.BuiltinClass()
	small.Name, small.Limits.MaxHeaderFields = "small", 20
	b := routeTo(echo(t, "b"))
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "small.test", Class: small, Certificates: []*hostmap.Certificate{ca.serverCert("s", "small.test")}, Routes: b}),
		hostmap.NewSite(hostmap.Site{Host: "large.test", Certificates: []*hostmap.Certificate{ca.serverCert("l", "large.test")}, Routes: b}),
	}}), nil)
	for host, want := range map[string]string{"small.test": "431", "large.test": "200"} {
		var fields []string
		text := "GET / HTTP/1.1\r\nHost: " + host + "\r\n"
		for i := range 50 {
			fields = append(fields, fmt.Sprintf("x-%d", i), "y")
			text += fmt.Sprintf("X-%d: y\r\n", i)
		}
		if a := w.rawH2(host, nil).get("https", host, "/", fields...); a.status != want {
			t.Errorf("h2 %s: %s, want %s", host, a.status, want)
		}
		if a := w.rawHTTP1(host, text+"\r\n"); a.status != want {
			t.Errorf("http/1.1 %s: %s, want %s", host, a.status, want)
		}
	}
}
