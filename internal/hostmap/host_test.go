package hostmap_test

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

var (
	label63 = strings.Repeat("l", 63)
	host253 = strings.Repeat(label63+".", 3) + strings.Repeat("l", 61)
)

// TestHost: what a host may be, and its one canonical form.
func TestHost(t *testing.T) {
	for _, c := range []struct {
		in, want string
		err      error
	}{
		{"a", "a", nil},
		{"localhost", "localhost", nil},
		{"a.example.com", "a.example.com", nil},
		{"A.Example.COM", "a.example.com", nil},
		{"a.example.com.", "a.example.com", nil},
		{"A.EXAMPLE.COM.", "a.example.com", nil},
		{"AbC-d93.0.34ZhGt-s.nk.Ru", "abc-d93.0.34zhgt-s.nk.ru", nil},
		{"xn--bcher-kva.example", "xn--bcher-kva.example", nil},
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example", nil},
		{"xn--example-", "", hostmap.ErrHostLabel}, // CVE-2026-39821: never "example"
		{"foo_bar.example", "foo_bar.example", nil},
		{"_dmarc.example", "_dmarc.example", nil},
		{"1.example", "1.example", nil},
		{"1e100.net", "1e100.net", nil},
		{"3com", "3com", nil},
		{label63 + ".example", label63 + ".example", nil},
		{host253, host253, nil},
		{host253 + ".", host253, nil},

		{"", "", hostmap.ErrHostEmpty},
		{".", "", hostmap.ErrHostLabel},
		{"..", "", hostmap.ErrHostLabel},
		{".example", "", hostmap.ErrHostLabel},
		{"a..example", "", hostmap.ErrHostLabel},
		{"a.example..", "", hostmap.ErrHostLabel},
		{"-a.example", "", hostmap.ErrHostLabel},
		{"a-.example", "", hostmap.ErrHostLabel},
		{"a.example-", "", hostmap.ErrHostLabel},
		{"a.-example", "", hostmap.ErrHostLabel},
		{"-", "", hostmap.ErrHostLabel},
		{"l" + label63 + ".example", "", hostmap.ErrHostLength},
		{"a.l" + label63, "", hostmap.ErrHostLength},
		{host253 + "l", "", hostmap.ErrHostLength},
		{strings.Repeat("a.", 127) + "a", "", hostmap.ErrHostLength},

		{"a b", "", hostmap.ErrHostOctet},
		{" a", "", hostmap.ErrHostOctet},
		{"a,b", "", hostmap.ErrHostOctet},
		{"a%2eexample.com", "", hostmap.ErrHostOctet},
		{"a.example.com\x00", "", hostmap.ErrHostOctet},
		{"a.example.com\n", "", hostmap.ErrHostOctet},
		{"a/b", "", hostmap.ErrHostOctet},
		{`a\b`, "", hostmap.ErrHostOctet},
		{"user@a.example", "", hostmap.ErrHostOctet},
		{"a.example:443", "", hostmap.ErrHostOctet},
		{"bücher.example", "", hostmap.ErrHostOctet},
		{"a。example", "", hostmap.ErrHostOctet},      // ideographic full stop
		{"\u212a.example", "", hostmap.ErrHostOctet}, // Kelvin sign, lower case k in Unicode
		{"*.example", "", hostmap.ErrHostOctet},
		{"a*.example", "", hostmap.ErrHostOctet},

		{"192.0.2.1", "192.0.2.1", nil},
		{"192.0.2.1.", "192.0.2.1", nil},
		{"127.0.0.1", "127.0.0.1", nil},
		{"192.0.2", "", hostmap.ErrHostNumeric},
		{"192.0.2.256", "", hostmap.ErrHostNumeric},
		{"192.0.2.01", "", hostmap.ErrHostNumeric}, // octal to some
		{"1", "", hostmap.ErrHostNumeric},
		{"2130706433", "", hostmap.ErrHostNumeric},
		{"a.example.1", "", hostmap.ErrHostNumeric},
		{"1.2.3.4.5", "", hostmap.ErrHostNumeric},
		{"0x7f.1", "", hostmap.ErrHostNumeric},

		{"[2001:db8::1]", "[2001:db8::1]", nil},
		{"[2001:DB8:0:0::1]", "[2001:db8::1]", nil},
		{"[2001:0db8:0000:0000:0000:0000:0000:0001]", "[2001:db8::1]", nil},
		{"[::]", "[::]", nil},
		{"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", nil},
		{"[::ffff:c000:201]", "[::ffff:192.0.2.1]", nil},
		{"2001:db8::1", "", hostmap.ErrHostOctet},
		{"[2001:db8::1", "", hostmap.ErrHostIPv6},
		{"[2001:db8::1].", "", hostmap.ErrHostIPv6},
		{"[2001:db8::1]x", "", hostmap.ErrHostIPv6},
		{"x[2001:db8::1]", "", hostmap.ErrHostOctet},
		{"[fe80::1%25eth0]", "", hostmap.ErrHostIPv6},
		{"[fe80::1%eth0]", "", hostmap.ErrHostIPv6},
		{"[192.0.2.1]", "", hostmap.ErrHostIPv6},
		{"[v1.a:b]", "", hostmap.ErrHostIPv6}, // IPvFuture: nobody has one
		{"[]", "", hostmap.ErrHostIPv6},
		{"[", "", hostmap.ErrHostIPv6},
		{"[a.example]", "", hostmap.ErrHostIPv6},
	} {
		got, err := hostmap.Host(c.in)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("Host(%q) = %q, %v; want %q, %v", c.in, got, err, c.want, c.err)
		}
	}
}

