package frame

// List is Senders in order. A Sender is in one list at most.
type List struct{ head, tail *Sender }

// First returns the one that is longest in the list, nil if there is none.
func (l *List) First() *Sender { return l.head }

// Push puts s behind the others.
func (l *List) Push(s *Sender) {
	s.prev, s.next = l.tail, nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
}

// Remove takes s out.
func (l *List) Remove(s *Sender) {
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

// DefaultUrgency is RFC 9218 section 4.1's, of 0 (most urgent) to 7.
const DefaultUrgency = 3

// queue is the Senders whose DATA waits for the connection's window or for room in
// its buffer, first come first served within an urgency.
type queue struct {
	n    int
	list [8]List
}

func (q *queue) push(s *Sender) {
	q.list[s.urgency].Push(s)
	s.queued = true
	q.n++
}

func (q *queue) remove(s *Sender) {
	q.list[s.urgency].Remove(s)
	s.queued = false
	q.n--
}

func (q *queue) first() *Sender {
	if q.n == 0 {
		return nil
	}
	for i := range q.list {
		if s := q.list[i].head; s != nil {
			return s
		}
	}
	return nil
}
