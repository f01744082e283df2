package hostmap

import (
	"net/netip"
	"slices"
	"strings"
)

// Ranges is a set of addresses. The zero value is the empty set, and two that
// hold the same addresses are ==, by whatever prefixes they were given.
type Ranges struct {
	// spans are disjoint and sorted, with a gap between each two: the first and
	// the last address of each, in the form of ordinal. A string of them can be
	// compared, and be searched without being read.
	spans string
}

// ordinalLen is the length of an address as spans have it: 4 or 6, then 16
// octets, so that no IPv4 address is among the IPv6 ones.
const ordinalLen = 17

type ordinal [ordinalLen]byte

// ordinalOf gives addresses their order, IPv4 before IPv6.
func ordinalOf(a netip.Addr) (o ordinal) {
	// A zone says by which link, not who.
	a = a.Unmap().WithZone("")
	o[0] = 6
	if a.Is4() {
		o[0] = 4
	}
	b := a.As16()
	copy(o[1:], b[:])
	return o
}

func (o *ordinal) addr() netip.Addr { return netip.AddrFrom16([16]byte(o[1:])).Unmap() }

// next is the address that follows; the last of all has none that is valid.
func (o *ordinal) next() ordinal {
	if a := o.addr().Next(); a.IsValid() && a.Is4() == (o[0] == 4) {
		return ordinalOf(a)
	}
	return ordinal{}
}

// NewRanges makes the set of the addresses of all prefixes, which are valid. A
// prefix of IPv4-mapped IPv6 addresses stands for the IPv4 ones.
func NewRanges(prefixes ...netip.Prefix) Ranges {
	type span struct{ first, last ordinal }
	spans := make([]span, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		spans = append(spans, span{ordinalOf(p.Masked().Addr()), lastOf(p)})
	}
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(string(a.first[:]), string(b.first[:])) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 {
			last := &out[n-1].last
			if after := last.next(); string(s.first[:]) <= string(last[:]) || s.first == after {
				if string(s.last[:]) > string(last[:]) {
					*last = s.last
				}
				continue
			}
		}
		out = append(out, s)
	}
	b := make([]byte, 0, len(out)*2*ordinalLen)
	for _, s := range out {
		b = append(append(b, s.first[:]...), s.last[:]...)
	}
	return Ranges{string(b)}
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) ordinal {
	o := ordinalOf(p.Masked().Addr())
	host := p.Addr().BitLen() - p.Bits()
	for i := ordinalLen - 1; host > 0; i, host = i-1, host-8 {
		o[i] |= byte(1<<min(host, 8) - 1)
	}
	return o
}

// Contains tells whether an address is in the set; one that is not valid is in
// none. It does not allocate.
func (r Ranges) Contains(a netip.Addr) bool {
	if r.spans == "" || !a.IsValid() {
		return false
	}
	o := ordinalOf(a)
	// The last span that begins at the address or before.
	low, high := 0, len(r.spans)/(2*ordinalLen)
	for low < high {
		if mid := (low + high) / 2; r.at(2*mid) <= string(o[:]) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low > 0 && string(o[:]) <= r.at(2*low-1)
}

// at is one of the ordinals in spans.
func (r Ranges) at(i int) string { return r.spans[i*ordinalLen : (i+1)*ordinalLen] }

// Prefixes are the fewest prefixes that have the addresses of the set.
func (r Ranges) Prefixes() []netip.Prefix {
	var out []netip.Prefix
	for i := 0; i < len(r.spans)/ordinalLen; i += 2 {
		first, last := ordinal([]byte(r.at(i))), ordinal([]byte(r.at(i+1)))
		for string(first[:]) <= string(last[:]) && first[0] != 0 {
			// The largest prefix that begins here and ends in the span.
			a := first.addr()
			p := netip.PrefixFrom(a, a.BitLen())
			for p.Bits() > 0 {
				wider := netip.PrefixFrom(a, p.Bits()-1)
				end := lastOf(wider)
				if wider.Masked().Addr() != a || string(end[:]) > string(last[:]) {
					break
				}
				p = wider
			}
			out = append(out, p)
			end := lastOf(p)
			first = end.next()
		}
	}
	return out
}

func (r Ranges) String() string {
	var b strings.Builder
	for i, p := range r.Prefixes() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.String())
	}
	return b.String()
}
