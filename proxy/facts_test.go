package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// dial does a handshake with a server name that need not be one.
func (w *world) dial(serverName string, change func(*tls.Config)) (tls.ConnectionState, error) {
	return testkit.Handshake(w.https, serverName, change)
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
