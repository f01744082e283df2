package frame

import "golang.org/x/net/http2/hpack"

// Part is what a stream has to send: octets of its body, and perhaps its end,
// behind trailer fields if there are any.
type Part struct {
	Data    []byte
	Trailer []hpack.HeaderField // before the end
	End     bool
}

// Sender is the half of a stream that sends. It is guarded by the mutex of its
// Out.
type Sender struct {
	window     Window
	id         uint32
	urgency    uint8 // RFC 9218's: 0 is the most urgent, 7 the least
	waiting    bool  // part is not all in the buffer
	queued     bool  // in the queue; otherwise waiting for window
	part       Part
	since      int64 // waiting since, or since octets last moved
	octets     int64 // of DATA, ever
	prev, next *Sender
	stream     Stream
}

// Stream is whose half a Sender is.
type Stream interface {
	// Sent is told that all of the part that was to be sent is in the buffer. It
	// is called with the mutex held.
	Sent(end bool)
}

// Init makes s one of a stream.
func (s *Sender) Init(of Stream) { *s = Sender{stream: of, urgency: DefaultUrgency} }

// Open gives s its number, and the window that streams begin with.
func (s *Sender) Open(id uint32, o *Out) { s.id, s.window.n = id, o.initial }

// Stream returns whose half s is.
func (s *Sender) Stream() Stream { return s.stream }

// Waiting tells whether not all of the part is in the buffer yet.
func (s *Sender) Waiting() bool { return s.waiting }

// Queued tells whether s waits for what it shares with others: its own window
// would let it send.
func (s *Sender) Queued() bool { return s.queued }

// Part is what waits, to be changed only at its end.
func (s *Sender) Part() *Part { return &s.part }

// Since is the time since when s waits, or since when octets of it last moved, by
// the connection's clock.
func (s *Sender) Since() int64 { return s.since }

// Octets is how many of DATA were sent, ever.
func (s *Sender) Octets() int64 { return s.octets }
