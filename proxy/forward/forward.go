package forward

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Forwarder forwards requests. Make one with [New].
type Forwarder struct {
	hop     hop
	buffers copyBuffers
	timed   bool
	answers answers
}

// New makes a forwarder. The port is where clients reach https; timed has it note
// how long backends take, for whoever tells of it.
func New(externalHTTPSPort int, timed bool) *Forwarder {
	return &Forwarder{timed: timed, hop: hop{
		httpsPort: strconv.Itoa(externalHTTPSPort),
		loopMark:  message.Field(hostmap.LoopField, newLoopMark()),
	}}
}

// Ends answers a request that goes round in circles, 508. It does not block.
// false: it does not.
func (f *Forwarder) Ends(r *message.Request) bool {
	if !goesRound(&r.Head, f.hop.loopMark.Value) {
		return false
	}
	answerError(r, http.StatusLoopDetected, reasonLoop)
	return true
}

// Forward sends an admitted request to an endpoint of its backend, and the
// response back. p is open.
func (f *Forwarder) Forward(r *message.Request, p *Passage) {
	p.aim(r)
	b := p.to
	if b.Missing != "" {
		answerError(r, http.StatusServiceUnavailable, b.Missing)
		return
	}
	p.setHostport(r)
	f.fill(r, p, b)
	if !p.turn.Begin(p.backend.Backend, &p.up, r.Start) {
		answerError(r, http.StatusServiceUnavailable, reasonNoEndpoints)
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
	up.Header = f.hop.requestFields(r, p, trusted)
	up.Upgrade = r.Tunnel
	// HTTP/2 has a way to WebSockets at most, and to ignore an Upgrade is allowed.
	up.UpgradeOptional = r.ByUpgrade() && b.Protocol.OnlyHTTP2()
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
	var asked time.Time
	if f.timed {
		asked = time.Now()
	}
	err := x.Do(&p.up)
	r.Err = err
	if err != nil {
		return failed(r, p, err)
	}
	if x.Status == http.StatusMisdirectedRequest {
		// Our client's next connection to us would change nothing about ours
		// to the backend: a 421 must not reach it. A fresh one of ours may.
		p.count("misdirected")
		if p.turn.Misdirected() {
			return true
		}
		answerError(r, http.StatusBadGateway, reasonUpstreamMisdirected)
		return false
	}
	if f.timed {
		p.took = time.Since(asked)
	}
	p.turn.Answered()
	p.setCookie(r)
	p.backend.ok.Add(1)
	r.Status = x.Status
	p.up.Header, p.up.Path = nil, ""
	r.LetGo(observe.MaxLogged)
	if r.Tunnel != "" && x.Status == http.StatusSwitchingProtocols {
		tunnel(r, &f.buffers, x)
		return false
	}
	if r.Tunnel != "" && !r.ByUpgrade() && x.Status < 300 {
		// RFC 8441 section 5: to the client any 2xx is an open tunnel.
		answerError(r, http.StatusBadGateway, reasonNoTunnel)
		return false
	}
	respond(r, p, &f.buffers, x)
	if f.timed && r.IsGRPC() {
		r.GRPCStatus = grpcStatus(x)
	}
	return false
}

// failed answers for a backend that did not, unless another try is in order.
func failed(r *message.Request, p *Passage, err error) (again bool) {
	reason := reasonOf(err)
	p.count(reason)
	if p.turn.Failed(err) {
		return true
	}
	status := http.StatusBadGateway
	switch reason {
	case upstream.ReasonCanceled:
		r.Status, r.Reason = observe.StatusClientGone, reason
		r.Cancel()
		return false
	case upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		status = http.StatusBadRequest
	case reasonBodySize:
		status = http.StatusRequestEntityTooLarge
	case upstream.ReasonConnectTimeout, upstream.ReasonReadTimeout, upstream.ReasonSendTimeout:
		status = http.StatusGatewayTimeout
	case upstream.ReasonRefused:
		var e *upstream.Error
		if errors.As(err, &e) && e.BodyRead && !e.Sent {
			unprocessed(r, e)
			return false
		}
	}
	answerError(r, status, reason)
	return false
}

// unprocessed answers for a backend that has not processed a request and will
// not, when what was read of its body cannot be sent again from here. The client
// can, whatever the method.
func unprocessed(r *message.Request, e *upstream.Error) {
	if !r.GiveBack() {
		answerError(r, http.StatusServiceUnavailable, e.Reason)
		return
	}
	r.Status, r.Reason = http.StatusServiceUnavailable, e.Reason
}
