package explain

import (
	"fmt"
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// clientNames are the clients that are spoken of; the first three are browsers,
// which share connections across hosts.
var clientNames = []string{"Chromium", "Firefox", "Safari", "curl", "Go", "gRPC"}

const browsers = 3

// clients says what each client does that is to ask for the authority and has
// the connection.
func (i *inquiry) clients(a *Answer) []Client {
	out := make([]Client, len(clientNames))
	for n, name := range clientNames {
		out[n] = Client{name, i.does(a, name, n < browsers)}
	}
	return out
}

func (i *inquiry) does(a *Answer, name string, shares bool) string {
	switch {
	case a.Connection.Refused != "" && i.q.Version >= i.hand.Class.MinVersion:
		return refusedText(name)
	case a.Connection.Refused != "":
		return "fails with an error of the TLS handshake (protocol version)"
	case a.Verdict.Status == 400 && i.malformed() != "":
		return "sends no such request, if it is not told to; else it shows the 400"
	case i.q.Cleartext || i.own():
		return i.reacts(a, name)
	case !shares:
		return "does not share connections across hosts. On one that is made for " + i.r.Host + ": " + i.freshText()
	case !i.f.Leaf.Covers(i.r.Host):
		return "sends no such request: the certificate does not cover " + i.r.Host + ". On a connection that is made for it: " + i.freshText()
	}
	if name == "Firefox" && i.toldByOrigin() {
		return "sends no such request: our ORIGIN frame tells it to use another connection. There: " + i.freshText()
	}
	return "may send it over HTTP/2, where both hosts have one address; then it " + i.reacts(a, name)
}

// toldByOrigin tells whether the connection's ORIGIN frame leaves the authority
// out.
func (i *inquiry) toldByOrigin() bool {
	const port = 443
	origins, sent := i.m.Origins(&i.f, port)
	return sent && !slices.Contains(origins, "https://"+i.r.Host)
}

func refusedText(name string) string {
	switch name {
	case "Chromium":
		return "shows ERR_SSL_UNRECOGNIZED_NAME_ALERT"
	case "Firefox":
		return "shows SSL_ERROR_UNRECOGNIZED_NAME_ALERT"
	case "gRPC":
		return "reports Unavailable, and tries to connect again"
	}
	return "fails with an error of the TLS handshake (unrecognized name)"
}

// reacts is what a client does with the answer to a request that it has sent.
func (i *inquiry) reacts(a *Answer, name string) string {
	v := &a.Verdict
	switch {
	case v.Action == hostmap.ActionServe.String():
		return "is served" + withCertificate(a)
	case v.Action == hostmap.ActionRedirect.String():
		switch name {
		case "curl":
			return "shows the redirect, and follows it with -L"
		case "gRPC":
			return "follows no redirect: the call fails"
		}
		return "follows the redirect"
	case v.Status != 421:
		if name == "gRPC" {
			return fmt.Sprintf("reports an error (HTTP status %d)", v.Status)
		}
		return fmt.Sprintf("shows the %d", v.Status)
	}
	switch name {
	case "Chromium", "Firefox":
		if i.own() || i.q.Cleartext {
			return "retries once, on a new connection that is like this one: its user sees the 421"
		}
		return "is answered 421 and retries once, on a new connection for " + i.r.Host + ". There: " + i.freshText()
	case "Safari":
		return "may show a blank page: it does not always retry after a 421"
	case "gRPC":
		return "reports Unavailable; whether it calls again is up to the program"
	}
	return "shows the 421"
}

// withCertificate says what a connection asks of the client.
func withCertificate(a *Answer) string {
	if a.Connection.ClientAuth == hostmap.ClientAuthRequire.String() {
		return ", with a client certificate that the host trusts; without one there is no connection"
	}
	return ""
}

// freshText is what becomes of the request on a connection of its own.
func (i *inquiry) freshText() string {
	a := i.fresh()
	v := &a.Verdict
	switch {
	case v.Action == noConnection:
		return "the handshake fails (" + a.Connection.Refused + ")."
	case v.Action == hostmap.ActionServe.String():
		return "served" + withCertificate(&a) + "."
	case v.Action == hostmap.ActionRedirect.String():
		return fmt.Sprintf("redirected (%d).", v.Status)
	}
	return fmt.Sprintf("%d %s.", v.Status, v.Reason)
}