// TestAuthority: hosts with ports. The vectors are those of nginx's and
// HAProxy's own tests of the Host field; where we differ, the row says why.
func TestAuthority(t *testing.T) {
	for _, c := range []struct {
		in, host string
		port     uint16
		err      error
	}{
		{"l", "l", 0, nil},
		{"L", "l", 0, nil},
		{"abcd-ef.g02.xyz:", "abcd-ef.g02.xyz", 0, nil},
		{"123.40.56.78:", "123.40.56.78", 0, nil},
		{"www.abcd-ef.g02.xyz", "www.abcd-ef.g02.xyz", 0, nil},
		{"abcd-ef.g02.xyz:8080", "abcd-ef.g02.xyz", 8080, nil},
		{"www.abcd-ef.g02.xyz.", "www.abcd-ef.g02.xyz", 0, nil},
		{"abcd-ef.g02.xyz.:88", "abcd-ef.g02.xyz", 88, nil},
		{"AbC-d93.0.34ZhGt-s.nk.Ru:88", "abc-d93.0.34zhgt-s.nk.ru", 88, nil},
		{"123.49.0.78:987", "123.49.0.78", 987, nil},
		{"[abcd::ef98:0:7654:321]", "[abcd::ef98:0:7654:321]", 0, nil},
		{"[abcd::ef98:0:7654:321]:80", "[abcd::ef98:0:7654:321]", 80, nil},
		{"[abcd::ef98:0:7654:321]:", "[abcd::ef98:0:7654:321]", 0, nil},
		{"[::ffff:12.30.67.89]", "[::ffff:12.30.67.89]", 0, nil},
		// nginx keeps what was sent; we the form of RFC 5952, or two
		// spellings would be two hosts.
		{"[::123.45.67.89]:4321", "[::7b2d:4359]", 4321, nil},
		{"hostname:80", "hostname", 80, nil},
		{"hostname:443", "hostname", 443, nil},
		{"a.test:65535", "a.test", 65535, nil},
		{"a.test:1", "a.test", 1, nil},
		{"a.test:00443", "a.test", 443, nil},

		{"", "", 0, hostmap.ErrHostEmpty},
		{":", "", 0, hostmap.ErrHostEmpty}, // HAProxy takes ":", ":80" and ":443"
		{":80", "", 0, hostmap.ErrHostEmpty},
		{".", "", 0, hostmap.ErrHostLabel},
		{"example.com.:1.2", "", 0, hostmap.ErrPort},
		{"123.49.0.78:98777", "", 0, hostmap.ErrPort},
		{"123.40.56.78:123456", "", 0, hostmap.ErrPort},
		{"123.40.56.78:9000:80", "", 0, hostmap.ErrPort},
		{"a.test:80:443", "", 0, hostmap.ErrPort},
		{"a.test:0", "", 0, hostmap.ErrPort},
		{"a.test:65536", "", 0, hostmap.ErrPort},
		{"a.test:000443", "", 0, hostmap.ErrPort},
		{"a.test:-1", "", 0, hostmap.ErrPort},
		{"a.test:+80", "", 0, hostmap.ErrPort},
		{"a.test: 80", "", 0, hostmap.ErrPort},
		{"a.test:80 ", "", 0, hostmap.ErrPort},
		{"a.test:٤٤٣", "", 0, hostmap.ErrPort},
		{"a.test:https", "", 0, hostmap.ErrPort},
		{`example.com/\:552`, "", 0, hostmap.ErrHostOctet},
		{`\e/xample.com`, "", 0, hostmap.ErrHostOctet},
		{"..examp-LE.com", "", 0, hostmap.ErrHostLabel},
		{"com.exa-m.45..:", "", 0, hostmap.ErrHostLabel},
		{`[abcd::e\f98:0/:7654:321]`, "", 0, hostmap.ErrHostIPv6},
		{`[abcd\::ef98:0:7654:321/]:12`, "", 0, hostmap.ErrHostIPv6},
		{"[abcd::ef98:0:7654:321].", "", 0, hostmap.ErrHostIPv6},
		{"[abcd::ef98:0:7654:321].:98", "", 0, hostmap.ErrHostIPv6},
		{"[abcd::ef98:0:7654:321]..:98", "", 0, hostmap.ErrHostIPv6},
		{"[ab..cd::ef98:0:7654:321]", "", 0, hostmap.ErrHostIPv6},
		{"extra[abcd::ef98:0:7654:321]:98", "", 0, hostmap.ErrHostOctet},
		{"[abcd::ef98:0:7654:321", "", 0, hostmap.ErrHostIPv6},
		// IPvFuture, which nginx takes: no version of it was ever defined.
		{"[v0123456789aBcDeF.!$&'()*+,;=-._~:]", "", 0, hostmap.ErrHostIPv6},
		{"localhost\x02", "", 0, hostmap.ErrHostOctet},
		{"a,b", "", 0, hostmap.ErrHostOctet},
		// Userinfo: HAProxy skips it, RFC 9110 section 4.2.4 has it refused.
		{"toto:poue@hostname:80", "", 0, hostmap.ErrPort},
		{"toto@hostname", "", 0, hostmap.ErrHostOctet},
		{"a%2eexample.com", "", 0, hostmap.ErrHostOctet},
		{"a.example.com/x", "", 0, hostmap.ErrHostOctet},
		{"a.example.com b", "", 0, hostmap.ErrHostOctet},
		{"a.example.com?x", "", 0, hostmap.ErrHostOctet},
		{"a.example.com#x", "", 0, hostmap.ErrHostOctet},
		{"http://a.example.com", "", 0, hostmap.ErrPort},
		{"ä.example.com", "", 0, hostmap.ErrHostOctet},
		{"*.example.com", "", 0, hostmap.ErrHostOctet},
		{"2001:db8::1", "", 0, hostmap.ErrHostNumeric},
	} {
		host, port, err := hostmap.Authority(c.in)
		if host != c.host || port != c.port || !errors.Is(err, c.err) {
			t.Errorf("Authority(%q) = %q, %d, %v; want %q, %d, %v", c.in, host, port, err, c.host, c.port, c.err)
		}
	}
}

