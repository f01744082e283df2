package forward

import (
	"net/netip"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/message"
)

// hashKey evaluates a key. some: it is not empty. What is the same in all requests
// but for what they leave out must not have all those go to one endpoint.
func hashKey(r *message.Request, text string, class *hostmap.Class) (key balance.Key, some bool) {
	h := newHash()
	for variable, name := range hostmap.HashKeyParts(text) {
		n := h.n
		switch variable {
		case hostmap.HashLiteral:
			h.add(name)
			continue
		case hostmap.HashRequestURI:
			h.add(r.Target)
		case hostmap.HashRemoteAddr:
			h.addAddr(clientAddr(r, class))
		case hostmap.HashHost:
			h.add(r.Host)
		case hostmap.HashField:
			h.add(r.Get(name))
		case hostmap.HashCookie:
			for value := range cookies(r, name) {
				h.add(value)
				break
			}
		case hostmap.HashArgument:
			h.add(argument(r.Target, name))
		case hostmap.HashUnknown:
		}
		some = some || h.n != n
	}
	return h.key(), some
}

// hash is FNV-1a. All replicas must come to the same.
type hash struct {
	sum uint64
	n   int // octets
}

func newHash() hash { return hash{sum: 14695981039346656037} }

func (h *hash) add(s string) {
	for i := range len(s) {
		h.sum = (h.sum ^ uint64(s[i])) * 1099511628211
	}
	h.n += len(s)
}

func (h *hash) addAddr(a netip.Addr) {
	b := a.As16()
	h.add(string(b[:]))
}

func (h *hash) key() balance.Key { return balance.Key(h.sum) }

// clientAddr is where the client is: what the peer says where it is a trusted
// gateway.
func clientAddr(r *message.Request, class *hostmap.Class) netip.Addr {
	if class.Trusts(r.Client.Facts.Peer) {
		said := r.Forwarded()
		if a := said.Client(class); a.IsValid() {
			return a
		}
	}
	return r.Client.Source
}

// argument returns the value of an argument of the query as it stands there, "" for
// none.
func argument(target, name string) string {
	_, query, _ := strings.Cut(target, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if n, value, _ := strings.Cut(pair, "="); strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}

// cookies yields the values of the cookies of a name.
func cookies(r *message.Request, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := range r.Header {
			if r.Header[i].Name != "cookie" {
				continue
			}
			for pair := range strings.SplitSeq(r.Header[i].Value, ";") {
				if n, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && n == name && !yield(value) {
					return
				}
			}
		}
	}
}
