package hostmap

import (
	"fmt"
	"strings"
	"time"
)

// Terms are what is asked of requests, and done to them, beside the rule. The
// zero value asks and does nothing. Two that are == are the same terms.
//
// Each field belongs to the terms of a site or to those of a route, and is zero
// in the others. The compiler fills it in and has checked it; [Apply] or the
// wire reads it, as is said there.
type Terms struct {
	// HTTPSRedirect, of a site, sends cleartext requests to https. Apply.
	HTTPSRedirect bool
	// HSTS, of a site, is the value of Strict-Transport-Security in responses
	// over TLS (RFC 6797 section 6.1; over cleartext it must not be sent,
	// section 7.2). The wire.
	HSTS string

	// Answers, of a site or a route, stand in for the backend where their
	// conditions hold. Apply.
	Answers Answers
	// ResponseFields, of a site and of a route, are what is done to the fields
	// of responses, our own too but for 421s: those of the site first. What a
	// site adds is not added where the route adds something, as nginx has it.
	// RequestFields, of a route, are what is done to those that the backend
	// gets. The wire.
	ResponseFields, RequestFields FieldEdits
	// Redirect, of a route, answers in place of the backend. Apply.
	Redirect Redirect
	// Allow and Deny, of a route, are where its clients may and may not be; of a
	// site, for the routes that have neither. Nothing in Allow is everywhere;
	// what is in both is denied. Apply.
	Allow, Deny Ranges
	// CORS, of a route, answers browsers that ask what scripts of other origins
	// may do, and says so in every response. The wire.
	CORS CORS
	// Quota, of a route, bounds what one client may have. The wire.
	Quota Quota
	// BasicAuth, of a route, lets in those who know a password. The wire.
	BasicAuth BasicAuth
	// Auth, of a route, asks a service who is let in: AuthBackend, where it is
	// not nil. The wire.
	Auth        Auth
	AuthBackend *Backend
	// SatisfyAny, of a route, lets in who is named in Allow, or is let in by
	// BasicAuth or Auth; else each of them is asked for. Apply and the wire.
	SatisfyAny bool
	// Affinity and HashBy, of a route, say which endpoint of its backend a
	// request is for; an Affinity goes first. The wire.
	Affinity Affinity
	HashBy   HashBy
	// MaxBodySize, of a route, bounds the body of a request, in octets; 0 does
	// not. Apply refuses what is declared to be more, the wire what turns out
	// to be.
	MaxBodySize int64
	// RewriteTarget, of a route, is what the backend is asked for instead of
	// the path (see [Route.Rewrite]). Apply.
	RewriteTarget string
	// ConnectTimeout, ReadTimeout and SendTimeout, of a route, go before those
	// of the class's [Limits], which say what they bound. The wire.
	ConnectTimeout, ReadTimeout, SendTimeout time.Duration
}

// Redirect is an answer that sends the client elsewhere.
type Redirect struct {
	// Status is 301, 302, 303, 307 or 308; 0 is no redirect.
	Status int
	// Target is the value of Location as it is sent: a URL, or an absolute
	// path. It may be a template (see [Expand]).
	Target string
}

// Ranged tells whether [Apply] needs to know the client's address.
func (t *Terms) Ranged() bool { return t.Allow != Ranges{} || t.Deny != Ranges{} }

// Authenticates tells whether clients must show who they are.
func (t *Terms) Authenticates() bool { return t.BasicAuth != BasicAuth{} || t.Auth != Auth{} }

// text appends what is not zero, each as " name=value".
func (t *Terms) text(b *strings.Builder) {
	if t.HTTPSRedirect {
		b.WriteString(" redirect")
	}
	if t.HSTS != "" {
		fmt.Fprintf(b, " hsts=%q", t.HSTS)
	}
	if t.Answers != (Answers{}) {
		fmt.Fprintf(b, " answers=%s", t.Answers)
	}
	if t.RequestFields != (FieldEdits{}) {
		fmt.Fprintf(b, " request-fields=%s", t.RequestFields)
	}
	if t.ResponseFields != (FieldEdits{}) {
		fmt.Fprintf(b, " response-fields=%s", t.ResponseFields)
	}
	if t.Redirect.Status != 0 {
		fmt.Fprintf(b, " redirect=%d:%q", t.Redirect.Status, t.Redirect.Target)
	}
	if t.Allow != (Ranges{}) {
		fmt.Fprintf(b, " allow=%s", t.Allow)
	}
	if t.Deny != (Ranges{}) {
		fmt.Fprintf(b, " deny=%s", t.Deny)
	}
	if t.CORS != (CORS{}) {
		fmt.Fprintf(b, " cors=%s", t.CORS)
	}
	if t.Quota != (Quota{}) {
		fmt.Fprintf(b, " quota=%q", t.Quota)
	}
	if t.BasicAuth != (BasicAuth{}) {
		fmt.Fprintf(b, " basic-auth=%s", t.BasicAuth)
	}
	if t.Auth != (Auth{}) {
		fmt.Fprintf(b, " auth=[%s]", t.Auth)
	}
	if k := t.AuthBackend; k != nil {
		fmt.Fprintf(b, " auth-backend=%s:%s/%s:%s", k.Protocol, k.Namespace, k.Service, k.Port)
	}
	if t.SatisfyAny {
		b.WriteString(" satisfy=any")
	}
	if t.Affinity != (Affinity{}) {
		fmt.Fprintf(b, " affinity=%s", t.Affinity)
	}
	if t.HashBy != (HashBy{}) {
		fmt.Fprintf(b, " hash-by=%s", t.HashBy)
	}
	if t.MaxBodySize != 0 {
		fmt.Fprintf(b, " max-body-size=%d", t.MaxBodySize)
	}
	if t.RewriteTarget != "" {
		fmt.Fprintf(b, " rewrite-target=%q", t.RewriteTarget)
	}
	for _, d := range []struct {
		name string
		time.Duration
	}{
		{"connect", t.ConnectTimeout},
		{"read", t.ReadTimeout},
		{"send", t.SendTimeout},
	} {
		if d.Duration != 0 {
			fmt.Fprintf(b, " %s-timeout=%s", d.name, d.Duration)
		}
	}
}
