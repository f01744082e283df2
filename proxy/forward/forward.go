package forward

import (
	"cmp"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Forwarder forwards requests. Make one with [New].
type Forwarder struct {
	observer  *observe.Observer
	httpsPort string            // as clients reach it
	loopMark  hpack.HeaderField // added to each request that is forwarded
	buffers   copyBuffers
}

// New makes a forwarder. The port is where clients reach https.
func New(o *observe.Observer, externalHTTPSPort int) *Forwarder {
	return &Forwarder{
		observer:  o,
		httpsPort: strconv.Itoa(externalHTTPSPort),
		loopMark:  message.Field(hostmap.LoopField, newLoopMark()),
	}
}

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
	backend  *backend
	hostport string // the host with the client's port, where it named one
	path     string // instead of the request's, without the query; "" for none
	endpoint netip.AddrPort

	up      upstream.Request
	turn    balance.Turn
	r       *message.Request // for interim and trailer
	interim func(status int, h []hpack.HeaderField)
	trailer func() []hpack.HeaderField
}

// Open begins a passage: what the verdict has led to, of the map of a view.
func (p *Passage) Open(v *View, to *hostmap.Verdict, ties *Ties) {
	p.site, p.route, p.ties = to.Site, to.Route, ties
	p.backend, p.path = v.backends[to.Route.Backend], to.Path
}

// Close makes a passage ready for another request, without giving up its room.
func (p *Passage) Close() { *p = Passage{interim: p.interim, trailer: p.trailer} }

// Endpoint is where the request was sent last; the zero AddrPort: nowhere.
func (p *Passage) Endpoint() netip.AddrPort { return p.endpoint }

// Forward sends an admitted request to an endpoint of its backend, and the
// response back. p is open.
func (f *Forwarder) Forward(r *message.Request, p *Passage) {
	b := p.route.Backend
	if b.Missing != "" {
		f.answerError(r, http.StatusServiceUnavailable, b.Missing)
		return
	}
	p.hostport = r.Host
	if r.Port != 0 {
		p.hostport += ":" + strconv.Itoa(int(r.Port))
	}
	f.fill(r, p, b)
	if !p.turn.Begin(p.backend.Backend, &p.up, r.Start) {
		f.answerError(r, http.StatusServiceUnavailable, reasonNoEndpoints)
		return
	}
	for again := true; again; {
		again = f.attempt(r, p)
	}
	p.turn.End()
}

// fill makes the request that goes to the backend.
func (f *Forwarder) fill(r *message.Request, p *Passage, b *hostmap.Backend) {
	up := &p.up
	up.Method, up.Path, up.Host = r.Method, p.target(r), p.hostport
	if b.ServerName != "" {
		up.Host = b.ServerName
	} else if b.Protocol.TLS() {
		up.ServerName = r.Host
	}
	r.NoteConnection()
	p.serve(r)
	var trailerNames []string
	if r.ContentLength != 0 {
		trailerNames = namesOfTrailer(r)
	}
	trusted := p.site.Class.Trusts(r.Client.Facts.Peer)
	if !trusted {
		// A gateway's connection is not one client's.
		up.Login = &p.ties.login
	}
	up.Header = f.requestFields(r, p, trusted)
	if r.ByUpgrade() && b.Protocol.OnlyHTTP2() {
		r.Tunnel = "" // HTTP/2 knows no Upgrade, and to ignore one is allowed
	}
	up.Upgrade = r.Tunnel
	p.setTimeouts()
	switch {
	case r.Tunnel != "" && !r.ByUpgrade():
		up.Method = http.MethodGet
		up.Header = handshakeFields(r, up.Header)
	case r.ContentLength != 0:
		r.LimitBody(p.route.Terms.MaxBodySize)
		up.Body, up.ContentLength, up.BodyWhole = r, r.ContentLength, r.BodyWhole
		if r.MayHaveTrailer() {
			up.Trailer, up.TrailerNames = p.trailer, trailerNames
		}
	}
	up.Interim, up.Budget = p.interim, &p.ties.held
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

// serve names the request of the passage to what upstream is given to call.
func (p *Passage) serve(r *message.Request) {
	p.r = r
	if p.interim != nil {
		return
	}
	p.interim = func(status int, h []hpack.HeaderField) {
		// 100 is between us and the backend: the client was told, if it
		// asked, when its body was first read.
		if status != http.StatusContinue {
			_ = p.r.WriteInterim(status, h)
		}
	}
	p.trailer = func() []hpack.HeaderField { return trailer(p.r) }
}

// attempt is one try at one endpoint. again: another is in order.
func (f *Forwarder) attempt(r *message.Request, p *Passage) (again bool) {
	x := p.turn.Pool().Start()
	r.OnCancel(x)
	defer func() {
		r.OnCancel(nil)
		x.Close()
	}()
	p.endpoint = p.turn.Endpoint()
	err := x.Do(&p.up)
	r.Err = err
	if err != nil {
		return f.failed(r, p, err)
	}
	if x.Status == http.StatusMisdirectedRequest {
		// Our client's next connection to us would change nothing about ours
		// to the backend: a 421 must not reach it. A fresh one of ours may.
		f.count(p, "misdirected")
		if p.turn.Misdirected() {
			return true
		}
		f.answerError(r, http.StatusBadGateway, reasonUpstreamMisdirected)
		return false
	}
	p.turn.Answered()
	p.backend.ok.Add(1)
	r.Status = x.Status
	p.up.Header, p.up.Path = nil, ""
	r.LetGo(observe.MaxLogged)
	if r.Tunnel != "" && x.Status == http.StatusSwitchingProtocols {
		f.tunnel(r, x)
		return false
	}
	if r.Tunnel != "" && !r.ByUpgrade() && x.Status < 300 {
		// RFC 8441 section 5: to the client any 2xx is an open tunnel.
		f.answerError(r, http.StatusBadGateway, reasonNoTunnel)
		return false
	}
	f.respond(r, p, x)
	return false
}

// count counts a try that did not bring a response.
func (f *Forwarder) count(p *Passage, result string) {
	b := p.route.Backend
	f.observer.Tries(b.Namespace, b.Service, result).Add(1)
}
