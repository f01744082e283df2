package h2

import (
	"time"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Limits bounds what one connection may cost. A zero field means its default.
type Limits struct {
	MaxStreams       uint32  // concurrent streams; 128
	MaxHeaderBytes   uint32  // of a header list, as RFC 9113 section 6.5.2 counts it; 64 KiB
	MaxHeaderFields  int     // of a header list, each cookie crumb counted; 200
	MaxContinuations int     // CONTINUATION frames per header block; 16
	ResetBurst       int     // streams reset before the response's end, and requests refused; 200
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
	l.StreamWindow = min(max(l.StreamWindow, frame.InitialWindow), frame.MaxWindow)
	l.ConnWindow = min(max(l.ConnWindow, frame.InitialWindow), frame.MaxWindow)
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
