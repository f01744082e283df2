package proxy

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	httpfield "github.com/ingress421/ingress421/proxy/field"
)

// upstreamFields puts together the fields that go to the backend: the
// client's, without those that are for one hop only or that the client must
// not set, and then ours. They take the place of r.header, in place: a list for
// itself would double what requests of many fields cost.
func (s *Server) upstreamFields(r *request, trusted bool) []hpack.HeaderField {
	tokens := r.connectionTokens()
	var said forwarded
	if trusted {
		said = r.forwarded() // reads what is written over below
	}
	out := r.header[:0]
	for i := range r.header {
		f := &r.header[i]
		if !kept(f.Name) {
			continue
		}
		if len(tokens) != 0 && containsToken(tokens, f.Name) && f.Name != hostmap.LoopField {
			continue
		}
		out = append(out, *f)
	}
	c := r.conn
	if trusted {
		out = s.gatewayFields(out, r, said)
	} else {
		proto, port := "http", "80"
		if c.facts.TLS {
			proto, port = "https", s.externalHTTPSPort
		}
		out = appendForwarded(out, c.sourceText, proto, r.hostport, port, c.sourceText)
	}
	out = append(out, s.loopMark)
	if c.clientCert != "" && r.verdict.Site.Policy.ID == c.facts.Policy {
		// RFC 9440 section 2.2. Only to a site that asked for it.
		out = append(out, hpack.HeaderField{Name: "client-cert", Value: c.clientCert})
	}
	r.header = out
	return out
}

// gatewayFields adds what a trusted gateway says of its client, and what follows
// from that.
func (s *Server) gatewayFields(out []hpack.HeaderField, r *request, f forwarded) []hpack.HeaderField {
	c := r.conn
	if f.proto == "" {
		f.proto = "http"
		if c.facts.TLS {
			f.proto = "https"
		}
	}
	if f.host == "" {
		f.host = r.hostport
	}
	if f.port == "" {
		switch _, port, _ := hostmap.Authority(f.host); {
		case f.proto == "https":
			f.port = s.externalHTTPSPort
		case port != 0:
			f.port = strconv.Itoa(int(port))
		default:
			f.port = "80"
		}
	}
	client := c.sourceText
	if a := f.client(r.verdict.Site.Class); a.IsValid() {
		client = a.String()
	}
	return appendForwarded(out, join(f.chain, c.sourceText), f.proto, f.host, f.port, client)
}

func appendForwarded(out []hpack.HeaderField, chain, proto, host, port, client string) []hpack.HeaderField {
	return append(out,
		hpack.HeaderField{Name: "x-forwarded-for", Value: chain},
		hpack.HeaderField{Name: "x-forwarded-proto", Value: proto},
		hpack.HeaderField{Name: "x-forwarded-host", Value: host},
		hpack.HeaderField{Name: "x-forwarded-port", Value: port},
		hpack.HeaderField{Name: "x-real-ip", Value: client},
	)
}

// trailer is the client's trailer section as the backend gets it: what may not
// stand in the header may not come behind the body. It runs while the body is
// sent, which may be after the response has come and r.header has gone.
func (r *request) trailer() []hpack.HeaderField {
	var out []hpack.HeaderField
	for _, f := range r.ex.Trailer() {
		if r.keptInTrailer(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// trailerNames are the names that the client's Trailer fields announce (RFC 9110
// section 6.6.2), but for those that trailer leaves out.
func (r *request) trailerNames() []string {
	r.connectionTokens()
	var out []string
	for i := range r.header {
		if r.header[i].Name != "trailer" {
			continue
		}
		for name := range httpfield.List(r.header[i].Value) {
			if name = strings.ToLower(name); r.keptInTrailer(name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// keptInTrailer tells whether a trailer field is for the backend.
// connectionTokens has noted what the Connection fields name.
func (r *request) keptInTrailer(name string) bool {
	return kept(name) && !containsToken(r.clear, name)
}

func join(list, value string) string {
	if list == "" {
		return value
	}
	return list + ", " + value
}

// kept tells whether a field of the client's goes on to the backend: not what is
// for one hop, what is written anew, or what we vouch for. An expectation is met
// here.
func kept(name string) bool {
	return httpfield.ClientFate(name)&(httpfield.OneHop|httpfield.Framing|httpfield.Vouched) == 0 && name != "expect"
}

// connectionTokens notes and returns what the Connection fields of an HTTP/1.1
// request name.
func (r *request) connectionTokens() []string {
	if r.protocol != protocolHTTP1 || len(r.clear) != 0 {
		return r.clear
	}
	for i := range r.header {
		if r.header[i].Name != "connection" {
			continue
		}
		for token := range httpfield.List(r.header[i].Value) {
			r.clear = append(r.clear, token)
		}
	}
	return r.clear
}

func containsToken(tokens []string, name string) bool {
	for _, t := range tokens {
		if httpfield.EqualFold(t, name) {
			return true
		}
	}
	return false
}
