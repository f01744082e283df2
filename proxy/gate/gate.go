package gate

import (
	"net/http"
	"net/netip"
	"strconv"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
)

// Gate judges requests. Make one with [New].
type Gate struct {
	observer *observe.Observer
	answers  misdirectedAnswers
	httpsAt  string // ":" and the port of https as clients reach it, "" for 443

	quotas    *quotas
	passwords *passwords
}

// New makes a gate. The port is where clients reach https.
func New(o *observe.Observer, externalHTTPSPort int) *Gate {
	return &Gate{
		observer: o, answers: newMisdirectedAnswers(), httpsAt: portSuffix(externalHTTPSPort),
		quotas: newQuotas(), passwords: newPasswords(),
	}
}

// Case is what the gate knows of one request.
type Case struct {
	view    *View
	verdict hostmap.Verdict
	// counters are the unserved's until there is a verdict.
	counters *observe.Site
	// held is what the request holds of a quota.
	held held
	// variables are those of the request, for the terms.
	variables variables
}

// Open begins a case, by the host map of a view. It is new, or was closed.
func (c *Case) Open(v *View) { c.view, c.counters = v, v.unserved }

// Close forgets the case.
func (c *Case) Close() {
	c.held.release()
	*c = Case{}
}

// Variables are those of the request, for the terms. They are valid until Close.
func (c *Case) Variables() hostmap.Variables { return &c.variables }

// Verdict is what has become of the request. It is valid until Close.
func (c *Case) Verdict() *hostmap.Verdict { return &c.verdict }

// Record fills in what there is to tell of a case's request. r may have been
// answered.
func (c *Case) Record(r *message.Request, x *observe.Exchange) {
	x.Start = r.Start
	x.Protocol, x.Method, x.Authority, x.Target, x.Header = r.Protocol, r.Method, r.Authority, r.Target, r.Header
	x.Facts, x.Source = &r.Client.Facts, netip.AddrPortFrom(r.Client.Source, r.Client.SourcePort)
	x.Host, x.Path, x.Verdict, x.Site = r.Host, r.Path, &c.verdict, c.counters
	x.Status, x.Reason, x.Sent, x.Received, x.GRPCStatus = r.Status, r.Reason, r.Sent, r.Received(), r.GRPCStatus
}

// Admit judges a request whose head is whole. It does not block. true: the
// request is to be forwarded by the verdict's route; false: it has been answered.
func (g *Gate) Admit(r *message.Request, c *Case) bool {
	if isProbe(r) {
		alive(r)
		return false
	}
	if why := settleHost(r); why != "" {
		r.AnswerError(http.StatusBadRequest, why, requestError)
		return false
	}
	// PRI is HTTP/2's own (RFC 9113 section 3.4); no origin has resources for it.
	if r.Method == "PRI" || r.Method == http.MethodConnect && r.Tunnel == "" {
		r.AnswerError(http.StatusMethodNotAllowed, reasonMethod, requestError)
		return false
	}
	if r.Unmet {
		r.AnswerError(http.StatusExpectationFailed, reasonExpectation, requestError)
		return false
	}
	path, why := settlePath(r)
	if why != "" {
		r.AnswerError(http.StatusBadRequest, why, requestError)
		return false
	}
	g.judge(r, c, path)
	if c.verdict.Action == hostmap.ActionServe {
		return g.admits(r, c)
	}
	g.answer(r, c)
	return false
}

// admits asks for what a route's terms have that needs memory or a response of
// its own. A browser's question what it may send is no request yet, and has no
// password (Fetch, section 3.3.5).
func (g *Gate) admits(r *message.Request, c *Case) bool {
	route := c.verdict.Route
	if t := route.Terms.CORS.Terms(); t != nil && share(r, t) {
		return false
	}
	if route.Terms.Quota != (hostmap.Quota{}) {
		held, ok := g.quotas.take(route, addressOf(r, c.verdict.Site.Class), r.Start)
		if !ok {
			r.AnswerError(http.StatusServiceUnavailable, reasonQuota, requestDenied)
			return false
		}
		c.held = held
	}
	return true
}

// Authenticate asks for a password where the terms of the request's route do. It
// may block for as long as a hash takes. true: the request may go on; false: it
// has been answered.
func (g *Gate) Authenticate(r *message.Request, c *Case) bool {
	v, terms := &c.verdict, &c.verdict.Route.Terms
	t := terms.BasicAuth.Terms()
	if t == nil || v.Known {
		return true
	}
	if g.passwords.know(terms.BasicAuth, t, r.Get("authorization")) {
		v.Known = terms.SatisfyAny
		return true
	}
	if terms.SatisfyAny && terms.Auth != (hostmap.Auth{}) {
		return true // There is another who may know it.
	}
	r.AnswerError(http.StatusUnauthorized, reasonUnauthorized, requestDenied,
		message.Field("www-authenticate", "Basic realm="+strconv.QuoteToASCII(t.Realm)+`, charset="UTF-8"`))
	return false
}

