package h2

// Canceler is told, once, that nobody waits for an answer any more.
type Canceler interface{ Cancel() }

// OnCancel sets who is told when the stream is over before its time: reset by
// the client or by the engine, or its connection lost. If that is so already,
// the call comes at once. Nil unsets; when OnCancel returns, no call to the
// canceler before is under way. Cancel must be short and must not use the
// Stream.
func (s *Stream) OnCancel(cc Canceler) {
	s.cancelMu.Lock()
	defer s.cancelMu.Unlock()
	if s.canceled && cc != nil {
		cc.Cancel()
		return
	}
	s.canceler = cc
}

// drop takes a stream that has failed off the connection, and frees it if its owner
// has left. It reports whether s.cancel has to follow, without mu. Callers hold
// mu, and do not use s afterwards otherwise.
func (c *Conn) drop(s *Stream) (cancel bool) {
	c.mu.Check()
	c.closeStream(s)
	if s.detached {
		c.engine.recycle(s)
		return false
	}
	s.canceling = s.handling
	return s.handling
}

// cancel tells the canceler. It is called once, after drop, which keeps s from
// being freed meanwhile.
func (s *Stream) cancel() {
	s.cancelMu.Lock()
	cc := s.canceler
	s.canceler, s.canceled = nil, true
	if cc != nil {
		cc.Cancel()
	}
	s.cancelMu.Unlock()

	c := s.c
	c.mu.Lock()
	s.canceling = false
	s.rcond.Broadcast()
	c.mu.Unlock()
}
