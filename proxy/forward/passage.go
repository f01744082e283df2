package forward

import (
	"cmp"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Ties are what all requests of one client's connection share on the backend's
// side. The zero Ties are ready to use.
type Ties struct {
	// held bounds what backends' responses may take that the client does not
	// read.
	held upstream.Budget
	// login is on connections to backends that serve nobody else.
	login upstream.Login
}

// Close ends what is left of a client's connection when that has ended.
func (t *Ties) Close() { t.login.Close() }

// Passage is one request's way to a backend and back. Its owner uses it again.
type Passage struct {
	site     *hostmap.Site
	route    *hostmap.Route
	ties     *Ties
	view     *View
	backend  *backend
	canary   *backend         // nil: there is none
	to       *hostmap.Backend // backend's
	hostport string           // the host with the client's port, where it named one
	path     string           // instead of the request's, without the query; "" for none
	strict   bool             // the client takes SameSite=None for Strict
	endpoint netip.AddrPort   // where the request was sent last; zero: nowhere
	took     time.Duration    // until that answered; 0: it did not, or nobody asks

	up      upstream.Request
	turn    balance.Turn
	r       *message.Request // for interim and trailer
	interim func(status int, h []hpack.HeaderField)
	trailer func() []hpack.HeaderField
}

// Open begins a passage: what the verdict has led to, of the map of a view.
func (p *Passage) Open(v *View, to *hostmap.Verdict, ties *Ties) {
	p.site, p.route, p.ties, p.view = to.Site, to.Route, ties, v
	p.backend, p.to, p.path = v.backend(to.Route.Backend), to.Route.Backend, to.Path
	if t, ok := to.Route.Canary.Terms(); ok {
		p.canary = v.backend(t.Backend)
	}
}

// Close makes a passage ready for another request, without giving up its room.
func (p *Passage) Close() {
	interim, trailer := p.interim, p.trailer
	*p = Passage{}
	p.interim, p.trailer = interim, trailer
}

// setHostport settles the host as the client named it.
func (p *Passage) setHostport(r *message.Request) {
	p.hostport = r.Host
	if r.Port != 0 {
		p.hostport += ":" + strconv.Itoa(int(r.Port))
	}
}

// target is what the backend is asked for: what was matched, or what the terms have
// made of it, with the query as it came.
func (p *Passage) target(r *message.Request) string {
	if p.path == "" {
		return r.Path
	}
	if i := strings.IndexByte(r.Path, '?'); i >= 0 {
		return p.path + r.Path[i:]
	}
	return p.path
}

// setTimeouts sets the time-outs of the route, and those of the class where it has
// none; upstream has its own.
func (p *Passage) setTimeouts() {
	terms, limits := &p.route.Terms, &p.site.Class.Limits
	p.up.ConnectTimeout = cmp.Or(terms.ConnectTimeout, limits.ConnectTimeout)
	p.up.ReadTimeout = cmp.Or(terms.ReadTimeout, limits.ReadTimeout)
	p.up.SendTimeout = cmp.Or(terms.SendTimeout, limits.SendTimeout)
}

// count counts a try that did not bring a response.
func (p *Passage) count(result string) { p.backend.others(result).Add(1) }

// Record adds to what there is to tell of a request where it went, and how it
// failed there.
func (p *Passage) Record(r *message.Request, x *observe.Exchange) {
	x.Backend, x.Endpoint, x.BackendFailed = p.to, p.endpoint, p.failed(r)
	x.UpstreamTime = p.took
	if r.Err != nil {
		x.Err = causeOf(r.Err)
	}
}

// failed tells whether a request that was judged has failed on the backend's side
// of us, and not because of its client.
func (p *Passage) failed(r *message.Request) bool {
	switch r.Reason {
	case "", reasonAborted, reasonBodySize, upstream.ReasonCanceled, upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		return false
	}
	if p.route == nil {
		return false
	}
	switch r.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusLoopDetected:
		return true
	}
	return r.Err != nil // a response that has begun
}
