package process

import (
	"net"
	"net/netip"
	"testing"
)

func TestSelf(t *testing.T) {
	t.Setenv("POD_IPS", "10.1.2.3,fd00::3, nonsense")
	c := &Config{
		HTTPAddr: ":8080", HTTPSAddr: "127.0.0.1:0", MetricsAddr: "0.0.0.0:9090", AdminAddr: "127.0.0.1:9421",
		PublishAddresses: []string{"192.0.2.1", "lb.example"}, ExternalHTTPSPort: 8444,
	}
	s := newSelf(c)
	check := func(when string, want map[string]bool) {
		t.Helper()
		for endpoint, is := range want {
			if got := s.current().Is(netip.MustParseAddrPort(endpoint)); got != is {
				t.Errorf("%s: %s is this process: %v, want %v", when, endpoint, got, is)
			}
		}
	}
	want := map[string]bool{
		"10.1.2.3:8080": true, "[fd00::3]:8080": true, "10.1.2.3:9090": true, "127.0.0.1:9090": true,
		"192.0.2.1:443": true, "192.0.2.1:80": true, "192.0.2.1:8444": true, "192.0.2.1:8080": true,
		"127.0.0.1:9421": true,
		"10.1.2.3:9421":  false, "10.1.2.3:443": false, "192.0.2.1:9421": false, "10.1.2.4:8080": false, "127.0.0.1:0": false,
	}
	found, err := net.InterfaceAddrs()
	if err != nil || len(found) == 0 {
		t.Fatalf("no interfaces: %v", err)
	}
	for _, f := range found {
		if a, ok := netip.AddrFromSlice(f.(*net.IPNet).IP); ok && !a.IsLinkLocalUnicast() {
			want[netip.AddrPortFrom(a, 8080).String()] = true
		}
	}
	check("before it listens", want)
	s.listen(Addresses{HTTP: "[::]:8080", HTTPS: "127.0.0.1:43210", Metrics: "[::]:9090", Admin: "127.0.0.1:9421"})
	want["127.0.0.1:43210"], want["127.0.0.2:43210"] = true, false
	check("once it listens", want)
}
