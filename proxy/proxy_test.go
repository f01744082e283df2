package proxy

import (
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// shop is three hosts: a and b share a certificate that covers both, b has one
// of its own too, and c has another.
func shop(t testing.TB) (*authority, *hostmap.Map) {
	ca := newAuthority(t)
	ab := ca.serverCert("ab", "a.test", "b.test")
	c := ca.serverCert("c", "c.test")
	return ca, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{ab}, Routes: routeTo(echo(t, "a"))}),
		hostmap.NewSite(hostmap.Site{Host: "b.test", Certificates: []*hostmap.Certificate{ab}, Routes: routeTo(echo(t, "b"))}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Certificates: []*hostmap.Certificate{c}, Routes: routeTo(echo(t, "c"))}),
	}})
}

func TestReusedConnection(t *testing.T) {
	_, m := shop(t)
	w := newWorld(t, m, nil)
	cc := w.h2Client("a.test", nil)
	for _, tt := range []struct {
		url     string
		status  int
		backend string
	}{
		{"https://a.test/", 200, "a"},
		{"https://b.test/x?y=1", 200, "b"},
		{"https://c.test/", 421, ""},
		{"https://nowhere.test/", 421, ""},
		{"https://A.TEST:8443/", 200, "a"},
	} {
		got := roundTrip(t, cc, "GET", tt.url, nil)
		if got.StatusCode != tt.status || got.Header.Get("X-Backend") != tt.backend {
			t.Errorf("%s: %d from %q, want %d from %q\n%s", tt.url, got.StatusCode, got.Header.Get("X-Backend"), tt.status, tt.backend, got.body)
		}
	}
}
