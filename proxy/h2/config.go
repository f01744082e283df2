package h2

import (
	"sync"
	"time"
)

// Limits bounds what one connection may cost. A zero field means its default.
type Limits struct {
	MaxStreams       uint32  // concurrent streams; 128
	MaxHeaderBytes   uint32  // of a header list, as RFC 9113 section 6.5.2 counts it; 64 KiB
	MaxHeaderFields  int     // of a header list, each cookie crumb counted; 200
	MaxContinuations int     // CONTINUATION frames per header block; 16
	ResetBurst       int     // streams reset before the response's end, and heads refused; 200
	ResetRate        float64 // of them, per second; 50
	ControlBurst     int     // unearned control frames; 500
	ControlRate      float64 // of them, per second; 50
	TinyDataBurst    int     // unearned DATA frames under 5 octets that end no stream, or on streams that are gone; 2000
	TinyDataRate     float64 // of them, per second; 200

	PrefaceTimeout time.Duration // for preface and SETTINGS, and for the acknowledgement of ours; 10 s
	HeaderTimeout  time.Duration // for a whole header block, or any frame but DATA; 10 s
	IdleTimeout    time.Duration // without a stream; 75 s
	StallTimeout   time.Duration // without a body's moving, or with little of it; 60 s
	MaxAge         time.Duration // then the connection is drained, give or take a tenth; none

	// StreamWindow is how many octets of a request body are held whether or not
	// the owner reads them; 64 KiB, at least 65,535.
	StreamWindow uint32
	// ConnWindow is how many more all streams together may hold whose bodies are
	// read, each of them a quarter of it at most. As many octets may be on their
	// way to us. 1 MiB, at least 65,535.
	ConnWindow uint32
}

func (l Limits) withDefaults() Limits {
	defaultTo(&l.MaxStreams, 128)
	defaultTo(&l.MaxHeaderBytes, 64<<10)
	defaultTo(&l.MaxHeaderFields, 200)
	defaultTo(&l.MaxContinuations, 16)
	defaultTo(&l.ResetBurst, 200)
	defaultTo(&l.ResetRate, 50)
	defaultTo(&l.ControlBurst, 500)
	defaultTo(&l.ControlRate, 50)
	defaultTo(&l.TinyDataBurst, 2000)
	defaultTo(&l.TinyDataRate, 200)
	defaultTo(&l.PrefaceTimeout, 10*time.Second)
	defaultTo(&l.HeaderTimeout, 10*time.Second)
	defaultTo(&l.IdleTimeout, 75*time.Second)
	defaultTo(&l.StallTimeout, 60*time.Second)
	defaultTo(&l.StreamWindow, 64<<10)
	defaultTo(&l.ConnWindow, 1<<20)
	// Before the client has seen our SETTINGS it may use the protocol's own
	// initial windows, and a smaller one cannot be told for the connection.
	l.StreamWindow = min(max(l.StreamWindow, initialWindow), maxWindow)
	l.ConnWindow = min(max(l.ConnWindow, initialWindow), maxWindow)
	return l
}

func defaultTo[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// tick is how often a busy connection looks at its clocks; a timeout is late
// by no more than that.
func (l *Limits) tick() time.Duration {
	t := min(l.PrefaceTimeout, l.HeaderTimeout, l.IdleTimeout, l.StallTimeout) / 8
	return min(max(t, 5*time.Millisecond), 500*time.Millisecond)
}

// Config is what the connections of one owner share: its answers, its limits,
// the goroutines and buffers that are free at the moment. It must not be
// changed or copied once a connection uses it.
type Config struct {
	// Admit is called on the read loop as soon as a request's head is whole,
	// and must not block. True means that it has ended the response (writes
	// do not block here: what windows do not let through is kept and sent
	// later) and that no goroutine is needed. Nil admits all. A panic is not
	// recovered.
	Admit func(*Stream) bool

	// TooLarge answers, as Admit does, a request whose header list is over
	// MaxHeaderBytes or MaxHeaderFields: 431 (RFC 6585 section 5). What came
	// before the limit is in the Stream, and not checked as a whole. Nil resets
	// such a stream.
	TooLarge func(*Stream)

	// Malformed answers, as Admit does, a request that can be told apart from
	// others but holds what no field can: 400. What came before that is in the
	// Stream, and not checked as a whole. Nil resets such a stream, as what
	// breaks the form of HTTP/2 itself always does.
	Malformed func(*Stream)

	// Handle answers one admitted request. It runs on a goroutine of its own
	// and may block. When it returns without having ended the response, the
	// stream is reset with INTERNAL_ERROR. A panic is not recovered.
	// Neither it nor what it has started may touch the Stream afterwards.
	Handle func(*Stream)

	Limits Limits

	// Origins returns the origins of the ORIGIN frame (RFC 8336) that follows
	// our SETTINGS. Nil, or false: no frame. No origins: an empty frame.
	Origins func(*Conn) ([]string, bool)

	// Closed, if set, is told once per connection why it ended, as one of the
	// Closed constants.
	Closed func(c *Conn, reason string)

	// Refused, if set, is told of every stream which the engine itself ended,
	// as one of the Refused constants. It may be called from any goroutine
	// and must not block.
	Refused func(c *Conn, reason string)

	once    sync.Once
	lim     Limits
	workers workers
	streams sync.Pool // *Stream
	buffers buffers
	small   sync.Pool // *chunk of smallChunk
	large   sync.Pool // *chunk of largeChunk
	fields  sync.Pool // *[]hpack.HeaderField
}

func (cfg *Config) limits() *Limits {
	cfg.once.Do(func() {
		cfg.lim = cfg.Limits.withDefaults()
		cfg.workers.handle = cfg.Handle
	})
	return &cfg.lim
}
