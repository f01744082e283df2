package hostmap

import (
	"slices"
	"strings"
)

// Variables are what a template can name: what is known of a request.
type Variables interface {
	// Variable returns the value of a name that [KnownVariable] knows, "" for
	// what the request does not have.
	Variable(name string) string
}

// variables are the names that templates may have, beside those of request
// fields. They are nginx's own, and mean what they do there:
//
//   - host: the canonical host of the request; http_host: the authority as it
//     came, with the port;
//   - scheme: of the connection; pass_access_scheme: what a trusted gateway says,
//     else that;
//   - request_uri: the target as it came; uri: the canonical path, without the
//     query; args and query_string: the query; is_args: "?" where there is one;
//   - escaped_request_uri: the target with all but letters, digits and -._~
//     percent-encoded; remote_user: the name in the credentials of RFC 7617;
//   - request_method; remote_addr and the_real_ip: the client's address.
var variables = []string{
	"host", "http_host", "scheme", "pass_access_scheme", "request_uri", "uri",
	"escaped_request_uri", "remote_user", "args", "query_string", "is_args", "request_method", "remote_addr", "the_real_ip",
}

// FieldVariable begins the names of request fields, in lower case and with '_'
// for '-': http_user_agent. CookieVariable begins those of cookies.
const (
	FieldVariable  = "http_"
	CookieVariable = "cookie_"
)

// KnownVariable tells whether templates may have a name.
func KnownVariable(name string) bool {
	if slices.Contains(variables, name) {
		return true
	}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
	if of, ok := strings.CutPrefix(name, CookieVariable); ok {
		return of != "" && strings.Trim(of, letters+"ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	}
	of, ok := strings.CutPrefix(name, FieldVariable)
	return ok && of != "" && strings.Trim(of, letters) == ""
}

// VariableText is how a template names a variable. There is no other meaning of
// "${", and no way to write it as it is.
func VariableText(name string) string { return "${" + name + "}" }

// IsTemplate tells whether a text names variables.
func IsTemplate(text string) bool { return strings.Contains(text, "${") }

// Expand puts the values of variables in place of their names. Without names it
// returns the text as it is, and v may be nil.
func Expand(text string, v Variables) string {
	if !IsTemplate(text) {
		return text
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		var name string
		name, text, _ = strings.Cut(rest, "}")
		b.WriteString(valueOf(name, v))
	}
}

// valueOf is the value of a variable; nil knows none.
func valueOf(name string, v Variables) string {
	if v == nil {
		return ""
	}
	return v.Variable(name)
}
