package field

import "strings"

// Fate is what becomes of a field on its way through a proxy: a set of the
// constants below. The zero Fate is to be passed on as it is.
type Fate uint8

const (
	// OneHop fields speak of one connection alone (RFC 9110 section 7.6.1), or
	// to the next proxy alone. They are never passed on, in neither direction.
	OneHop Fate = 1 << iota
	// Framing fields say where a message ends, what it is for, or what
	// connection it is on. Who writes a message writes them; a second one from
	// outside would let a client choose where its request ends.
	Framing
	// Vouched fields are those by which a backend knows what a proxy vouches
	// for. What a client says in them is not heard.
	Vouched
	// Told fields say who is behind a proxy. They are Vouched, unless a trusted
	// gateway says them.
	Told
	// HeaderOnly fields frame, route or authenticate a message, or say how it is
	// to be read: they must come before its content, and none stands in a
	// trailer section (RFC 9110 section 6.5.1).
	HeaderOnly
)

// ClientFate returns the fate of a field that a client sends, by its name in
// lower case. Names with '_' have that of the name with '-': CGI and its heirs
// read both as one, so that to a backend a name that only differs in them is the
// same (GHSA-x677).
func ClientFate(name string) Fate {
	if strings.IndexByte(name, '_') >= 0 {
		name = strings.ReplaceAll(name, "_", "-")
	}
	return FateOf(name)
}

// FateOf returns the fate of a field by its name in lower case.
func FateOf(name string) Fate {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "trailer", "http2-settings":
		return OneHop | Framing | HeaderOnly
	case "host", "content-length":
		return Framing | HeaderOnly
	case "proxy-authenticate", "proxy-authorization":
		return OneHop | HeaderOnly
	case "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip":
		return Vouched | Told | HeaderOnly
	case "forwarded", "x-forwarded-prefix", "x-forwarded-scheme", "x-forwarded-ssl", "x-forwarded-server",
		"x-forwarded-client-cert", "x-forwarded-tls-client-cert", "x-client-ip", "x-scheme", "x-original-forwarded-for",
		"client-cert", "client-cert-chain", "front-end-https":
		return Vouched | HeaderOnly
	case "authorization", "cookie", "set-cookie", "content-encoding", "content-type", "content-range",
		"expect", "max-forwards", "cache-control":
		return HeaderOnly
	}
	if strings.HasPrefix(name, "ssl-client-") || strings.HasPrefix(name, "x-ssl-client-") {
		return Vouched | HeaderOnly
	}
	return 0
}