// TestPattern: what an Ingress or a certificate may name.
func TestPattern(t *testing.T) {
	for _, c := range []struct {
		in, want string
		err      error
	}{
		{"a.example.com", "a.example.com", nil},
		{"*.example.com", "*.example.com", nil},
		{"*.Example.COM.", "*.example.com", nil},
		{"*.com", "*.com", nil},
		{"*.localhost", "*.localhost", nil},
		{"192.0.2.1", "192.0.2.1", nil},
		{"*.xn--bcher-kva.example", "*.xn--bcher-kva.example", nil},
		{"*." + host253[:251], "*." + host253[:251], nil},
		{"*." + host253[:252], "", hostmap.ErrHostLength},
		{"*", "", hostmap.ErrPattern},
		{"*.", "", hostmap.ErrHostEmpty},
		{"*.*.example.com", "", hostmap.ErrPattern},
		{"a.*.example.com", "", hostmap.ErrPattern},
		{"a*.example.com", "", hostmap.ErrPattern},
		{"*a.example.com", "", hostmap.ErrPattern},
		{"**.example.com", "", hostmap.ErrPattern},
		{"*.192.0.2.1", "", hostmap.ErrPattern},
		{"*.[2001:db8::1]", "", hostmap.ErrPattern},
		{"*.0.2.1", "", hostmap.ErrHostNumeric},
		{"*example.com", "", hostmap.ErrPattern},
		{"", "", hostmap.ErrHostEmpty},
		{"*..example.com", "", hostmap.ErrHostLabel},
		{"*.exa mple.com", "", hostmap.ErrHostOctet},
		{"*.example.com:443", "", hostmap.ErrHostOctet},
	} {
		got, err := hostmap.Pattern(c.in)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("Pattern(%q) = %q, %v; want %q, %v", c.in, got, err, c.want, c.err)
		}
	}
}

