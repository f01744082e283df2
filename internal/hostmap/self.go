package hostmap

import (
	"net/netip"
	"slices"
)

// Self is how backends could name this process: by an address of the machine or
// pod that it runs in, and the port of one of its listeners. Requests forwarded
// there would come back until descriptors end, and would reach metrics and the
// admin page from outside. Another port of the same address may be a neighbour
// in the node's network, and is none of ours. The zero value is nobody.
type Self struct {
	// Addresses are those of all interfaces, and others that lead here.
	Addresses []netip.Addr
	// Listeners are what is listened on. An unspecified address stands for
	// every one of Addresses and all of loopback.
	Listeners []netip.AddrPort
}

// Is tells whether connections to an endpoint would come to this process.
func (s Self) Is(endpoint netip.AddrPort) bool {
	for _, l := range s.Listeners {
		if l.Port() != endpoint.Port() {
			continue
		}
		for _, a := range forms(endpoint.Addr()) {
			if a == l.Addr().Unmap() || l.Addr().Unmap().IsUnspecified() && (a.IsLoopback() || slices.Contains(s.Addresses, a)) {
				return true
			}
		}
	}
	return false
}

// metadata are addresses by which clouds tell a machine its credentials, beside
// the link-local ones, which are refused as a whole. Whoever may write an
// EndpointSlice could read through us what our machine is told.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS, instance metadata
	netip.MustParseAddr("fd00:ec2::23"),    // AWS, EKS Pod Identity
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("168.63.129.16"),   // Azure, WireServer
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// Forwardable tells whether an address can be a backend's: it refuses those that
// no pod has, link-local and metadata ones, and IPv6 addresses that a translator
// or tunnel makes one of those of. Loopback is left to the caller, unless it is
// reached by a detour.
func Forwardable(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	for i, f := range forms(a) {
		if f.IsUnspecified() || f.IsMulticast() || f.IsLinkLocalUnicast() || f == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || slices.Contains(metadata, f) {
			return false
		}
		if i > 0 && f.IsLoopback() {
			return false
		}
	}
	return true
}

// forms are an address as it is compared, and the IPv4 addresses that packets to
// it can end up at.
func forms(a netip.Addr) []netip.Addr {
	a = a.Unmap()
	all := []netip.Addr{a}
	if a.Is4() || a.IsUnspecified() || a.IsLoopback() {
		return all
	}
	b := a.As16()
	for i := range embeddings {
		if !embeddings[i].prefix.Contains(a) {
			continue
		}
		for _, at := range embeddings[i].at {
			all = append(all, netip.AddrFrom4([4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]}))
		}
	}
	return all
}

// embedding says which octets of an IPv6 address are an IPv4 address.
type embedding struct {
	prefix netip.Prefix
	at     [][4]int
}

var embeddings = []embedding{
	{netip.MustParsePrefix("::/96"), [][4]int{{12, 13, 14, 15}}},        // compatible, RFC 4291 section 2.5.5.1
	{netip.MustParsePrefix("64:ff9b::/96"), [][4]int{{12, 13, 14, 15}}}, // NAT64, RFC 6052 section 2.1
	// NAT64, RFC 8215. A network picks a prefix of 48, 56, 64 or 96 bits within
	// this one; where the address stands then is in RFC 6052 section 2.2.
	{netip.MustParsePrefix("64:ff9b:1::/48"), [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}},
	{netip.MustParsePrefix("2002::/16"), [][4]int{{2, 3, 4, 5}}}, // 6to4, RFC 3056 section 2
}
