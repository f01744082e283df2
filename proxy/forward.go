package proxy

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Reasons of 502, 503 and 504, beside those of upstream and hostmap.
const (
	reasonNoEndpoints         = "no_endpoints"
	reasonUpstreamMisdirected = "upstream_misdirected"
	reasonAborted             = "aborted"
	reasonNoTunnel            = "no_upgrade"
)

// copyBuffers are for bodies under way.
type copyBuffers struct{ pool sync.Pool }

const copyBuffer = 32 << 10

func (b *copyBuffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, copyBuffer)
	return &p
}

func (b *copyBuffers) put(p *[]byte) { b.pool.Put(p) }

// forward sends an admitted request to an endpoint of its backend, and the
// response back.
func (s *Server) forward(ex exchange, r *request) {
	b := r.verdict.Route.Backend
	if b.Missing != "" {
		s.answerError(ex, r, 503, b.Missing)
		return
	}
	backend := r.live.backends[b]
	up := &r.up
	r.hostport = r.host
	if r.port != 0 {
		r.hostport += ":" + strconv.Itoa(int(r.port))
	}
	up.Method, up.Path, up.Host = r.method, r.path, r.hostport
	if b.ServerName != "" {
		up.Host = b.ServerName
	} else if b.Protocol.TLS() {
		up.ServerName = r.host
	}
	var trailerNames []string
	if r.contentLength != 0 {
		trailerNames = r.trailerNames()
	}
	trusted := r.verdict.Site.Class.Trusts(r.conn.facts.Peer)
	if !trusted {
		// A gateway's connection is not one client's.
		up.Login = &r.conn.login
	}
	up.Header = s.upstreamFields(r, trusted)
	if r.protocol == protocolHTTP1 && b.Protocol.OnlyHTTP2() {
		r.tunnel = "" // HTTP/2 knows no Upgrade, and to ignore one is allowed
	}
	up.Upgrade = r.tunnel
	limits := &r.verdict.Site.Class.Limits
	up.ConnectTimeout, up.ReadTimeout, up.SendTimeout = limits.ConnectTimeout, limits.ReadTimeout, limits.SendTimeout
	switch {
	case r.tunnel != "" && r.protocol == protocolHTTP2:
		up.Method = "GET"
		up.Header = s.tunnelFields(r, up.Header)
	case r.contentLength != 0:
		up.Body, up.ContentLength, up.BodyWhole = requestBody{ex, r}, r.contentLength, r.bodyWhole
		if r.contentLength < 0 || r.protocol == protocolHTTP2 {
			// On HTTP/1.1 a body of known length has no trailer section.
			up.Trailer, up.TrailerNames = r.trailer, trailerNames
		}
	}
	r.ex = ex
	if r.interim == nil {
		r.interim = func(status int, h []hpack.HeaderField) {
			// 100 is between us and the backend: the client was told, if it
			// asked, when its body was first read.
			if status != 100 {
				_ = r.ex.WriteInterim(status, h)
			}
		}
	}
	up.Interim, up.Budget = r.interim, &r.conn.held
	if !r.turn.Begin(backend.Backend, up, r.start) {
		s.answerError(ex, r, 503, reasonNoEndpoints)
		return
	}
	for again := true; again; {
		again = s.attempt(ex, r, backend)
	}
	r.turn.End()
}

// attempt is one try at one endpoint. again: another is in order.
func (s *Server) attempt(ex exchange, r *request, backend *liveBackend) (again bool) {
	x := r.turn.Pool().Start()
	ex.OnCancel(x)
	defer func() {
		ex.OnCancel(nil)
		x.Close()
	}()
	r.endpoint = r.turn.Endpoint()
	err := x.Do(&r.up)
	r.err = err
	if err != nil {
		return s.failed(ex, r, err)
	}
	if x.Status == 421 {
		// Our client's next connection to us would change nothing about ours
		// to the backend: a 421 must not reach it. A fresh one of ours may.
		s.result(r, "misdirected")
		if r.turn.Misdirected() {
			return true
		}
		s.answerError(ex, r, 502, reasonUpstreamMisdirected)
		return false
	}
	r.turn.Answered()
	backend.ok.Add(1)
	r.status = x.Status
	r.letGo(ex)
	if r.tunnel != "" && x.Status == 101 {
		s.tunnel(ex, r, x)
		return false
	}
	if r.tunnel != "" && r.protocol == protocolHTTP2 && x.Status < 300 {
		// RFC 8441 section 5: to the client any 2xx is an open tunnel.
		s.answerError(ex, r, 502, reasonNoTunnel)
		return false
	}
	s.respond(ex, r, x)
	return false
}

