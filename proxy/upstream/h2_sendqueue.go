package upstream

import "github.com/ingress421/ingress421/proxy/frame"

// sendQueue is the streams whose DATA waits for the connection's window or for
// room in its buffer, in order. A stream is in it once at most.
type sendQueue struct{ head, tail *h2stream }

func (q *sendQueue) push(s *h2stream) {
	s.queued = true
	s.prev, s.next = q.tail, nil
	if q.tail == nil {
		q.head = s
	} else {
		q.tail.next = s
	}
	q.tail = s
}

func (q *sendQueue) remove(s *h2stream) {
	s.queued = false
	if s.prev == nil {
		q.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		q.tail = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// enqueue lets a stream with something to send take part, if its own window
// allows. Callers hold mu.
func (c *h2conn) enqueue(s *h2stream) {
	if s.sending && !s.queued && (s.out.n > 0 || len(s.pend.data) == 0) {
		c.sendq.push(s)
	}
}

// unwait takes s out of whatever it waits for. Callers hold mu.
func (c *h2conn) unwait(s *h2stream) {
	if s.queued {
		c.sendq.remove(s)
	}
	s.sending, s.pend = false, h2Part{}
}

// pump moves what waits into wbuf as far as the windows and the buffer allow, a
// frame of each stream in turn. Callers hold mu.
func (c *h2conn) pump() {
	for s := c.sendq.head; s != nil; s = c.sendq.head {
		room := h2WriteBuf - len(c.wbuf) - frame.HeaderLen
		n := min(len(s.pend.data), room, frame.MaxData, int(s.out.n), int(c.connOut.n))
		// A frame of few octets, only because the buffer is nearly full, is not
		// worth its header.
		if len(s.pend.data) > 0 && (c.connOut.n <= 0 || room < min(len(s.pend.data), 1<<10)) {
			return
		}
		c.sendq.remove(s)
		if len(s.pend.data) > 0 && n <= 0 { // SETTINGS has taken the window away
			continue
		}
		n = max(n, 0)
		c.emit(s, n)
	}
}

// emit appends n octets of what s has to send. Callers hold mu.
func (c *h2conn) emit(s *h2stream, n int) {
	p := &s.pend
	last := n == len(p.data)
	ends := last && p.end && len(p.trailer) == 0
	if n > 0 || ends {
		s.out.n -= int32(n)
		c.connOut.n -= int32(n)
		c.appendData(s.id, p.data[:n], ends)
	}
	s.turnSince = c.clock()
	p.data = p.data[n:]
	if !last {
		c.enqueue(s)
		return
	}
	if p.end && len(p.trailer) > 0 {
		c.appendHead(s.id, true, func(b []byte) []byte {
			for i := range p.trailer {
				b = frame.AppendField(b, &p.trailer[i])
			}
			return b
		})
	}
	s.sent(p.end)
}
