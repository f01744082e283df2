package gate

import (
	"net/netip"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// variables are what a request is known by to the templates and conditions of a
// class's terms.
type variables struct {
	r     *message.Request
	class *hostmap.Class
}

// Variable is the value of a variable, "" for what the request does not have.
func (v *variables) Variable(name string) string {
	r := v.r
	switch name {
	case "host":
		return r.Host
	case "http_host":
		return r.Authority
	case "scheme":
		return v.scheme()
	case "pass_access_scheme":
		if v.class.Trusts(r.Client.Facts.Peer) {
			if said := r.Forwarded(); said.Proto != "" {
				return said.Proto
			}
		}
		return v.scheme()
	case "request_uri":
		return r.Target
	case "escaped_request_uri":
		return escape(r.Target)
	case "remote_user":
		user, _, _ := basicCredentials(r.Get("authorization"))
		return user
	case "uri":
		path, _, _ := strings.Cut(r.Path, "?")
		return path
	case "args", "query_string":
		_, query, _ := strings.Cut(r.Path, "?")
		return query
	case "is_args":
		if _, query, _ := strings.Cut(r.Path, "?"); query != "" {
			return "?"
		}
		return ""
	case "request_method":
		return r.Method
	case "remote_addr", "the_real_ip":
		if a := addressOf(r, v.class); a.IsValid() {
			return a.String()
		}
		return ""
	}
	if of, ok := strings.CutPrefix(name, hostmap.CookieVariable); ok {
		return cookie(r, of)
	}
	of, _ := strings.CutPrefix(name, hostmap.FieldVariable)
	return fieldOf(r, of)
}

func (v *variables) scheme() string {
	if v.r.Client.Facts.TLS {
		return "https"
	}
	return "http"
}

// fieldOf is the value of a field whose name has '_' for '-', those of several
// joined as RFC 9110 section 5.3 has it.
func fieldOf(r *message.Request, name string) string {
	value := ""
	for i := range r.Header {
		if f := &r.Header[i]; namedLike(f.Name, name) {
			value = message.Join(value, f.Value)
		}
	}
	return value
}

// cookie is the value of one (RFC 6265 section 4.2), "" without.
func cookie(r *message.Request, name string) string {
	for i := range r.Header {
		if r.Header[i].Name != "cookie" {
			continue
		}
		for pair := range strings.SplitSeq(r.Header[i].Value, ";") {
			if n, value, _ := strings.Cut(strings.Trim(pair, " \t"), "="); n == name {
				return value
			}
		}
	}
	return ""
}

// escape percent-encodes all that RFC 3986 section 2.3 does not call unreserved.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+len(s)/2)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

// namedLike tells whether a field has a name of a variable. A field with '_' in
// its own name is another one, as nginx has it.
func namedLike(field, variable string) bool {
	if len(field) != len(variable) {
		return false
	}
	for i := range len(field) {
		c := field[i]
		if c == '-' {
			c = '_'
		} else if c == '_' {
			return false
		}
		if c != variable[i] {
			return false
		}
	}
	return true
}

// addressOf is where the client of a request is: what the peer says where it is a
// trusted gateway, the gateway itself where it says nothing. What it says and
// cannot be read is nowhere, so that a client behind it passes for nobody.
func addressOf(r *message.Request, class *hostmap.Class) netip.Addr {
	if !class.Trusts(r.Client.Facts.Peer) {
		return r.Client.Source
	}
	said := r.Forwarded()
	if said.Chain == "" && said.RealIP == "" {
		return r.Client.Source
	}
	return said.Client(class)
}

// settle appends edits with their values settled; without adds, those that add
// nothing.
func (v *variables) settle(to []hostmap.FieldEdit, edits hostmap.FieldEdits, adds bool) []hostmap.FieldEdit {
	for e := range edits.All() {
		if adds || e.Op != hostmap.AddField {
			// RFC 9113 section 8.2.1: no blanks at its ends.
			e.Value = strings.Trim(hostmap.Expand(e.Value, v), " \t")
			to = append(to, e)
		}
	}
	return to
}
