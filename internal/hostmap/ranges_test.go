package hostmap_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

func rangesOf(text string) hostmap.Ranges {
	var out []netip.Prefix
	for p := range strings.FieldsSeq(text) {
		out = append(out, netip.MustParsePrefix(p))
	}
	return hostmap.NewRanges(out...)
}

// TestRangesAreCanonical: one set is one value, and is told in the fewest
// prefixes.
func TestRangesAreCanonical(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"", ""},
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"10.0.0.0/9 10.128.0.0/9", "10.0.0.0/8"},
		{"10.128.0.0/9 10.0.0.0/9 10.1.0.0/16", "10.0.0.0/8"},
		{"192.0.2.1/32 192.0.2.2/32 192.0.2.3/32", "192.0.2.1/32,192.0.2.2/31"},
		{"2001:db8::/32 10.0.0.0/8", "10.0.0.0/8,2001:db8::/32"},
		{"::ffff:10.0.0.0/104", "10.0.0.0/8"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"::/0", "::/0"},
		{"0.0.0.0/0 ::/0", "0.0.0.0/0,::/0"},
		{"255.255.255.255/32 ::/128", "255.255.255.255/32,::/128"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128 0.0.0.0/32", "0.0.0.0/32,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
	} {
		r := rangesOf(c.given)
		if got := r.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.given, got, c.want)
		}
		if again := hostmap.NewRanges(r.Prefixes()...); again != r {
			t.Errorf("%s: its own prefixes make another set", c.given)
		}
	}
}

// TestRangesContain compares with every prefix asked in turn, at the ends of
// each and beside them.
func TestRangesContain(t *testing.T) {
	r := rand.New(rand.NewPCG(421, 1))
	bases := []string{"10.0.0.0", "10.128.0.0", "192.0.2.7", "0.0.0.0", "255.255.255.255", "::", "2001:db8::", "2001:db8:8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:0:0"}
	for range 20_000 {
		var prefixes []netip.Prefix
		for range r.IntN(5) {
			a := netip.MustParseAddr(pick(r, bases)).Unmap()
			prefixes = append(prefixes, netip.PrefixFrom(a, r.IntN(a.BitLen()+1)).Masked())
		}
		set := hostmap.NewRanges(prefixes...)
		var asked []netip.Addr
		for _, text := range bases {
			a := netip.MustParseAddr(text).Unmap()
			asked = append(asked, a, a.Next(), a.Prev())
		}
		for _, p := range prefixes {
			asked = append(asked, p.Addr(), p.Addr().Prev())
		}
		for _, a := range asked {
			want := a.IsValid() && slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
			if got := set.Contains(a); got != want {
				t.Fatalf("%v in %v (%s): %v", a, prefixes, set, got)
			}
		}
		if again := hostmap.NewRanges(set.Prefixes()...); again != set {
			t.Fatalf("%v: its own prefixes make another set", prefixes)
		}
	}
	link := rangesOf("fe80::/10")
	if !link.Contains(netip.MustParseAddr("fe80::1%eth0")) {
		t.Error("a zone takes an address out of its range")
	}
}
