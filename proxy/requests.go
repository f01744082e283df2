package proxy

import (
	"net/http"
	"sync"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/edge"
	"github.com/ingress421/ingress421/proxy/forward"
	"github.com/ingress421/ingress421/proxy/gate"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
)

// reasonMemory: there is no room for another request.
const reasonMemory = "memory"

// requests leads each request through the rooms: from the engines by the gate to
// a backend, and what became of it to the observer.
type requests struct {
	message.Handler
	current   func() *live
	gate      *gate.Gate
	forwarder *forward.Forwarder
	observer  *observe.Observer
	memory    *memory
	pool      sync.Pool // *request
}

// request is what the rooms keep of one request, in one piece of memory that is
// used again.
type request struct {
	message.Request
	client  *client
	live    *live
	ruling  gate.Case
	passage forward.Passage
}

// client is what requests of one connection share.
type client struct {
	*edge.Conn
	ties forward.Ties
}

// attach makes what the engine of a connection is given as its data, and what is
// called when the connection has ended.
func attach(c *edge.Conn) (data any, end func()) {
	cl := &client{Conn: c}
	return cl, cl.ties.Close
}

func newRequests(current func() *live, o *observe.Observer, m *memory, externalHTTPSPort int, timed bool) *requests {
	rs := &requests{
		current: current, observer: o, memory: m,
		gate: gate.New(o, externalHTTPSPort), forwarder: forward.New(externalHTTPSPort, timed),
	}
	rs.Handler = message.Handler{
		Open: rs.open, Close: rs.close, Admit: rs.admit, Forward: rs.forward, Refuse: rs.refuse, Cut: o.StreamRefused,
	}
	return rs
}

// open lends a request that came by a connection. The host map is loaded once.
func (rs *requests) open(data any) *message.Request {
	c, ok := data.(*client)
	if !ok {
		return nil
	}
	q, ok := rs.pool.Get().(*request)
	if !ok {
		q = &request{}
		q.Owner = q
	}
	q.Client, q.client, q.live = &c.Client, c, rs.current()
	q.ruling.Open(q.live.View)
	return &q.Request
}

func (rs *requests) close(r *message.Request) {
	q := of(r)
	q.client, q.live = nil, nil
	q.ruling.Close()
	q.passage.Close()
	rs.pool.Put(q)
}

func (rs *requests) admit(r *message.Request) bool {
	q := of(r)
	if q.client.Old(r.Start) {
		r.SetClose()
	}
	if !rs.gate.Admit(r, &q.ruling) {
		rs.done(q)
		return false
	}
	if rs.memory.Scarce() {
		rs.observer.StreamRefused(reasonMemory)
		r.AnswerError(http.StatusServiceUnavailable, reasonMemory, "proxy_internal_error")
		rs.done(q)
		return false
	}
	v := q.ruling.Verdict()
	q.passage.Open(q.live.backends, v, &q.client.ties)
	if rs.forwarder.Ends(r) {
		rs.done(q)
		return false
	}
	rs.gate.Served(r, &q.ruling)
	if r.IsGRPC() && v.Route.Backend.Protocol != hostmap.HTTP {
		r.SendByMessage()
	}
	return true
}

func (rs *requests) forward(r *message.Request) {
	q := of(r)
	if rs.gate.Authenticate(r, &q.ruling) && rs.forwarder.Authorize(r, &q.passage, q.ruling.Verdict(), q.ruling.Variables()) {
		rs.forwarder.Forward(r, &q.passage)
	}
	rs.done(q)
}

// refuse answers what is no request.
func (rs *requests) refuse(r *message.Request, status int, why string) {
	r.AnswerError(status, why, "http_request_error")
	rs.done(of(r))
}

// done counts and logs a request that is over.
func (rs *requests) done(q *request) {
	var x observe.Exchange
	q.ruling.Record(&q.Request, &x)
	q.passage.Record(&q.Request, &x)
	rs.observer.Finished(&x)
}

// of is the request that a message is a part of. Every one is of open.
func of(r *message.Request) *request { return r.Owner.(*request) } //nolint:forcetypeassert // see above
