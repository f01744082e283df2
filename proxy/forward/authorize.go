package forward

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

const (
	// A service that is asked about each request must not hold it for long.
	askConnectTimeout = 5 * time.Second
	askTimeout        = 10 * time.Second
	// maxAskedBody bounds what is read of a response that nobody gets, in octets,
	// so that its connection can be used again.
	maxAskedBody = 64 << 10
)

// Authorize asks the service of the route's terms whether a request is let in. It
// may block. true: the request may go on, with what the service says of it;
// false: it has been answered. Nobody is let in by a service that cannot be
// asked, or that says something else than 2xx.
func (f *Forwarder) Authorize(r *message.Request, p *Passage, v *hostmap.Verdict, vars hostmap.Variables) bool {
	t := p.route.Terms.Auth.Terms()
	switch {
	case t == nil:
		return true
	case v.Known:
		pass(r, t, nil) // What only the service says is said by nobody.
		return true
	}
	said, ok := f.said(r, p, t, vars)
	switch {
	case r.Status == observe.StatusClientGone:
		return false
	case ok && said.status >= 200 && said.status < 300:
		pass(r, t, said.fields)
		return true
	case ok && said.status == http.StatusUnauthorized && t.SignIn != "":
		signIn(r, hostmap.Expand(t.SignIn, vars), said.fields)
		return false
	case ok && (said.status == http.StatusUnauthorized || said.status == http.StatusForbidden):
		r.AnswerError(said.status, reasonAuthDenied, "http_request_denied", named(said.fields, "www-authenticate")...)
		return false
	}
	answerError(r, http.StatusServiceUnavailable, reasonAuthUnavailable)
	return false
}

// said is what the service says, or has said of the same client lately; false:
// it cannot be asked.
func (f *Forwarder) said(r *message.Request, p *Passage, t *hostmap.AuthTerms, vars hostmap.Variables) (answer, bool) {
	host, path := hostmap.Expand(t.Host, vars), hostmap.Expand(t.Path, vars)
	to, path := p.service(host, path)
	if to == nil {
		return answer{}, false
	}
	if t.CacheKey == "" {
		return f.ask(r, p, t, vars, to, host, path)
	}
	key := keyOf(to, host, path, hostmap.Expand(t.CacheKey, vars))
	if said, ok := f.answers.get(key, r.Start); ok {
		return said, true
	}
	said, ok := f.ask(r, p, t, vars, to, host, path)
	if kept := t.KeptFor(said.status); ok && kept > 0 {
		f.answers.put(key, said, r.Start.Add(kept))
	}
	return said, ok
}

// service is the backend that is asked, and by which path; nil where there is
// none. A host that the terms name no backend for is one that the map serves to
// everybody: nothing is reached by us that the public cannot reach, and no name
// is looked up (so that nobody has us ask what only we can).
func (p *Passage) service(authority, path string) (*hostmap.Backend, string) {
	if b := p.route.Terms.AuthBackend; b != nil {
		if b.Missing != "" {
			return nil, ""
		}
		return b, path
	}
	path, query, asked := strings.Cut(path, "?")
	host, _, err := hostmap.Authority(authority)
	path, badPath := hostmap.Path(path)
	if err != nil || badPath != nil {
		return nil, ""
	}
	site := p.view.hosts.Site(host)
	if site == nil || site.Policy.Mode != hostmap.ClientAuthNone || site.Policy.Unresolved || site.Class.Unresolved ||
		site.Terms.Ranged() || site.Terms.Answers != (hostmap.Answers{}) {
		return nil, ""
	}
	route := site.Route(path)
	if route == nil || route.Backend.Missing != "" {
		return nil, ""
	}
	rt := &route.Terms
	if rt.Ranged() || rt.Authenticates() || rt.Answers != (hostmap.Answers{}) || rt.Redirect.Status != 0 || rt.Quota != (hostmap.Quota{}) {
		return nil, ""
	}
	if path, err = route.Rewrite(path); err != nil {
		return nil, ""
	}
	if asked {
		path += "?" + query
	}
	return route.Backend, path
}

