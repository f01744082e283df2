package h2

import (
	"net"
	"sync"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Engine serves connections. It owns the goroutines that answer requests, and
// what connections borrow. It must not be changed or copied once a connection
// uses it.
type Engine struct {
	// Admit is called on the read loop as soon as a request's head is whole,
	// and must not block. True means that it has ended the response (writes
	// do not block here: what windows do not let through is kept and sent
	// later) and that no goroutine is needed. Nil admits all. A panic is not
	// recovered.
	Admit func(*Stream) bool

	// Refuse answers, as Admit does, a request that can be told apart from
	// others but is none: with the status and the word for why, WhyMalformed (400:
	// a field that cannot be one) or WhyHeaderList (431, RFC 6585 section 5). What
	// came before that is in the Stream, and not checked as a whole. Nil resets
	// such a stream, as what breaks the form of HTTP/2 itself always does.
	Refuse func(s *Stream, status int, why string)

	// Handle answers one admitted request. It runs on a goroutine of its own
	// and may block. When it returns without having ended the response, the
	// stream is reset with INTERNAL_ERROR. A panic is not recovered.
	// Neither it nor what it has started may touch the Stream afterwards.
	Handle func(*Stream)

	// Origins returns the origins of the ORIGIN frame (RFC 8336) that follows
	// our SETTINGS. Nil, or false: no frame. No origins: an empty frame.
	Origins func(*Conn) ([]string, bool)

	// Cut, if set, is told of every stream that the engine itself has ended, and
	// not by Refuse: why is one of the Why constants. It may be called from any
	// goroutine and must not block.
	Cut func(c *Conn, why string)

	workers workers
	streams sync.Pool // *Stream
	buffers frame.Buffers
	small   sync.Pool // *chunk of smallChunk
	large   sync.Pool // *chunk of largeChunk
	fields  sync.Pool // *[]hpack.HeaderField
}

// NewConn makes a connection of nc, whose TLS handshake, if any, is done. Data is
// the owner's, and comes back with Conn.Data.
func (g *Engine) NewConn(nc net.Conn, limits Limits, data any) *Conn {
	return newConn(g, nc, limits.withDefaults(), data)
}
