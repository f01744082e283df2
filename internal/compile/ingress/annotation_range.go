package ingress

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const ranges = "addresses and CIDRs, separated by commas"

var rangeAnnotations = []annotation{{
	name:   v1alpha1.AnnotationAllowSourceRange,
	scope:  ofRoutes,
	values: ranges,
	unset:  "all",
	does:   "Serves these clients alone; others get 403. A client's address is that of its connection, or what the PROXY protocol or a trusted gateway says.",
	stems:  []string{"allowsource", "allowlist", "whitelist"},
	bad:    costRoutes,
	route:  func(t *hostmap.Terms, value string) (err error) { t.Allow, err = parseRanges(value); return err },
}, {
	name:   v1alpha1.AnnotationDenySourceRange,
	scope:  ofRoutes,
	values: ranges,
	unset:  "none",
	does:   "Answers these clients with 403, even those that `allow-source-range` has too.",
	stems:  []string{"denysource", "denylist", "blacklist"},
	bad:    costRoutes,
	route:  func(t *hostmap.Terms, value string) (err error) { t.Deny, err = parseRanges(value); return err },
}}

// parseRanges reads addresses and CIDRs, at least one. One that cannot be read
// makes all of them unreadable: nobody knows who was meant.
func parseRanges(list string) (hostmap.Ranges, error) {
	var out []netip.Prefix
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(s); err != nil || a.Zone() != "" {
				return hostmap.Ranges{}, errors.New("one is neither")
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() && p.Bits() < 96 {
			return hostmap.Ranges{}, errors.New("one maps IPv4 into IPv6; write the IPv4 range")
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return hostmap.Ranges{}, errors.New("there is none")
	}
	return hostmap.NewRanges(out...), nil
}