// letGo keeps of what the request has sent only what log and answers still ask
// for. A client that does not take its responses would hold it with each of them.
func (r *request) letGo(ex exchange) {
	r.up.Header, r.up.Path = nil, ""
	kept := r.kept[:0]
	for i := range r.header {
		switch f := &r.header[i]; f.Name {
		case "content-type", "referer", "user-agent":
			if !slices.ContainsFunc(kept, func(k hpack.HeaderField) bool { return k.Name == f.Name }) {
				kept = append(kept, field(f.Name, observe.Clip(f.Value)))
			}
		}
	}
	r.header = kept
	r.method, r.target, r.path = observe.Clip(r.method), observe.Clip(r.target), observe.Clip(r.path)
	if e, ok := ex.(h2Exchange); ok {
		e.ForgetHead()
	}
}

// respond sends the backend's response to the client.
func (s *Server) respond(ex exchange, r *request, x *upstream.Exchange) {
	fields := s.responseFields(r, x)
	body, whole := x.Whole()
	if whole {
		r.sent = int64(len(body))
		if trailer := x.Trailer(); len(trailer) == 0 {
			_ = ex.Respond(r.status, fields, body)
		} else if ex.WriteHeader(r.status, fields, false) == nil {
			if _, err := ex.Write(body); err == nil {
				_ = ex.WriteTrailer(trailer)
			}
		}
		s.done(r)
		return
	}
	if ex.WriteHeader(r.status, fields, false) != nil {
		r.reason = reasonAborted
		s.done(r)
		return
	}
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	for {
		n, err := x.Read(*buf)
		r.sent += int64(n)
		last := errors.Is(err, io.EOF)
		if last && len(x.Trailer()) == 0 {
			if ex.WriteEnd((*buf)[:n]) != nil {
				r.reason = reasonAborted
			}
			break
		}
		if n > 0 {
			if _, werr := ex.Write((*buf)[:n]); werr != nil {
				r.reason = reasonAborted
				break
			}
		}
		if last {
			_ = ex.WriteTrailer(x.Trailer())
			break
		}
		if err == nil {
			continue
		}
		// The client must be able to tell this from an end.
		r.reason, r.err = reasonOf(err), err
		s.result(r, r.reason)
		ex.Reset(http2.ErrCodeInternal)
		break
	}
	s.done(r)
}

// responseFields is the backend's response header as the client gets it.
func (s *Server) responseFields(r *request, x *upstream.Exchange) []hpack.HeaderField {
	out := r.fields[:0]
	server, date := false, false
	for i := range x.Header {
		f := &x.Header[i]
		switch f.Name {
		case "server":
			server = true
		case "date":
			date = true
		case "alt-svc", "sec-websocket-accept":
			if f.Name == "sec-websocket-accept" && r.protocol == protocolHTTP1 {
				break
			}
			// Alt-Svc speaks of the backend's own address, which is not ours.
			continue
		}
		out = append(out, *f)
	}
	if !server {
		out = append(out, fieldServer)
	}
	if !date {
		// RFC 9110 section 6.6.1: who forwards a response without one adds it.
		out = append(out, field("date", s.date.now(r.start)))
	}
	if x.ContentLength >= 0 && x.Status != 101 {
		out = append(out, field("content-length", strconv.FormatInt(x.ContentLength, 10)))
	}
	r.fields = out
	return out
}

