package proxy

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// forwarded is what the head of a request says of a client behind its immediate
// peer. It counts where that peer is a trusted gateway, all of it, and nowhere
// else. Where a gateway adds to a list instead of writing its own, the last
// member is the gateway's own word; what stands before may be anybody's.
type forwarded struct {
	// chain is X-Forwarded-For as it came: the oldest peer first.
	chain string
	// proto is http or https, host an authority, port a number from 1 to 65535;
	// "" where nothing is said that can be used.
	proto, host, port string
	// realIP is X-Real-IP as it came.
	realIP string
}

// forwarded reads what a request says of a client behind its peer.
func (r *request) forwarded() (f forwarded) {
	for i := range r.header {
		value := r.header[i].Value
		switch r.header[i].Name {
		case "x-forwarded-for":
			f.chain = join(f.chain, value)
		case "x-forwarded-proto":
			f.proto = schemeOf(lastMember(value))
		case "x-forwarded-host":
			f.host = lastMember(value)
			if _, _, err := hostmap.Authority(f.host); err != nil {
				f.host = ""
			}
		case "x-forwarded-port":
			f.port = ""
			if n, err := strconv.ParseUint(lastMember(value), 10, 16); err == nil && n != 0 {
				f.port = strconv.FormatUint(n, 10)
			}
		case "x-real-ip":
			f.realIP = value
		}
	}
	return f
}

// saysHTTPS tells whether a request says that its client came by https.
func (r *request) saysHTTPS() bool {
	said := ""
	for i := range r.header {
		if r.header[i].Name == "x-forwarded-proto" {
			said = r.header[i].Value
		}
	}
	return said != "" && schemeOf(lastMember(said)) == "https"
}

// lastMember is the last member of a list, "" where that is empty.
func lastMember(list string) string {
	return strings.Trim(list[strings.LastIndexByte(list, ',')+1:], " \t")
}

// schemeOf is a scheme as X-Forwarded-Proto has it, "" for any other; some
// gateways name WebSocket's, which differ in nothing that matters here.
func schemeOf(s string) string {
	switch strings.ToLower(s) {
	case "https", "wss":
		return "https"
	case "http", "ws":
		return "http"
	}
	return ""
}

// client is the address of the client: the last of the chain that is no trusted
// gateway. Each gateway has added its own peer's address, so that what stands
// before the client's is the client's invention. Where all are gateways it is
// the first of them, and where one cannot be read the one behind it. Without a
// chain it is X-Real-IP. The zero Addr: nothing is said that can be used.
func (f *forwarded) client(class *hostmap.Class) (client netip.Addr) {
	for rest, more := f.chain, f.chain != ""; more; {
		i := strings.LastIndexByte(rest, ',')
		member := rest[i+1:]
		rest, more = rest[:max(i, 0)], i >= 0
		a, ok := parseClient(member)
		if !ok {
			break
		}
		if client = a; !class.Trusts(a) {
			break
		}
	}
	if !client.IsValid() {
		client, _ = parseClient(f.realIP)
	}
	return client
}

// parseClient reads an address as gateways write it: some with a port, and some
// of IPv6 in brackets.
func parseClient(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	a, err := netip.ParseAddr(s)
	if err != nil {
		inner, bracketed := strings.CutPrefix(s, "[")
		if bracketed && strings.HasSuffix(inner, "]") {
			a, err = netip.ParseAddr(inner[:len(inner)-1])
		} else {
			var ap netip.AddrPort
			ap, err = netip.ParseAddrPort(s)
			a = ap.Addr()
		}
	}
	return a.Unmap().WithZone(""), err == nil
}