// judge asks the rule, and then the terms.
func (g *Gate) judge(r *message.Request, c *Case, path string) {
	f := &r.Client.Facts
	q := hostmap.Request{Scheme: r.Scheme, Host: r.Host, Path: path}
	hostmap.JudgeInto(&c.verdict, c.view.Hosts, f, &q)
	if site := c.verdict.Site; site != nil {
		c.variables = variables{r, site.Class}
	}
	// Over TLS what the rule has refused stays so: floods end here.
	if c.verdict.Action == hostmap.ActionServe || !f.TLS {
		hostmap.Apply(&c.verdict, f, &q, clientOfRequest(r, c))
	}
	c.counters = c.view.of(&c.verdict)
	if c.verdict.Reported != "" {
		g.misdirected(r, c, c.verdict.Reported, false)
	}
	if site := c.verdict.Site; site != nil && f.TLS && !c.verdict.Misdirected() {
		// RFC 6797 section 7.2: never over cleartext. Nor with a 421: the
		// connection is not one that speaks for the host.
		r.HSTS = site.Terms.HSTS
	}
	if c.verdict.Site != nil && !c.verdict.Misdirected() {
		c.settleEdits(r)
	}
}

// settleEdits settles what is done to the fields of a request and its response,
// while the request is as it came.
func (c *Case) settleEdits(r *message.Request) {
	v := &c.verdict
	chain := [...]hostmap.FieldEdits{v.Site.Terms.ResponseFields, {}, {}}
	if v.Route != nil {
		chain[1] = v.Route.Terms.ResponseFields
		r.RequestEdits = c.variables.settle(r.RequestEdits, v.Route.Terms.RequestFields, true)
	}
	if a := v.Answer.First(); a != nil {
		chain[2] = a.Fields
	}
	if chain == ([3]hostmap.FieldEdits{}) {
		return
	}
	adds := 0 // the innermost that adds something: others do not
	for i, edits := range chain {
		if edits.Adds() {
			adds = i
		}
	}
	for i, edits := range chain {
		r.ResponseEdits = c.variables.settle(r.ResponseEdits, edits, i == adds)
	}
}

// clientOfRequest is what the terms are told of who sent a request.
func clientOfRequest(r *message.Request, c *Case) hostmap.Client {
	client := hostmap.Client{FromHTTPS: !r.Client.Facts.TLS && r.SaysHTTPS(), ContentLength: r.ContentLength}
	if r.Tunnel != "" && !r.ByUpgrade() {
		client.ContentLength = 0 // what comes is the tunnel's
	}
	v := &c.verdict
	if v.Site == nil {
		return client
	}
	client.Variables = &c.variables
	if v.Route != nil && v.Ranges().Ranged() {
		client.Address = addressOf(r, v.Site.Class)
	}
	return client
}

// answer answers by a verdict that is not to serve.
func (g *Gate) answer(r *message.Request, c *Case) {
	v := &c.verdict
	if a := v.Answer.First(); a != nil {
		answerByTerms(r, &c.variables, a)
		return
	}
	switch {
	case v.Action == hostmap.ActionRedirect:
		redirect(r, v, &c.variables, g.httpsAt)
	case v.Misdirected():
		g.misdirected(r, c, v.Reason, true)
		g.answers.answer(r, v)
	default:
		r.AnswerError(v.Status, string(v.Reason), errorType(v.Reason))
	}
}

// errorType is the Proxy-Status error type (RFC 9209 section 2.3) of a reason.
func errorType(reason hostmap.Reason) string {
	switch reason {
	case hostmap.ReasonUnserved, hostmap.ReasonNoRoute:
		return "destination_not_found"
	case hostmap.ReasonSourceRange:
		return requestDenied
	}
	return requestError
}

// misdirected tells of a request that the rule refused for a reason, or would have
// where it is not enforced.
func (g *Gate) misdirected(r *message.Request, c *Case, reason hostmap.Reason, enforced bool) {
	var x observe.Exchange
	c.Record(r, &x)
	g.observer.Misdirected(&x, reason, enforced)
}

// Served counts a request that is forwarded as a recovery, if it is one.
func (g *Gate) Served(r *message.Request, c *Case) {
	g.observer.Served(r.Start, &r.Client.Facts, r.Client.Source, r.Host, c.counters)
}
