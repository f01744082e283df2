package proxy

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// gatewayWorld trusts loopback for one host and nobody for another one; each
// has a certificate and redirects to https. mtls.test asks for client
// certificates.
func gatewayWorld(t *testing.T) *world {
	ca := newAuthority(t)
	trusting := hostmap.BuiltinClass()
	trusting.Name, trusting.TrustedGateways = "trusting", prefixesOf("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")
	b := routeTo(echo(t, "b"))
	site := func(host string, class *hostmap.Class, p hostmap.TLSPolicy) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{
			Host: host, Namespace: "default", Class: class, Policy: p, Terms: hostmap.Terms{HTTPSRedirect: host != "plain.test" && host != "mtls.test"},
			Certificates: []*hostmap.Certificate{ca.serverCert(host, host)}, Routes: b,
		})
	}
	return newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		site("a.test", trusting, hostmap.TLSPolicy{}),
		site("plain.test", trusting, hostmap.TLSPolicy{}),
		site("mtls.test", trusting, hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{ca.cert})),
		site("strict.test", nil, hostmap.TLSPolicy{}),
	}}), func(c *Config) { c.ExternalHTTPSPort = 8443 })
}

// TestGatewayIsHeard: what a trusted gateway says of its client reaches the
// backend, all of it, and decides on the redirect; what it does not say follows
// from what it does.
func TestGatewayIsHeard(t *testing.T) {
	w := gatewayWorld(t)
	type told struct{ chain, proto, host, port, ip string }
	const me = "127.0.0.1"
	for _, tt := range []struct {
		name, host string
		said       []string // name and value
		cleartext  told     // status "308" in proto: redirected
		tls        told
	}{
		{"nothing", "plain.test", nil,
			told{me, "http", "plain.test", "80", me}, told{me, "https", "plain.test", "8443", me}},
		{"nothing, with a port in Host", "plain.test:8080", nil,
			told{me, "http", "plain.test:8080", "8080", me}, told{me, "https", "plain.test:8080", "8443", me}},
		{"nothing, and a redirect", "a.test", nil,
			told{proto: "308"}, told{me, "https", "a.test", "8443", me}},
		{"http", "a.test", []string{"x-forwarded-proto", "http"},
			told{proto: "308"}, told{me, "http", "a.test", "80", me}},
		{"https", "a.test", []string{"x-forwarded-proto", "https"},
			told{me, "https", "a.test", "8443", me}, told{me, "https", "a.test", "8443", me}},
		{"https in capitals", "a.test", []string{"x-forwarded-proto", "HTTPS"},
			told{me, "https", "a.test", "8443", me}, told{me, "https", "a.test", "8443", me}},
		{"wss", "a.test", []string{"x-forwarded-proto", "wss"},
			told{me, "https", "a.test", "8443", me}, told{me, "https", "a.test", "8443", me}},
		{"ws", "plain.test", []string{"x-forwarded-proto", "ws"},
			told{me, "http", "plain.test", "80", me}, told{me, "http", "plain.test", "80", me}},
		{"a list whose last word is the gateway's own", "a.test", []string{"x-forwarded-proto", "http, https"},
			told{me, "https", "a.test", "8443", me}, told{me, "https", "a.test", "8443", me}},
		{"a list that begins with what somebody else said", "a.test", []string{"x-forwarded-proto", "https, http"},
			told{proto: "308"}, told{me, "http", "a.test", "80", me}},
		{"two fields", "a.test", []string{"x-forwarded-proto", "https", "x-forwarded-proto", "http"},
			told{proto: "308"}, told{me, "http", "a.test", "80", me}},
		{"no scheme we know", "a.test", []string{"x-forwarded-proto", "httpsx"},
			told{proto: "308"}, told{me, "https", "a.test", "8443", me}},
		{"an empty scheme", "a.test", []string{"x-forwarded-proto", "https,"},
			told{proto: "308"}, told{me, "https", "a.test", "8443", me}},
		{"host and port", "plain.test", []string{"x-forwarded-host", "shop.example:8081", "x-forwarded-port", "444"},
			told{me, "http", "shop.example:8081", "444", me}, told{me, "https", "shop.example:8081", "444", me}},
		{"host without port", "plain.test:1", []string{"x-forwarded-proto", "http", "x-forwarded-host", "shop.example:8081"},
			told{me, "http", "shop.example:8081", "8081", me}, told{me, "http", "shop.example:8081", "8081", me}},
		{"no host that can be", "plain.test", []string{"x-forwarded-host", "user@evil.example/x"},
			told{me, "http", "plain.test", "80", me}, told{me, "https", "plain.test", "8443", me}},
		{"no port that can be", "plain.test", []string{"x-forwarded-port", "70000"},
			told{me, "http", "plain.test", "80", me}, told{me, "https", "plain.test", "8443", me}},
		{"a port that is no number", "plain.test", []string{"x-forwarded-port", "443, +1"},
			told{me, "http", "plain.test", "80", me}, told{me, "https", "plain.test", "8443", me}},
		{"the client", "plain.test", []string{"x-forwarded-for", "203.0.113.7"},
			told{"203.0.113.7, " + me, "http", "plain.test", "80", "203.0.113.7"}, told{"203.0.113.7, " + me, "https", "plain.test", "8443", "203.0.113.7"}},
		{"the client, before whom it puts what it likes", "plain.test", []string{"x-forwarded-for", "1.2.3.4, 203.0.113.7"},
			told{"1.2.3.4, 203.0.113.7, " + me, "http", "plain.test", "80", "203.0.113.7"}, told{"1.2.3.4, 203.0.113.7, " + me, "https", "plain.test", "8443", "203.0.113.7"}},
		{"a chain of gateways", "plain.test", []string{"x-forwarded-for", "1.2.3.4, 203.0.113.7", "x-forwarded-for", "10.0.0.1,2001:db8::1"},
			told{"1.2.3.4, 203.0.113.7, 10.0.0.1,2001:db8::1, " + me, "http", "plain.test", "80", "203.0.113.7"}, told{"1.2.3.4, 203.0.113.7, 10.0.0.1,2001:db8::1, " + me, "https", "plain.test", "8443", "203.0.113.7"}},
		{"gateways alone", "plain.test", []string{"x-forwarded-for", "10.0.0.2, 10.0.0.1"},
			told{"10.0.0.2, 10.0.0.1, " + me, "http", "plain.test", "80", "10.0.0.2"}, told{"10.0.0.2, 10.0.0.1, " + me, "https", "plain.test", "8443", "10.0.0.2"}},
		{"with a port, as some write it", "plain.test", []string{"x-forwarded-for", "203.0.113.7:5000"},
			told{"203.0.113.7:5000, " + me, "http", "plain.test", "80", "203.0.113.7"}, told{"203.0.113.7:5000, " + me, "https", "plain.test", "8443", "203.0.113.7"}},
		{"in brackets, as some write it", "plain.test", []string{"x-forwarded-for", "[2001:db9::7]:5000, [2001:db8::7]"},
			told{"[2001:db9::7]:5000, [2001:db8::7], " + me, "http", "plain.test", "80", "2001:db9::7"}, told{"[2001:db9::7]:5000, [2001:db8::7], " + me, "https", "plain.test", "8443", "2001:db9::7"}},
		{"no address", "plain.test", []string{"x-forwarded-for", "unknown"},
			told{"unknown, " + me, "http", "plain.test", "80", me}, told{"unknown, " + me, "https", "plain.test", "8443", me}},
		{"no address behind a gateway", "plain.test", []string{"x-forwarded-for", "1.2.3.4, unknown, 10.0.0.1"},
			told{"1.2.3.4, unknown, 10.0.0.1, " + me, "http", "plain.test", "80", "10.0.0.1"}, told{"1.2.3.4, unknown, 10.0.0.1, " + me, "https", "plain.test", "8443", "10.0.0.1"}},
		{"X-Real-IP alone", "plain.test", []string{"x-real-ip", "203.0.113.7"},
			told{me, "http", "plain.test", "80", "203.0.113.7"}, told{me, "https", "plain.test", "8443", "203.0.113.7"}},
		{"X-Real-IP beside a chain", "plain.test", []string{"x-real-ip", "1.2.3.4", "x-forwarded-for", "203.0.113.7"},
			told{"203.0.113.7, " + me, "http", "plain.test", "80", "203.0.113.7"}, told{"203.0.113.7, " + me, "https", "plain.test", "8443", "203.0.113.7"}},
		{"an X-Real-IP that is none", "plain.test", []string{"x-real-ip", "evil"},
			told{me, "http", "plain.test", "80", me}, told{me, "https", "plain.test", "8443", me}},
		// Of others nothing is heard.
		{"a stranger", "strict.test", []string{"x-forwarded-proto", "https", "x-forwarded-for", "1.2.3.4", "x-forwarded-host", "evil.example", "x-forwarded-port", "1", "x-real-ip", "1.2.3.4"},
			told{proto: "308"}, told{me, "https", "strict.test", "8443", me}},
	} {
		name, _, _ := strings.Cut(tt.host, ":")
		head := "GET / HTTP/1.1\r\nHost: " + tt.host + "\r\nConnection: close\r\n"
		for i := 0; i < len(tt.said); i += 2 {
			head += tt.said[i] + ": " + tt.said[i+1] + "\r\n"
		}
		for wire, a := range map[string]rawAnswer{
			"cleartext":   w.rawHTTP1("", head+"\r\n"),
			"http/1.1":    w.rawHTTP1(name, head+"\r\n"),
			"h2 over TLS": w.rawH2(name, nil).get("https", tt.host, "/", tt.said...),
		} {
			want := tt.tls
			if wire == "cleartext" {
				want = tt.cleartext
			}
			if want.proto == "308" {
				if a.status != "308" || a.header["location"] != "https://"+name+":8443/" {
					t.Errorf("%s, %s: %s to %q, want a redirect", tt.name, wire, a.status, a.header["location"])
				}
				continue
			}
			got := told{
				a.header["x-echo-x-forwarded-for"], a.header["x-echo-x-forwarded-proto"], a.header["x-echo-x-forwarded-host"],
				a.header["x-echo-x-forwarded-port"], a.header["x-echo-x-real-ip"],
			}
			if a.status != "200" || got != want {
				t.Errorf("%s, %s: %s\n got %+v\nwant %+v", tt.name, wire, a.status, got, want)
			}
		}
	}
}

// TestGatewaySaysHTTPS: nobody's word opens a host that asks for client
// certificates to cleartext.
func TestGatewaySaysHTTPS(t *testing.T) {
	w := gatewayWorld(t)
	if a := w.rawHTTP1("", "GET / HTTP/1.1\r\nHost: mtls.test\r\nX-Forwarded-Proto: https\r\n\r\n"); a.status != "421" || !strings.Contains(a.header["proxy-status"], "tls_policy") {
		t.Errorf("%+v", a)
	}
}
