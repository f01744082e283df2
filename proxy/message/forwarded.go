package message

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Forwarded is what the head of a request says of a client behind its immediate
// peer. It counts where that peer is a trusted gateway, all of it, and nowhere
// else. Where a gateway adds to a list instead of writing its own, the last
// member is the gateway's own word; what stands before may be anybody's.
type Forwarded struct {
	// Chain is X-Forwarded-For as it came: the oldest peer first.
	Chain string
	// Proto is http or https, Host an authority, Port a number from 1 to 65535;
	// "" where nothing is said that can be used.
	Proto, Host, Port string
	// RealIP is X-Real-IP as it came.
	RealIP string
}

// Forwarded reads what a request says of a client behind its peer.
func (h *Head) Forwarded() (f Forwarded) {
	for i := range h.Header {
		value := h.Header[i].Value
		switch h.Header[i].Name {
		case "x-forwarded-for":
			f.Chain = Join(f.Chain, value)
		case "x-forwarded-proto":
			f.Proto = schemeOf(lastMember(value))
		case "x-forwarded-host":
			f.Host = lastMember(value)
			if _, _, err := hostmap.Authority(f.Host); err != nil {
				f.Host = ""
			}
		case "x-forwarded-port":
			f.Port = ""
			if n, err := strconv.ParseUint(lastMember(value), 10, 16); err == nil && n != 0 {
				f.Port = strconv.FormatUint(n, 10)
			}
		case "x-real-ip":
			f.RealIP = value
		}
	}
	return f
}

// SaysHTTPS tells whether a request says that its client came by https.
func (h *Head) SaysHTTPS() bool {
	said := ""
	for i := range h.Header {
		if h.Header[i].Name == "x-forwarded-proto" {
			said = h.Header[i].Value
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

// Client is the address of the client: the last of the chain that is no trusted
// gateway. Each gateway has added its own peer's address, so that what stands
// before the client's is the client's invention. Where all are gateways it is
// the first of them, and where one cannot be read the one behind it. Without a
// chain it is X-Real-IP. The zero Addr: nothing is said that can be used.
func (f *Forwarded) Client(class *hostmap.Class) (client netip.Addr) {
	for rest, more := f.Chain, f.Chain != ""; more; {
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
		client, _ = parseClient(f.RealIP)
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

// Join adds a member to a list.
func Join(list, value string) string {
	if list == "" {
		return value
	}
	return list + ", " + value
}
