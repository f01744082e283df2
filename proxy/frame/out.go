package frame

import (
	"sync"

	"github.com/ingress421/ingress421/proxy/owned"
)

// Wire is the connection that an Out writes to.
type Wire interface {
	// Clock is the connection's time: nanoseconds since it was made, never 0.
	Clock() int64
	// WriteFrames writes all of b. It is called by one goroutine at a time,
	// without the mutex.
	WriteFrames(b []byte) error
	// Failed is told, without the mutex, that WriteFrames has returned an error.
	// Nothing is written afterwards.
	Failed(err error)
}

// Out is the outgoing side of a connection. All of it is guarded by one mutex,
// which is the connection's too; callers hold it, but for Flush and FlushAll.
type Out struct {
	mu      *owned.Mutex // immutable
	wire    Wire         // immutable
	buffers *Buffers     // immutable
	soft    int          // the room for DATA in buf; immutable

	buf      []byte
	spare    []byte    // empty, the buffer to use next
	head     int       // where in buf the header block under way begins
	flushing bool      // somebody writes to wire, or is about to
	later    bool      // flushLater is under way
	stopped  bool      // no DATA is taken any more
	failed   bool      // a write has failed
	since    int64     // when WriteFrames was called, while it is; 0: it is not
	taken    int64     // octets that WriteFrames was given, ever
	room     sync.Cond // buf was taken for writing, or the flusher has ended

	window  Window // the connection's
	initial int32  // what the windows of streams begin with
	queue   queue
	moved   int64 // when DATA that had to wait was last moved to buf
	octets  int64 // of DATA, ever
	heads   int64 // HEADERS, ever
	datas   int64 // DATA, ever
	shrink  bool  // the next header block must say that our table is empty (RFC 7541 section 4.2)
}

// Init must be called before anything else. soft is the room for DATA, in octets;
// header blocks wait where twice that is full.
func (o *Out) Init(mu *owned.Mutex, wire Wire, buffers *Buffers, soft int) {
	o.mu, o.wire, o.buffers, o.soft = mu, wire, buffers, soft
	o.window.n, o.initial = InitialWindow, InitialWindow
	o.room.L = mu
}

// Buffer returns what waits to be written, to be handed back with more behind it
// by Append.
func (o *Out) Buffer() []byte {
	o.mu.Check()
	if o.buf == nil {
		o.buf = o.buffers.Get(0)[:0]
	}
	return o.buf
}

// Append makes b, which is Buffer with more behind it, what waits to be written.
func (o *Out) Append(b []byte) { o.buf = b }

// BeginHead begins a header block. The caller appends fields to what is returned,
// and gives it to EndHead.
func (o *Out) BeginHead(id uint32, end bool) []byte {
	b := o.Buffer()
	o.head = len(b)
	b = beginHead(b, id, end)
	if o.shrink {
		o.shrink = false
		b = appendEmptyTable(b)
	}
	return b
}

// EndHead completes a header block.
func (o *Out) EndHead(b []byte) {
	o.buf = endHead(b, o.head)
	o.heads++
}

// ShrinkTable makes the next header block say that our HPACK table is empty.
func (o *Out) ShrinkTable() { o.shrink = true }

func (o *Out) data(id uint32, p []byte, end bool) {
	b := o.Buffer()
	if n := len(b) + HeaderLen + len(p); n > cap(b) && n <= LargeBuffer && n > SmallBuffer {
		larger := append(o.buffers.Get(n)[:0], b...)
		o.buffers.Put(b)
		b = larger
	}
	o.buf = appendData(b, id, p, end)
	o.datas++
}

// Send has part sent. It is told to the stream when all of it is in the buffer,
// which is at once if windows and room allow. Until then the part's octets must
// stay as they are.
func (o *Out) Send(s *Sender, part Part) {
	o.mu.Check()
	n := len(part.Data)
	if n == 0 || n <= MaxData && n <= s.window.Left() && n <= o.window.Left() && len(o.buf)+n <= o.soft {
		if len(part.Trailer) == 0 && (n > 0 || part.End) {
			o.take(s, n)
			o.data(s.id, part.Data, part.End)
		} else {
			o.append(s, part.Data, &part)
		}
		s.stream.Sent(part.End)
		return
	}
	s.part, s.waiting = part, true
	s.since = o.wire.Clock()
	o.enqueue(s)
	o.Pump()
}

// take accounts for n octets of DATA that s may send.
func (o *Out) take(s *Sender, n int) {
	s.window.n -= int32(n)
	o.window.n -= int32(n)
	s.octets += int64(n)
	o.octets += int64(n)
}

// enqueue lets a stream with something to send take part, if its own window
// allows.
func (o *Out) enqueue(s *Sender) {
	if s.waiting && !s.queued && (s.window.n > 0 || len(s.part.Data) == 0) {
		o.queue.push(s)
	}
}