func TestIsIP(t *testing.T) {
	for host, want := range map[string]bool{
		"": false, "a": false, "a1": false, "a.b1": false, "1a.b": false, "a-1": false,
		"192.0.2.1": true, "[::1]": true, "[::ffff:192.0.2.1]": true,
	} {
		if got := hostmap.IsIP(host); got != want {
			t.Errorf("IsIP(%q) = %v", host, got)
		}
	}
}

// hostGrammar is what a DNS host may look like, in another way of saying it.
var hostGrammar = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)

// modelHost is Host by regular expression.
func modelHost(s string) (string, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || a.Is4() || a.Zone() != "" {
			return "", false
		}
		return "[" + a.String() + "]", true
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 || !hostGrammar.MatchString(s) {
		return "", false
	}
	labels := strings.Split(s, ".")
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		a, err := netip.ParseAddr(s)
		return s, err == nil && a.Is4()
	}
	return strings.ToLower(s), true
}

// FuzzHost: one canonicaliser everywhere. Host is what the model says and does
// not change its own result; a server name, an authority, an Ingress host and a
// name in a certificate that are one host are one string; canonical hosts cost
// no allocation.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.example.com", "A.Example.COM.", "[2001:DB8::1]", "192.0.2.1", "*.example.com", "a.test:443", "xn--a", "1.2.3", "a..b", "[::ffff:1.2.3.4]:80", "a\x00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, err := hostmap.Host(s)
		want, ok := modelHost(s)
		if ok != (err == nil) || ok && host != want {
			t.Fatalf("Host(%q) = %q, %v; model says %q, %v", s, host, err, want, ok)
		}
		if pattern, perr := hostmap.Pattern(s); !strings.HasPrefix(s, "*") && ((perr == nil) != (err == nil) || pattern != host) {
			t.Fatalf("Pattern(%q) = %q, %v, but Host gives %q, %v", s, pattern, perr, host, err)
		}
		if pattern, err := hostmap.Pattern(s); err == nil {
			if again, err := hostmap.Pattern(pattern); err != nil || again != pattern {
				t.Fatalf("Pattern(%q) = %q, and of that %q, %v", s, pattern, again, err)
			}
		}
		authority, port, aerr := hostmap.Authority(s)
		if err == nil && (aerr != nil || authority != host || port != 0) {
			t.Fatalf("Authority(%q) = %q, %d, %v, but Host gives %q", s, authority, port, aerr, host)
		}
		if aerr == nil {
			if again, err := hostmap.Host(authority); err != nil || again != authority {
				t.Fatalf("Authority(%q) = %q, which Host makes %q, %v", s, authority, again, err)
			}
		}
		if err != nil {
			return
		}
		if again, err := hostmap.Host(host); err != nil || again != host {
			t.Fatalf("Host(%q) = %q, and of that %q, %v", s, host, again, err)
		}
		if withPort, port, err := hostmap.Authority(s + ":8443"); err != nil || withPort != host || port != 8443 {
			t.Fatalf("Authority(%q) = %q, %d, %v", s+":8443", withPort, port, err)
		}
		ip := s[0] == '[' || hostmap.IsIP(host)
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); (err == nil) != hostmap.IsIP(host) || ip != hostmap.IsIP(host) {
			t.Fatalf("IsIP(%q) = %v", host, hostmap.IsIP(host))
		}
		// The name in a certificate, and the site, are found by any spelling.
		c := leaf("s", s)
		if ip {
			c = leaf("s", host)
		}
		if !c.Covers(host) {
			t.Fatalf("a certificate for %q does not cover %q", s, host)
		}
		m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{Host: host})}})
		if m.Site(host) == nil {
			t.Fatalf("no site for %q", host)
		}
		if n := testing.AllocsPerRun(1, func() { _, _ = hostmap.Host(host) }); n != 0 {
			t.Fatalf("Host(%q) allocates %v times", host, n)
		}
	})
}
