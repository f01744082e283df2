package http1

import (
	"net"
	"sync"
	"time"
)

// Limits bound what one connection may cost. A zero field means its default.
type Limits struct {
	MaxHeaderBytes  int           // of a request's head; 64 KiB
	MaxHeaderFields int           // of a head; 200
	HeaderTimeout   time.Duration // for a whole head, from its first octet; 10 s
	IdleTimeout     time.Duration // without a request; 75 s
	StallTimeout    time.Duration // without a body's moving; 60 s
}

func (l Limits) withDefaults() Limits {
	defaultTo(&l.MaxHeaderBytes, 64<<10)
	defaultTo(&l.MaxHeaderFields, 200)
	defaultTo(&l.HeaderTimeout, 10*time.Second)
	defaultTo(&l.IdleTimeout, 75*time.Second)
	defaultTo(&l.StallTimeout, 60*time.Second)
	return l
}

func defaultTo[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Engine serves connections. It owns the buffers that they borrow. It must not
// be changed or copied once a connection uses it.
type Engine struct {
	// Handle answers one request. It runs on the connection's goroutine and may
	// block. When it returns, nothing may touch the Exchange any more; a
	// response that it has not ended is broken off. A panic is not recovered.
	Handle func(*Exchange)

	// Refuse answers a request that is not one: with the status and the word
	// for why. What the Exchange says of the request may be wrong or missing.
	// The connection ends afterwards.
	Refuse func(e *Exchange, status int, why string)

	small sync.Pool // *[smallBuffer]byte
	large sync.Pool // *[largeBuffer]byte
}

const (
	// smallBuffer has room for the head of most requests, and for most
	// responses of our own.
	smallBuffer = 4 << 10
	// largeBuffer is what bodies are moved with: 32 KiB with the frame of a
	// chunk, behind a head.
	largeBuffer = 36 << 10
)

// borrow returns a buffer of at least n octets.
func (g *Engine) borrow(n int) []byte {
	switch {
	case n <= smallBuffer:
		if p, ok := g.small.Get().(*[smallBuffer]byte); ok {
			return p[:]
		}
		return make([]byte, smallBuffer)
	case n <= largeBuffer:
		if p, ok := g.large.Get().(*[largeBuffer]byte); ok {
			return p[:]
		}
		return make([]byte, largeBuffer)
	}
	return make([]byte, n)
}

// giveBack takes a buffer back; larger ones are left to the collector.
func (g *Engine) giveBack(b []byte) {
	switch cap(b) {
	case smallBuffer:
		g.small.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		g.large.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

const (
	// usualFields is for how many fields a head gets room at first.
	usualFields = 16
	// keptFields is how many fields a connection keeps room for between requests,
	// unless it waits for long: what most have.
	keptFields = 32
)

// patient is a socket that can wait with little of the stack until there is
// something to read.
type patient interface{ AwaitRead() error }

// NewConn makes a connection of nc, whose handshake is done. Data is the
// owner's, and comes back with Exchange.Data.
func (g *Engine) NewConn(nc net.Conn, limits Limits, data any) *Conn {
	c := &Conn{engine: g, nc: nc, limits: limits.withDefaults(), data: data}
	c.socket, _ = bottom(nc).(patient)
	c.x.c = c
	c.x.begin()
	return c
}
