package demo

import (
	"net/url"
	"strings"
)

// visit is one connection and the requests that are sent on it, one after
// the other, as a client does that holds on to its connection.
type visit struct {
	title string
	// serverName is asked for in the handshake.
	serverName string
	// protocol is "h2" or "http/1.1" over TLS, "" for HTTP/1.1 in cleartext.
	protocol string
	// clientCert presents the demo's client certificate.
	clientCert bool
	// certificate is the name that the served leaf must have; "" where the
	// handshake must be refused, and in cleartext.
	certificate string
	steps       []step
}

// step is one request and what the rule says of it.
type step struct {
	// url is what is asked for. It is "" for a handshake that is to be refused.
	url  string
	want outcome
}

// outcome is what became of a request, as far as the rule says it.
type outcome struct {
	// status is the response's, or one of those of handshakes.
	status int
	// reason is that of the response and of the metric, or the TLS alert.
	reason string
	// reported tells that the reason was counted and the request served.
	reported bool
	// retry is the metric's: "yes", "no", or "" where nothing was counted.
	retry string
	// backend is the Service that answered.
	backend string
	// location is where the response leads on to.
	location string
}

// What stands for a status where the handshake is what matters.
const (
	handshakeRefused = 0
	handshakeTaken   = -1
)

func served(backend string) outcome { return outcome{status: 200, backend: backend} }

func misdirected(reason, retry string) outcome {
	return outcome{status: 421, reason: reason, retry: retry}
}

func refused(alert string) outcome {
	return outcome{status: handshakeRefused, reason: alert}
}

func notFound(reason string) outcome { return outcome{status: 404, reason: reason} }

// script has every verdict of the rule in it. What it expects follows from
// ingresses.yaml and secrets.
var script = []visit{
	{
		title:      "One HTTP/2 connection, used for whatever has the same address, as browsers do",
		serverName: "www.shop.test", protocol: "h2", certificate: "*.shop.test",
		steps: []step{
			{"https://www.shop.test/", served("web")},
			{"https://blog.shop.test/", served("blog")},
			{"https://api.shop.test/v1/items", served("api")},
			{"https://api.shop.test/", notFound("no_route")},
			{"https://gone.shop.test/", notFound("unserved")},
			{"https://news.test/", misdirected("certificate", "yes")},
			{"https://mail.test/", misdirected("certificate", "no")},
			{"https://gone.test/", misdirected("certificate", "no")},
			{"https://pay.shop.test/", misdirected("other_certificate", "yes")},
			{"https://cuckoo.shop.test/", misdirected("other_certificate", "no")},
			{"https://login.shop.test/", misdirected("server_name", "yes")},
			{"https://partner.shop.test/", misdirected("tls_policy", "yes")},
			{"https://vault.shop.test/", misdirected("tls_policy", "no")},
			{"https://old.test/", outcome{status: 200, reason: "certificate", reported: true, retry: "yes", backend: "old"}},
			{"https://free.test/", served("free")},
			{"http://www.shop.test/", misdirected("scheme", "no")},
		},
	},
	{
		title:      "After retry=yes: new connections, each for the host that was refused",
		serverName: "news.test", protocol: "h2", certificate: "news.test",
		steps: []step{{"https://news.test/", served("news")}},
	},
	{
		serverName: "pay.shop.test", protocol: "h2", certificate: "pay.shop.test",
		steps: []step{
			{"https://pay.shop.test/", served("pay")},
			{"https://www.shop.test/", misdirected("certificate", "yes")},
		},
	},
	{
		serverName: "login.shop.test", protocol: "h2", certificate: "*.shop.test",
		steps: []step{{"https://login.shop.test/", served("login")}},
	},
	{
		serverName: "partner.shop.test", protocol: "h2", clientCert: true, certificate: "*.shop.test",
		steps: []step{
			{"https://partner.shop.test/", served("partner")},
			{"https://blog.shop.test/", served("blog")},
		},
	},
	{
		title:      "HTTP/1.1 over TLS is judged by the same rule",
		serverName: "www.shop.test", protocol: "http/1.1", certificate: "*.shop.test",
		steps: []step{
			{"https://www.shop.test/", served("web")},
			{"https://blog.shop.test/", served("blog")},
			{"https://news.test/", misdirected("certificate", "yes")},
			{"https://partner.shop.test/", misdirected("tls_policy", "yes")},
		},
	},
	{
		title:    "Cleartext",
		protocol: "",
		steps: []step{
			{"http://plain.test/", served("plain")},
			{"http://www.shop.test/", outcome{status: 308, location: "https://www.shop.test/"}},
			{"http://partner.shop.test/", misdirected("tls_policy", "no")},
			{"https://www.shop.test/", misdirected("scheme", "no")},
		},
	},
	{
		title:      "Handshakes that are refused: no client certificate, no CA to check one, no certificate to serve",
		serverName: "partner.shop.test", protocol: "h2",
		steps: []step{{"", refused("certificate required")}},
	},
	{
		serverName: "vault.shop.test", protocol: "h2", clientCert: true,
		steps: []step{{"", refused("unrecognized name")}},
	},
	{
		serverName: "plain.test", protocol: "h2",
		steps: []step{{"", refused("unrecognized name")}},
	},
}

// target takes an address as a request carries it apart.
func (s step) target() (scheme, authority, path string) {
	u, err := url.Parse(s.url)
	if err != nil {
		return "", s.url, "/"
	}
	return u.Scheme, u.Host, u.RequestURI()
}

// asked is what the table says was asked for: the authority, with its path
// unless that is "/", and with its scheme where it is not the connection's.
func (s step) asked(v visit) string {
	if s.url == "" {
		return "(handshake)"
	}
	scheme, authority, path := s.target()
	if (scheme == "https") != (v.protocol != "") {
		return s.url
	}
	return authority + strings.TrimSuffix(path, "/")
}