// failed answers for a backend that did not, unless another try is in order.
func (s *Server) failed(ex exchange, r *request, err error) (again bool) {
	reason := reasonOf(err)
	s.result(r, reason)
	if r.turn.Failed(err) {
		return true
	}
	status := 502
	switch reason {
	case upstream.ReasonCanceled:
		r.status, r.reason = observe.StatusClientGone, reason
		ex.Reset(http2.ErrCodeCancel)
		s.done(r)
		return false
	case upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		status = 400
	case upstream.ReasonConnectTimeout, upstream.ReasonReadTimeout, upstream.ReasonSendTimeout:
		status = 504
	case upstream.ReasonRefused:
		var e *upstream.Error
		if errors.As(err, &e) && e.BodyRead && !e.Sent {
			s.unprocessed(ex, r, e)
			return false
		}
	}
	s.answerError(ex, r, status, reason)
	return false
}

// unprocessed answers for a backend that has not processed a request and will
// not, when what was read of its body cannot be sent again from here. The client
// can, whatever the method. On HTTP/2 many do so by themselves when they are told
// as the backend told us (RFC 9113 section 8.7), which is true only while they
// have heard nothing of the request.
func (s *Server) unprocessed(ex exchange, r *request, e *upstream.Error) {
	if r.protocol != protocolHTTP2 || r.continued.Load() {
		s.answerError(ex, r, 503, e.Reason)
		return
	}
	r.status, r.reason = 503, e.Reason
	ex.Reset(http2.ErrCodeRefusedStream)
	s.done(r)
}

func reasonOf(err error) string {
	var e *upstream.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return upstream.ReasonReset
}

// proxyError is the Proxy-Status error type (RFC 9209 section 2.3) of a reason.
func proxyError(reason string) string {
	switch reason {
	case upstream.ReasonConnect:
		return "connection_refused"
	case upstream.ReasonConnectTimeout:
		return "connection_timeout"
	case upstream.ReasonTLS:
		return "tls_protocol_error"
	case upstream.ReasonReadTimeout:
		return "connection_read_timeout"
	case upstream.ReasonSendTimeout:
		return "connection_write_timeout"
	case upstream.ReasonReset, upstream.ReasonRefused:
		return "connection_terminated"
	case upstream.ReasonBadResponse:
		return "http_protocol_error"
	case upstream.ReasonHeadTooLarge:
		return "http_response_header_section_size"
	case reasonLoop:
		return "proxy_loop_detected"
	case "unserved", "no_route":
		return "destination_not_found"
	case reasonBadAuthority, reasonHostConflict, reasonBadPath, reasonMethod, reasonExpectation, reasonHeaderList, reasonMalformed,
		upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		return "http_request_error"
	default:
		return "destination_unavailable"
	}
}

// result counts a try that did not bring a response.
func (s *Server) result(r *request, result string) {
	b := r.verdict.Route.Backend
	s.observer.Tries(b.Namespace, b.Service, result).Add(1)
}

// done counts and logs a request that is over.
func (s *Server) done(r *request) {
	x := r.observed()
	s.observer.Finished(&x)
}

// requestBody is the client's body as upstream reads it.
type requestBody struct {
	exchange
	r *request
}

// Read implements io.Reader. Before the first octet a client that waits to be
// asked is asked (RFC 9110 section 10.1.1).
func (b requestBody) Read(p []byte) (int, error) {
	if b.r.expects {
		b.r.expects = false
		b.r.continued.Store(true)
		_ = b.WriteInterim(100, nil)
	}
	return b.exchange.Read(p)
}

// StopRead ends a Read that waits, for a response that came before the body's
// end (RFC 9113 section 8.1).
func (b requestBody) StopRead() { b.stopRead() }

// dateClock is the Date field's text, made once a second.
type dateClock struct {
	mu     sync.Mutex
	second int64
	text   string
}

func (c *dateClock) now(t time.Time) string {
	sec := t.Unix()
	c.mu.Lock()
	defer c.mu.Unlock()
	if sec != c.second {
		c.second, c.text = sec, t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return c.text
}