// Forget takes s out of whatever it waits for.
func (o *Out) Forget(s *Sender) {
	o.mu.Check()
	if s.queued {
		o.queue.remove(s)
	}
	s.waiting = false
}

// SetUrgency changes a stream's place.
func (o *Out) SetUrgency(s *Sender, u uint8) {
	queued := s.queued
	if queued {
		o.queue.remove(s)
	}
	s.urgency = u
	if queued {
		o.queue.push(s)
	}
}

// Pump moves what waits into the buffer as far as the windows and its room allow,
// the most urgent streams first and a frame of each in turn. Callers of Send need
// not call it.
func (o *Out) Pump() {
	if o.queue.n == 0 || o.stopped {
		return
	}
	now := o.wire.Clock()
	for s := o.queue.first(); s != nil; s = o.queue.first() {
		left := len(s.part.Data)
		room := o.soft - len(o.buf) - HeaderLen
		// A frame of few octets, only because the buffer is nearly full, is not
		// worth its header.
		if left > 0 && (o.window.n <= 0 || room < min(left, 1<<10)) {
			return
		}
		o.queue.remove(s)
		if left > 0 && s.window.n <= 0 { // SETTINGS has taken the window away
			continue
		}
		s.since, o.moved = now, now
		n := 0
		if left > 0 {
			n = min(left, room, MaxData, s.window.Left(), o.window.Left())
		}
		o.move(s, n)
	}
}

// move appends n octets of what s has to send, and its end behind the last.
func (o *Out) move(s *Sender, n int) {
	p := &s.part
	data := p.Data[:n]
	if n < len(p.Data) {
		p.Data = p.Data[n:]
		o.take(s, n)
		o.data(s.id, data, false)
		o.enqueue(s)
		return
	}
	o.append(s, data, p)
	end := p.End
	s.part, s.waiting = Part{}, false
	s.stream.Sent(end)
}

// append appends the last octets of a part, and what is behind them.
func (o *Out) append(s *Sender, data []byte, p *Part) {
	trailer := p.End && len(p.Trailer) > 0
	if len(data) > 0 || p.End && !trailer {
		o.take(s, len(data))
		o.data(s.id, data, p.End && !trailer)
	}
	if trailer {
		b := o.BeginHead(s.id, true)
		for i := range p.Trailer {
			b = AppendField(b, &p.Trailer[i])
		}
		o.EndHead(b)
	}
}

// Widen adds to the connection's window, and reports whether it stayed within
// 2^31-1. Pump makes use of it.
func (o *Out) Widen(n int32) bool { return o.window.Add(n) }

// WidenStream adds to the window of a stream, and reports whether it stayed within
// 2^31-1. Pump makes use of it.
func (o *Out) WidenStream(s *Sender, n int32) bool {
	if !s.window.Add(n) {
		return false
	}
	o.enqueue(s)
	return true
}

// SetInitial makes n what the windows of streams begin with. The windows of those
// that are open change by the difference, which is returned, and is for the
// caller to add.
func (o *Out) SetInitial(n uint32) (difference int32) {
	difference = int32(n) - o.initial
	o.initial = int32(n)
	return difference
}

// Stop makes Out take no more DATA; what is in the buffer may still be written.
func (o *Out) Stop() {
	o.mu.Check()
	o.stopped = true
	o.room.Broadcast()
}

// Full says that header blocks have to wait.
func (o *Out) Full() bool { return len(o.buf) >= 2*o.soft }

// Len is how many octets wait to be written.
func (o *Out) Len() int { return len(o.buf) }

// Held is how many octets of buffers are held.
func (o *Out) Held() int { return cap(o.buf) + cap(o.spare) }

// Position is how many octets were appended, ever.
func (o *Out) Position() int64 { return o.taken + int64(len(o.buf)) }

// Taken is how many of them the wire was given.
func (o *Out) Taken() int64 { return o.taken }

// Queued tells whether streams wait for what they share.
func (o *Out) Queued() bool { return o.queue.n > 0 }

// Moved is when DATA that had to wait was last moved.
func (o *Out) Moved() int64 { return o.moved }

// Octets is how many of DATA were sent, ever.
func (o *Out) Octets() int64 { return o.octets }

// Frames is how many HEADERS and DATA were sent, ever.
func (o *Out) Frames() (heads, datas int64) { return o.heads, o.datas }

// Release gives back what an idle connection does not need, and reports whether
// it could.
func (o *Out) Release() bool {
	o.mu.Check()
	if o.flushing || len(o.buf) > 0 {
		return false
	}
	o.buffers.Put(o.buf)
	o.buffers.Put(o.spare)
	o.buf, o.spare = nil, nil
	return true
}
