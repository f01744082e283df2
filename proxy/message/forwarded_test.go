package message_test

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// FuzzForwarded: whatever a client invents, behind gateways that add to what it
// sends it is where the first of them has seen it, and nothing it said of
// scheme, host and port is heard beside the gateway's own words.
func FuzzForwarded(f *testing.F) {
	f.Add("1.2.3.4", ", ", "https")
	f.Add("10.0.0.9,", ",", "[")
	class := &hostmap.Class{TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, invented, separator, more string) {
		if strings.Trim(separator, " \t,") != "" {
			separator = ", "
		}
		r := &message.Head{Header: []hpack.HeaderField{
			{Name: "x-real-ip", Value: more},
			{Name: "x-forwarded-for", Value: invented},
			{Name: "x-forwarded-for", Value: more + ",203.0.113.7 " + ", 10.0.0.2,\t10.0.0.1"},
			{Name: "x-forwarded-proto", Value: invented + separator + "," + "http"},
			{Name: "x-forwarded-host", Value: more + ",\ta.test:80"},
			{Name: "x-forwarded-port", Value: invented}, {Name: "x-forwarded-port", Value: more + ", 80"},
		}}
		got := r.Forwarded()
		if c := got.Client(class); c.String() != "203.0.113.7" {
			t.Errorf("the client is %s", c)
		}
		if got.Proto != "http" || r.SaysHTTPS() || got.Host != "a.test:80" || got.Port != "80" {
			t.Errorf("%+v", got)
		}
		// And alone it is nothing that could not be said.
		r.Header = []hpack.HeaderField{{Name: "x-forwarded-proto", Value: invented}, {Name: "x-forwarded-host", Value: invented}, {Name: "x-forwarded-port", Value: invented}}
		got = r.Forwarded()
		if (got.Proto == "https") != r.SaysHTTPS() || strings.ContainsAny(got.Host, ", \t\r\n") || strings.Trim(got.Port, "0123456789") != "" {
			t.Errorf("of %q: %+v", invented, got)
		}
	})
}
