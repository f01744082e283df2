package explain

import (
	"net/netip"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Question is a request, and the connection that it comes on.
type Question struct {
	// ServerName is the SNI of the connection, as a client sends it; "" is none.
	ServerName string
	// Cleartext is a connection without TLS.
	Cleartext bool
	// Version is the TLS version, as in crypto/tls; 0 is 1.3.
	Version uint16
	// Peer is the address of the immediate peer, which may be a trusted
	// gateway's.
	Peer netip.Addr

	// Scheme is the request's; "" is the connection's own.
	Scheme string
	// Authority is the host, and maybe a port, that the request is for.
	Authority string
	// Method and Path are the request's; "" are GET and "/".
	Method, Path string
	// Client is where the request's client is, for source ranges; without it
	// that is Peer.
	Client netip.Addr
	// FromHTTPS tells that the peer says its own client came by https.
	FromHTTPS bool
}

// ServerName is that of a connection which is made for an authority, "" where it
// has none and for what is no authority.
func ServerName(authority string) string {
	host, _, err := hostmap.Authority(authority)
	if err != nil {
		return ""
	}
	return serverNameOf(host)
}

// serverNameOf is ServerName for a canonical host.
func serverNameOf(host string) string {
	if hostmap.IsIP(host) {
		return "" // RFC 6066 section 3
	}
	return host
}

// Answer says what becomes of a request, and why.
type Answer struct {
	Connection Connection `json:"connection"`
	Request    Request    `json:"request"`
	// Steps are those that were asked, in their order. There are none where no
	// request can be made.
	Steps   []Step  `json:"steps"`
	Verdict Verdict `json:"verdict"`
	// Clients are what clients do that are asked for such a URL, and could use
	// such a connection.
	Clients []Client `json:"clients"`
	// Problems are those of the objects, as far as somebody has told of any: see
	// [Concerning].
	Problems []Problem `json:"problems,omitempty"`
	// Advice is what to change, where something should be or can be.
	Advice []string `json:"advice"`
}

// Problem is what is wrong with an object that a question is about.
type Problem struct {
	Object  string `json:"object"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Connection is what the handshake settles.
type Connection struct {
	Protocol   string `json:"protocol"` // "cleartext", "TLS 1.2" or "TLS 1.3"
	ServerName string `json:"serverName"`
	// Site is the host that the server name leads to, "" for none.
	Site        string       `json:"site"`
	Certificate *Certificate `json:"certificate,omitempty"`
	ClientAuth  string       `json:"clientAuth,omitempty"`
	// Refused says why there is no connection, "" where there is one.
	Refused string `json:"refused,omitempty"`
}

// Certificate is the one that a connection is served.
type Certificate struct {
	Secret      string   `json:"secret"`
	Fingerprint string   `json:"fingerprint"`
	Names       []string `json:"names"`
}

// Request is the request as it is judged.
type Request struct {
	Method string `json:"method"`
	Scheme string `json:"scheme"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	// Site is the host that serves the authority, "" for none; Namespace owns
	// it, and Class is its class.
	Site      string `json:"site"`
	Namespace string `json:"namespace,omitempty"`
	Class     string `json:"class,omitempty"`
}

// Verdict is what becomes of the request.
type Verdict struct {
	// Action is serve, redirect, refuse, or no-connection.
	Action string `json:"action"`
	Status int    `json:"status,omitempty"` // what is answered
	Reason string `json:"reason,omitempty"`
	// Reported is the reason that would have been, had the rule not been told
	// to report only.
	Reported string `json:"reported,omitempty"`
	Rule     string `json:"rule,omitempty"`
	// Retry tells whether a new connection, made for the authority itself,
	// gets past the rule. It means something beside a 421, or Reported.
	Retry bool `json:"retry"`
	Close bool `json:"close,omitempty"`
	// Location is where a redirect leads; "" is the request's own URL under
	// https.
	Location string `json:"location,omitempty"`
	// Route is the object whose rule serves the request, or redirects it, and
	// Backend the Service port that gets it, with which Path.
	Route   string `json:"route,omitempty"`
	Backend string `json:"backend,omitempty"`
	Path    string `json:"path,omitempty"`
}

const noConnection = "no-connection"

// Step is one question, and how it ended for the request.
type Step struct {
	// Number is the step's on the page about the rule; "terms" and "backend"
	// are what comes after the rule.
	Number string `json:"number"`
	// Name is what it asks about.
	Name string `json:"name"`
	// Outcome is holds, fails or reported.
	Outcome string `json:"outcome"`
	// Ground is why, in one word, and Why in a sentence with what was looked
	// at.
	Ground string `json:"ground"`
	Why    string `json:"why"`
}

// Client is what one kind of client does.
type Client struct {
	Name string `json:"name"`
	Does string `json:"does"`
}
