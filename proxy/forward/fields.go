package forward

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/message"
)

// hop is what this process says of itself in requests that it forwards.
type hop struct {
	httpsPort string            // as clients reach it
	loopMark  hpack.HeaderField // added to each
}

// requestFields puts together the fields that go to the backend: those of
// appendFields, and what the terms make of them. They take the place of r.Header,
// in place: a list for itself would double what requests of many fields cost.
func (h *hop) requestFields(r *message.Request, p *Passage, trusted bool) []hpack.HeaderField {
	r.Header = message.EditFields(h.appendFields(r.Header[:0], r, p, trusted), r.RequestEdits, http.StatusOK)
	return r.Header
}

// appendFields appends the client's fields, without those that are for one hop
// only or that the client must not set, and then ours. out may be r.Header[:0].
func (h *hop) appendFields(out []hpack.HeaderField, r *message.Request, p *Passage, trusted bool) []hpack.HeaderField {
	var said message.Forwarded
	if trusted {
		said = r.Forwarded() // reads what is written over below
	}
	for i := range r.Header {
		f := &r.Header[i]
		if !kept(f.Name) {
			continue
		}
		if r.ForHop(f.Name) && f.Name != hostmap.LoopField {
			continue
		}
		out = append(out, *f)
	}
	c := r.Client
	if trusted {
		out = h.gatewayFields(out, r, p, said)
	} else {
		proto, port := "http", "80"
		if c.Facts.TLS {
			proto, port = "https", h.httpsPort
		}
		out = appendForwarded(out, c.SourceText, proto, p.hostport, port, c.SourceText)
	}
	out = append(out, h.loopMark)
	if c.Certificate != "" && p.site.Policy.ID == c.Facts.Policy {
		// RFC 9440 section 2.2. Only to a site that asked for it.
		out = append(out, message.Field("client-cert", c.Certificate))
	}
	return out
}

// gatewayFields adds what a trusted gateway says of its client, and what follows
// from that.
func (h *hop) gatewayFields(out []hpack.HeaderField, r *message.Request, p *Passage, said message.Forwarded) []hpack.HeaderField {
	c := r.Client
	if said.Proto == "" {
		said.Proto = "http"
		if c.Facts.TLS {
			said.Proto = "https"
		}
	}
	if said.Host == "" {
		said.Host = p.hostport
	}
	if said.Port == "" {
		switch _, port, _ := hostmap.Authority(said.Host); {
		case said.Proto == "https":
			said.Port = h.httpsPort
		case port != 0:
			said.Port = strconv.Itoa(int(port))
		default:
			said.Port = "80"
		}
	}
	client := c.SourceText
	if a := said.Client(p.site.Class); a.IsValid() {
		client = a.String()
	}
	return appendForwarded(out, message.Join(said.Chain, c.SourceText), said.Proto, said.Host, said.Port, client)
}

func appendForwarded(out []hpack.HeaderField, chain, proto, host, port, client string) []hpack.HeaderField {
	return append(out,
		message.Field("x-forwarded-for", chain),
		message.Field("x-forwarded-proto", proto),
		message.Field("x-forwarded-host", host),
		message.Field("x-forwarded-port", port),
		message.Field("x-real-ip", client),
	)
}

// trailer is the client's trailer section as the backend gets it: what may not
// stand in the header may not come behind the body. It runs while the body is
// sent, which may be after the response has come and r.Header has gone.
func trailer(r *message.Request) []hpack.HeaderField {
	var out []hpack.HeaderField
	for _, f := range r.Trailer() {
		if keptInTrailer(r, f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// namesOfTrailer are the names that the client's Trailer fields announce (RFC 9110
// section 6.6.2), but for those that trailer leaves out.
func namesOfTrailer(r *message.Request) []string {
	var out []string
	for i := range r.Header {
		if r.Header[i].Name != "trailer" {
			continue
		}
		for name := range field.List(r.Header[i].Value) {
			if name = strings.ToLower(name); keptInTrailer(r, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// keptInTrailer tells whether a trailer field is for the backend.
func keptInTrailer(r *message.Request, name string) bool { return kept(name) && !r.ForHop(name) }

// kept tells whether a field of the client's goes on to the backend: not what is
// for one hop, what is written anew, or what we vouch for. An expectation is met
// here.
func kept(name string) bool {
	return field.ClientFate(name)&(field.OneHop|field.Framing|field.Vouched) == 0 && name != "expect"
}
