package upstream

const (
	// h2FirstWindow is what every response may send before it is read: what a
	// client that reads nothing makes us hold.
	h2FirstWindow = 16 << 10
	// h2FullWindow is what the window of a response that is read may grow to.
	h2FullWindow = 256 << 10
	// h2ConnWindow is given back as octets arrive, so that responses which
	// nobody reads do not stop the others of their connection.
	h2ConnWindow = 4 << 20
)

// inflow is a window of one response, for the backend to send into.
type inflow struct {
	avail int // what the backend may still send
	size  int // the whole window
	taken int // read by the caller, and not yet given back
	grown int // of size, what came from the budgets
}

// refund gives back what the caller has taken, now that it asks for more, and
// returns the increment to send, 0 while it is not worth a frame. want is how
// much of the response is still to come, -1 if nobody knows. A caller that has
// found nothing to read is faster than the window, and gets a larger one as far
// as the budgets allow.
func (s *h2stream) refund(want int64) uint32 {
	f := &s.in
	if want >= 0 && want <= int64(f.avail) {
		return 0
	}
	if f.size < h2FullWindow && s.body.n == 0 && f.taken >= f.size/2 {
		s.grow(min(f.size*4, h2FullWindow))
	}
	owed := f.size - f.avail - s.body.n
	if owed < f.size/4 {
		return 0
	}
	f.avail += owed
	f.taken = 0
	return uint32(owed)
}

// grow makes the window larger.
func (s *h2stream) grow(size int) {
	n := int64(size - s.in.size)
	if !s.budget.take(n, ClientBudget) {
		return
	}
	if !s.c.process.take(n, processBudget) {
		s.budget.put(n)
		return
	}
	s.in.grown += int(n)
	s.in.size = size
}

// shrink gives back what grow has taken.
func (s *h2stream) shrink() {
	n := int64(s.in.grown)
	s.in.grown = 0
	if n > 0 {
		s.budget.put(n)
		s.c.process.put(n)
	}
}

// takeConn accounts for n octets of DATA, which are given back to the
// connection's window at once. Callers hold mu.
func (c *h2conn) takeConn(n int) error {
	if n > c.recvAvail {
		return h2Flow("more DATA than the connection's window allows")
	}
	c.recvAvail -= n
	if owed := h2ConnWindow - c.recvAvail; owed >= h2ConnWindow/2 {
		c.recvAvail += owed
		c.appendWindowUpdate(0, uint32(owed))
	}
	return nil
}
