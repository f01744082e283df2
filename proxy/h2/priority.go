package h2

import "github.com/ingress421/ingress421/proxy/frame"

// priorityUpdate applies a PRIORITY_UPDATE frame (RFC 9218 section 7.1): at
// once to a stream that is open, and when it opens to one that is not yet.
func (c *Conn) priorityUpdate(id uint32, value string) error {
	if id%2 == 0 {
		return protocolError("PRIORITY_UPDATE for a push stream")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u := parseUrgency(value, frame.DefaultUrgency)
	if s := c.streams[id]; s != nil {
		c.out.SetUrgency(&s.out, u)
		return nil
	}
	if id <= c.maxID {
		return nil // closed
	}
	if _, ok := c.early[id]; !ok && len(c.early)+len(c.streams) >= int(c.limits.MaxStreams) {
		return protocolError("PRIORITY_UPDATE for more streams than there may be")
	}
	if c.early == nil {
		c.early = make(map[uint32]uint8)
	}
	c.early[id] = u
	return nil
}

// applyEarly gives a stream that opens the urgency of a PRIORITY_UPDATE that
// came before it, which counts more than its priority field. Callers hold mu.
func (c *Conn) applyEarly(s *Stream) {
	c.mu.Check()
	if len(c.early) == 0 {
		return
	}
	if u, ok := c.early[s.id]; ok {
		c.out.SetUrgency(&s.out, u)
	}
	for id := range c.early {
		if id <= s.id { // those below it will never open
			delete(c.early, id)
		}
	}
}