// ask sends the question: the head of the request, without its body, and what
// services expect to be told by ingress-nginx.
func (f *Forwarder) ask(r *message.Request, p *Passage, t *hostmap.AuthTerms, vars hostmap.Variables, of *hostmap.Backend, host, path string) (answer, bool) {
	p.setHostport(r)
	r.NoteConnection()
	trusted := p.site.Class.Trusts(r.Client.Facts.Peer)
	fields := f.hop.appendFields(make([]hpack.HeaderField, 0, len(r.Header)+16), r, p, trusted)
	fields = slices.DeleteFunc(fields, func(f hpack.HeaderField) bool { return told(f.Name) })
	scheme := "http"
	if r.Client.Facts.TLS {
		scheme = "https"
	}
	fields = append(fields,
		message.Field("x-original-url", scheme+"://"+r.Authority+r.Target),
		message.Field("x-original-method", r.Method),
		message.Field("x-sent-from", "nginx-ingress-controller"),
		message.Field("x-auth-request-redirect", hostmap.Expand(t.Redirect, vars)))
	up := &upstream.Request{
		Method: t.Method, Path: path, Host: host, Header: fields,
		ConnectTimeout: askConnectTimeout, ReadTimeout: askTimeout, SendTimeout: askTimeout,
	}
	up.ServerName, _, _ = hostmap.Authority(host)
	if of.ServerName != "" {
		up.Host, up.ServerName = of.ServerName, ""
	}
	to := p.view.backend(of)
	var turn balance.Turn
	if !turn.Begin(to.Backend, up, r.Start) {
		return answer{}, false
	}
	defer turn.End()
	for {
		said, err := askOnce(r, &turn, up, t)
		if err == nil {
			to.ok.Add(1)
			return said, true
		}
		reason := reasonOf(err)
		to.others(reason).Add(1)
		if reason == upstream.ReasonCanceled {
			r.Status, r.Reason = observe.StatusClientGone, reason
			r.Cancel()
			return answer{}, false
		}
		if !turn.Failed(err) {
			r.Err = err
			return answer{}, false
		}
	}
}

// told tells whether a field is one by which the service is told of the request,
// whoever sent it. Nor is it sent what speaks of a body that it does not get.
func told(name string) bool {
	switch name {
	case "x-original-url", "x-original-method", "x-sent-from", "x-auth-request-redirect", "content-type", "content-encoding":
		return true
	}
	return false
}

// askOnce asks one endpoint.
func askOnce(r *message.Request, turn *balance.Turn, up *upstream.Request, t *hostmap.AuthTerms) (answer, error) {
	x := turn.Pool().Start()
	r.OnCancel(x)
	defer func() {
		r.OnCancel(nil)
		x.Close()
	}()
	if err := x.Do(up); err != nil {
		return answer{}, err
	}
	turn.Answered()
	said := answer{status: x.Status}
	for i := range x.Header {
		name := x.Header[i].Name
		if name == "set-cookie" || name == "www-authenticate" || inNames(t.Fields, name) {
			// They outlive the exchange.
			said.fields = append(said.fields, message.Field(strings.Clone(name), strings.Clone(x.Header[i].Value)))
		}
	}
	if _, whole := x.Whole(); !whole {
		discard(x)
	}
	return said, nil
}

// discard reads a response that nobody gets.
func discard(x *upstream.Exchange) {
	var buf [4 << 10]byte
	for n := 0; n < maxAskedBody; {
		m, err := x.Read(buf[:])
		if n += m; err != nil {
			return
		}
	}
}

// pass has the backend told what the service has said, and nothing else by those
// names.
func pass(r *message.Request, t *hostmap.AuthTerms, fields []hpack.HeaderField) {
	for name := range strings.SplitSeq(t.Fields, ",") {
		if name == "" {
			continue
		}
		edit := hostmap.FieldEdit{Op: hostmap.RemoveField, Name: name}
		for _, f := range named(fields, name) {
			edit.Op, edit.Value = hostmap.SetField, message.Join(edit.Value, f.Value)
		}
		r.RequestEdits = append(r.RequestEdits, edit)
	}
	for _, f := range named(fields, "set-cookie") {
		r.ResponseEdits = append(r.ResponseEdits, hostmap.FieldEdit{Op: hostmap.AddField, Name: f.Name, Value: f.Value, Unsuccessful: t.AlwaysSetCookie})
	}
}

// signIn sends a client to where it can sign in.
func signIn(r *message.Request, location string, fields []hpack.HeaderField) {
	r.Status, r.Reason = http.StatusFound, reasonAuthDenied
	r.Fields = append(r.Fields[:0], message.Field("location", location), message.FieldServer, message.FieldNoStore, message.FieldNoContent)
	r.Fields = append(r.Fields, named(fields, "set-cookie")...)
	r.Finish(nil)
}

// named are the fields of a name.
func named(fields []hpack.HeaderField, name string) (out []hpack.HeaderField) {
	for _, f := range fields {
		if f.Name == name {
			out = append(out, f)
		}
	}
	return out
}

// inNames tells whether a list has a name.
func inNames(list, name string) bool {
	for n := range strings.SplitSeq(list, ",") {
		if n == name {
			return true
		}
	}
	return false
}
