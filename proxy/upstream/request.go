package upstream

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// Request is one request as it goes to a backend. It is read until Do returns
// and may be used again after that; Body and Trailer are used until
// Exchange.Close returns.
type Request struct {
	// Method is a token, upper or lower case as the client sent it.
	Method string
	// Path is the origin-form with query, or "*" (RFC 9112 section 3.2).
	Path string
	// Host becomes the Host field or :authority.
	Host string
	// Header holds the other fields, in order, without hop-by-hop fields (the
	// forwarder removes them), host, content-length, te and trailer. Cookie
	// fields are joined for HTTP/1.1 (RFC 9113 section 8.2.3).
	Header []hpack.HeaderField
	// ContentLength is the length of Body in bytes, -1 if unknown. It is not
	// looked at when Body is nil.
	ContentLength int64
	// Body is nil for a request without one. A Body with a method StopRead()
	// is told so when the response ended or failed before the body did: a Read
	// that waits must then return. One without it must return by itself.
	Body io.Reader
	// BodyWhole says that reading Body to its end will not block. Bodies up to
	// 64 KiB then travel with the head.
	BodyWhole bool
	// Trailer returns the trailer fields: all of them once Body has returned
	// io.EOF, or at any time with BodyWhole. It may be called on another
	// goroutine than Do was; nil: there are none. Those that must not be in a
	// trailer section (RFC 9110 section 6.5.1) are left out. On HTTP/1.1 a
	// message of known length has no trailer section, and a recipient may
	// discard one (the same section): with ContentLength 0 or more such
	// backends get none.
	Trailer func() []hpack.HeaderField
	// TrailerNames are names of the trailer fields that may come, in lower
	// case, for a "trailer" field in the head (RFC 9110 section 6.6.2). Fields
	// that it does not name are sent as well, but some recipients ignore them.
	TrailerNames []string
	// Upgrade is the protocol to ask for ("websocket"), or empty. It must be
	// [field.Upgradable]. The backend has switched to it only once it has the whole
	// Body, if there is one.
	Upgrade string
	// UpgradeOptional says that the request may be served without, where HTTP/2
	// alone is spoken and knows no way to the protocol. "websocket" has one, where
	// the backend offers extended CONNECT (RFC 8441): it looks like an Upgrade here.
	UpgradeOptional bool
	// Login holds the connections that only this client connection may use, as
	// it has logged in on them, by NTLM or Negotiate. nil: they end with their
	// exchanges.
	Login *Login
	// ServerName overrides the Target's for this request (TLS protocols only).
	ServerName string
	// Budget bounds, over all requests of one client's connection, what their
	// responses take from HTTP/2 backends while the client does not read them;
	// nil: nothing but the Client's own budget does.
	Budget *Budget
	// Fresh demands a connection that carried no request before. An extended
	// CONNECT is not given one.
	Fresh bool
	// Timeouts for this request; 0 takes the Config's, negative means none.
	ConnectTimeout, ReadTimeout, SendTimeout time.Duration
	// Interim is given each 1xx response but 101, 100 (Continue) included.
	// The fields are valid until it returns. It may be called on another
	// goroutine than Do was, but for one response after the other, and Do
	// returns only after it has. The final response waits for it.
	Interim func(status int, h []hpack.HeaderField)
}

// Idempotent says that the request's method is.
func (r *Request) Idempotent() bool { return idempotent(r.Method) }

// idempotent is RFC 9110 section 9.2.2: repeating such a request does no more
// than sending it once. Methods that are not known are not.
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// inHand says that all of the request will be in memory before any of it is sent. Of a
// body of unknown length nobody can tell.
func (r *Request) inHand() bool {
	return r.Body == nil || r.ContentLength == 0 || r.BodyWhole && r.ContentLength > 0 && r.ContentLength <= wholeBody
}

// framing tells of fields that are written by this package alone: a second one
// from outside would let a client choose where its request ends.
func framing(name string) bool { return field.FateOf(name)&field.Framing != 0 }

var (
	errMethod  = errors.New("method is CONNECT or not a token")
	errPath    = errors.New("path has characters that end a request line, or is not in origin-form")
	errHost    = errors.New("host has characters that no host has")
	errUpgrade = errors.New("upgrade is not to one protocol, or to one that carries requests")

	errBodyShort = errors.New("request body ended before its declared length")
	errBodyLong  = errors.New("request body is longer than declared")
)

// check refuses what would not arrive as it was meant: each name must be a
// token, and no value may hold control characters (but a tab).
func (r *Request) check() error {
	// A 2xx to CONNECT has no body but a tunnel: it must never meet a pool.
	if !field.IsToken(r.Method) || r.Method == "CONNECT" {
		return errMethod
	}
	// A target has no fragment (RFC 9112 section 3.2).
	if !field.IsTarget(r.Path) || r.Path[0] != '/' && r.Path != "*" || strings.IndexByte(r.Path, '#') >= 0 {
		return errPath
	}
	if !field.IsAuthority(r.Host) {
		return errHost
	}
	if r.Upgrade != "" && !field.Upgradable(r.Upgrade) {
		return errUpgrade
	}
	return checkFields(r.Header)
}

func checkFields(fields []hpack.HeaderField) error {
	for i := range fields {
		f := &fields[i]
		if !field.IsName(f.Name) {
			return fmt.Errorf("field name %.64q is not a lower-case token", f.Name)
		}
		if !field.IsValue(f.Value) {
			return fmt.Errorf("field %s has a control character in its value", f.Name)
		}
		if framing(f.Name) {
			return fmt.Errorf("field %s is not for the caller to set", f.Name)
		}
	}
	return nil
}

// notInTrailer is RFC 9110 section 6.5.1.
func notInTrailer(name string) bool { return field.FateOf(name)&field.HeaderOnly != 0 }
