package hostmap

import "time"

// Limits bound what the connections of a class may cost, and how long its
// backends may take. A zero field is the process's own limit, set by a flag.
type Limits struct {
	// MaxStreams is how many HTTP/2 requests one connection may have open.
	MaxStreams int
	// MaxHeaderBytes bounds the header list of a request, in octets as RFC
	// 9113 section 6.5.2 counts them.
	MaxHeaderBytes int
	// MaxHeaderFields bounds the fields of a request, cookie crumbs counted.
	MaxHeaderFields int
	// MaxContinuations bounds the CONTINUATION frames of one field block.
	MaxContinuations int
	// ResetBurst and ResetRate (per second) bound the streams of a connection
	// that either side resets before the end of their response, and those that
	// are refused for their header.
	ResetBurst, ResetRate int
	// ControlBurst and ControlRate (per second) bound the frames of a
	// connection that carry neither a request nor its body.
	ControlBurst, ControlRate int
	// HandshakeTimeout bounds the TLS handshake.
	HandshakeTimeout time.Duration
	// PrefaceTimeout bounds the wait for the HTTP/2 preface and for SETTINGS.
	PrefaceTimeout time.Duration
	// HeaderTimeout bounds the time from a request's first octet to the end of
	// its header.
	HeaderTimeout time.Duration
	// IdleTimeout closes a connection without requests.
	IdleTimeout time.Duration
	// StallTimeout ends a request whose body makes no progress, either way, or
	// hardly any while it waits for the client.
	StallTimeout time.Duration
	// MaxConnectionAge drains a connection, with jitter.
	MaxConnectionAge time.Duration
	// MaxConnectionsPerSource bounds the connections of one source address.
	MaxConnectionsPerSource int

	// The rest is for requests, whatever connection they come by: those of the
	// class whose site the authority is.

	// ConnectTimeout bounds the opening of a connection to an endpoint.
	ConnectTimeout time.Duration
	// ReadTimeout bounds each wait for an endpoint: for the head of a response
	// once the request was sent, and between two octets of it after that.
	ReadTimeout time.Duration
	// SendTimeout bounds each wait for an endpoint to take more of a request.
	SendTimeout time.Duration
}

// Or returns the limits with the zero fields taken from others.
func (l Limits) Or(others Limits) Limits {
	or(&l.MaxStreams, others.MaxStreams)
	or(&l.MaxHeaderBytes, others.MaxHeaderBytes)
	or(&l.MaxHeaderFields, others.MaxHeaderFields)
	or(&l.MaxContinuations, others.MaxContinuations)
	or(&l.ResetBurst, others.ResetBurst)
	or(&l.ResetRate, others.ResetRate)
	or(&l.ControlBurst, others.ControlBurst)
	or(&l.ControlRate, others.ControlRate)
	or(&l.HandshakeTimeout, others.HandshakeTimeout)
	or(&l.PrefaceTimeout, others.PrefaceTimeout)
	or(&l.HeaderTimeout, others.HeaderTimeout)
	or(&l.IdleTimeout, others.IdleTimeout)
	or(&l.StallTimeout, others.StallTimeout)
	or(&l.MaxConnectionAge, others.MaxConnectionAge)
	or(&l.MaxConnectionsPerSource, others.MaxConnectionsPerSource)
	or(&l.ConnectTimeout, others.ConnectTimeout)
	or(&l.ReadTimeout, others.ReadTimeout)
	or(&l.SendTimeout, others.SendTimeout)
	return l
}

func or[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}
