package h2

// defaultUrgency is RFC 9218 section 4.1's.
const defaultUrgency = 3

// sendQueue is the streams whose DATA waits for the connection's window or for
// room in its buffer, first come first served within an urgency. Guarded by
// the connection's mu.
type sendQueue struct {
	n    int
	list [8]streamList
}

func (q *sendQueue) push(s *Stream) {
	q.list[s.urgency].push(s)
	s.queued = true
	q.n++
}

func (q *sendQueue) remove(s *Stream) {
	q.list[s.urgency].remove(s)
	s.queued = false
	q.n--
}

func (q *sendQueue) first() *Stream {
	for i := range q.list {
		if s := q.list[i].head; s != nil {
			return s
		}
	}
	return nil
}

// streamList is streams in order, linked by their prev and next: a Stream is in
// one list at most.
type streamList struct{ head, tail *Stream }

func (l *streamList) push(s *Stream) {
	s.prev, s.next = l.tail, nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
}

func (l *streamList) remove(s *Stream) {
	if s.prev == nil {
		l.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.tail = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

// enqueue lets a waiting stream take part, if its own window allows. Callers
// hold mu.
func (c *Conn) enqueue(s *Stream) {
	if s.waiting && !s.queued && s.out.n > 0 {
		c.sendq.push(s)
	}
}

// unwait takes s out of whatever it waits for. Callers hold mu.
func (c *Conn) unwait(s *Stream) {
	if s.queued {
		c.sendq.remove(s)
	}
	s.waiting = false
}

// setUrgency changes a stream's place. Callers hold mu.
func (c *Conn) setUrgency(s *Stream, u uint8) {
	queued := s.queued
	if queued {
		c.sendq.remove(s)
	}
	s.urgency = u
	if queued {
		c.sendq.push(s)
	}
}

// takeWindow accounts for n octets of DATA that s may send. Callers hold mu.
func (c *Conn) takeWindow(s *Stream, n int) {
	s.out.n -= int32(n)
	c.send.n -= int32(n)
	s.sent += int64(n)
	c.sent += int64(n)
}

// pump moves what waits into wbuf as far as the windows and the buffer allow,
// the most urgent streams first and a frame of each in turn. Callers hold mu.
func (c *Conn) pump() {
	if c.sendq.n == 0 || c.dead {
		return
	}
	now := c.clock()
	for c.send.n > 0 {
		room := writeBufSize - len(c.wbuf) - frameHeader
		s := c.sendq.first()
		// A frame of few octets, only because the buffer is nearly full,
		// is not worth its header.
		if s == nil || room < min(len(s.pend), 1<<10) {
			return
		}
		c.sendq.remove(s)
		if s.out.n <= 0 { // SETTINGS has taken the window away
			continue
		}
		n := min(len(s.pend), room, maxData, int(s.out.n), int(c.send.n))
		last := n == len(s.pend)
		c.takeWindow(s, n)
		s.writeSince, c.moved = now, now
		c.appendData(s.id, s.pend[:n], last && s.pendEnd && s.held == nil)
		s.pend = s.pend[n:]
		if !last {
			c.enqueue(s)
			continue
		}
		s.waiting = false
		if s.held != nil {
			c.appendHead(s.id, nil, 0, s.held, true)
		}
		if s.pendEnd {
			s.ended()
		}
		s.wcond.Signal()
		if s.detached && c.finish(s) {
			c.engine.recycle(s)
		}
	}
}
