package message

import "time"

// Handler is what both engines call, and who it calls in turn. It must not be
// changed or copied once an engine uses it.
type Handler struct {
	// Open lends an empty Request for one that came by a connection, told by the
	// data that its engine was given; nil: it is no connection of the owner's,
	// and the request is broken off. Close takes it back: nothing touches it
	// any more.
	Open  func(conn any) *Request
	Close func(*Request)
	// Admit judges a request whose head is whole. It must not block: HTTP/2 runs
	// it where heads are read. It returns false if it has answered. Forward
	// serves a request that was admitted, and may block.
	Admit   func(*Request) bool
	Forward func(*Request)
	// Refuse answers, without blocking, what is no request: with a status and the
	// word for why. What the Request says of it may be wrong or missing.
	Refuse func(r *Request, status int, why string)
	// Cut is told of each request that its connection did not take, or gave up,
	// and why in package h2's words, where the engine does not tell of it.
	Cut func(why string)

	date dateClock
}

// Begin lends the request that x has read the head of, which was whole at start;
// nil: conn is no connection of the owner's.
func (h *Handler) Begin(conn any, x Exchange, start time.Time) *Request {
	r := h.Open(conn)
	if r != nil {
		r.clock, r.ex, r.Start = &h.date, x, start
	}
	return r
}

// End makes a request empty and gives it back.
func (h *Handler) End(r *Request) {
	r.reset()
	h.Close(r)
}
