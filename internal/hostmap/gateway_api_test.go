package hostmap_test

import (
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestGatewayAPIMisdirected is the table of Gateway API's conformance test
// HTTPRouteHTTPSListenerDetectMisdirectedRequests (GEP-3567): four HTTPS
// listeners on one port, for every host, second-example.org, *.wildcard.org and
// fourth-example.wildcard.org. Here a listener is a site, and the listener for
// every host is the default certificate.
//
// Gateway API compares listeners, RFC 9110 section 7.4 certificates. Under the
// rule same-certificate the two agree in all fifteen rows where each listener
// has a certificate of its own, however much they overlap. Where all listeners
// share one Secret, as they do in the conformance test, a request for a host
// of another listener arrives on a connection secured with that host's own
// certificate: there is nothing to object to, and it goes to the right backend.
// Who wants 421 for these has the rule server-name; that one is stricter than
// listeners in three rows, because a listener may stand for many names.
func TestGatewayAPIMisdirected(t *testing.T) {
	build := func(rule hostmap.Rule, certificate func(listener string) *hostmap.Certificate) *hostmap.Map {
		class := &hostmap.Class{Rule: rule}
		site := func(host, listener, service string) *hostmap.Site {
			return hostmap.NewSite(hostmap.Site{Host: host, Class: class, Rule: rule, Certificates: []*hostmap.Certificate{certificate(listener)}, Routes: everything(service)})
		}
		return hostmap.New(hostmap.Spec{
			Class: class, Defaults: []*hostmap.Certificate{certificate("https")},
			Sites: []*hostmap.Site{
				site("example.org", "https", "v1"),
				site("second-example.org", "https-with-hostname", "v2"),
				site("*.wildcard.org", "https-with-wildcard-hostname", "v3"),
				site("fourth-example.wildcard.org", "https-with-hostname-matching-wildcard", "v1"),
			},
		})
	}
	names := []string{"*.org", "*.wildcard.org"}
	own := build(hostmap.RuleSameCertificate, func(listener string) *hostmap.Certificate { return leaf(listener, names...) })
	one := leaf("tls-validity-checks-certificate", names...)
	shared := build(hostmap.RuleSameCertificate, func(string) *hostmap.Certificate { return one })
	byName := build(hostmap.RuleServerName, func(string) *hostmap.Certificate { return one })
	const other, name = "421 other_certificate retry=yes", "421 server_name retry=yes"
	for i, c := range []struct {
		sni, host           string
		own, shared, byName string
	}{
		{"example.org", "example.org", "v1", "v1", "v1"},
		{"example.org", "second-example.org", other, "v2", name},
		// By name, unknown-example.org is another host than example.org, though
		// of the same listener.
		{"example.org", "unknown-example.org", "404 unserved", "404 unserved", name},
		{"second-example.org", "second-example.org", "v2", "v2", "v2"},
		{"second-example.org", "example.org", other, "v1", name},
		{"second-example.org", "unknown-example.org", other, "404 unserved", name},
		{"third-example.wildcard.org", "third-example.wildcard.org", "v3", "v3", "v3"},
		// As above, below one wildcard.
		{"third-example.wildcard.org", "fith-example.wildcard.org", "v3", "v3", name},
		{"third-example.wildcard.org", "fourth-example.wildcard.org", other, "v1", name},
		{"third-example.wildcard.org", "second-example.org", other, "v2", name},
		{"third-example.wildcard.org", "unknown-example.org", other, "404 unserved", name},
		{"fourth-example.wildcard.org", "fourth-example.wildcard.org", "v1", "v1", "v1"},
		{"fourth-example.wildcard.org", "fith-example.wildcard.org", other, "v3", name},
		// As above.
		{"unknown-example.org", "example.org", "v1", "v1", name},
		{"unknown-example.org", "unknown-example.org", "404 unserved", "404 unserved", "404 unserved"},
	} {
		for _, w := range []struct {
			what string
			m    *hostmap.Map
			want string
		}{{"own certificates", own, c.own}, {"one certificate", shared, c.shared}, {"rule server-name", byName, c.byName}} {
			got := spoken(hostmap.Judge(w.m, connect(t, w.m, c.sni), hostmap.Request{Scheme: "https", Host: c.host, Path: "/detect-misdirected-requests"}))
			if got != w.want {
				t.Errorf("row %d, %s: %s on %s: got %q, want %q", i+1, w.what, c.host, c.sni, got, w.want)
			}
		}
	}
}
