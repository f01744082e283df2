package upstream

const (
	// h2ControlBurst and h2ControlRate, per second, bound the frames of a backend
	// that serve no request: PING, SETTINGS, empty DATA, frames of streams that
	// are gone. What our own frames may have caused comes on top.
	h2ControlBurst = 4000
	h2ControlRate  = 400
)

// meter charges a frame that serves no request.
func (c *h2conn) meter() error {
	if c.control.Take(c.rd.last.Load()) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if heads, datas := c.out.Frames(); c.paid < 8*heads+4*datas {
		c.earned = min(c.earned+8*heads+4*datas-c.paid, h2ControlBurst)
		c.paid = 8*heads + 4*datas
	}
	if c.earned > 0 {
		c.earned--
		return nil
	}
	return h2Calm("too many frames that serve no request")
}
