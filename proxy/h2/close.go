package h2

import (
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// end closes the connection for the reason that ended the read loop.
func (c *Conn) end(err error) error {
	var ce *connError
	switch {
	case errors.As(err, &ce):
		c.bye(ce.reason, ce.code, ce.msg)
		return err
	case err == errStop:
		c.mu.Lock()
		reason := c.stop
		c.mu.Unlock()
		code := http2.ErrCodeNo
		switch reason {
		case ClosedSettingsTimeout:
			code = http2.ErrCodeSettingsTimeout
		case ClosedHeaderTimeout, ClosedStall:
			code = http2.ErrCodeEnhanceYourCalm
		}
		c.bye(reason, code, "")
		if reason == ClosedIdle || reason == ClosedDrained {
			return nil
		}
		return errors.New("h2: closed: " + reason)
	case err == io.EOF:
		c.mu.Lock()
		reason := ClosedPeer
		if c.lastSent {
			reason = ClosedDrained
		}
		flushing := c.out.Flushing()
		c.mu.Unlock()
		if flushing {
			c.kill(reason) // close_notify would wait behind that
			return nil
		}
		c.lose(reason)
		limit := time.AfterFunc(lingerTime, c.hangUp)
		defer limit.Stop()
		c.nc.Close()
		return nil
	}
	c.kill(ioReason(err))
	c.mu.Lock()
	reason := c.reason
	c.mu.Unlock()
	switch reason {
	case ClosedLocal: // the read failed because of Close
		return nil
	case ClosedStall:
		return errors.New("h2: closed: " + reason)
	}
	return err
}

// bye says GOAWAY, gives up all streams and closes the connection when the
// client has had the time to read that.
func (c *Conn) bye(reason string, code http2.ErrCode, msg string) {
	c.mu.Lock()
	if !c.dead && (code != http2.ErrCodeNo || !c.lastSent) {
		c.out.goAway(c.maxID, code, msg)
		c.lastSent, c.lastID = true, c.maxID
	}
	lost := c.fail(reason)
	c.mu.Unlock()
	for _, s := range lost {
		s.cancel()
	}

	// A close while octets of the client's are unread would reset the TCP
	// connection, and the GOAWAY might never be seen.
	limit := time.AfterFunc(lingerTime, c.hangUp)
	defer limit.Stop()
	c.out.FlushAll(flushTurns)
	c.mu.Lock()
	c.out.AwaitFlushed()
	c.mu.Unlock()
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
		c.linger()
	}
	c.nc.Close()
}

const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger throws away what the client still sends, within bounds.
func (c *Conn) linger() {
	var buf [4 << 10]byte
	c.nc.SetReadDeadline(time.Time{})
	for n := 0; n < lingerBytes; {
		m, err := c.nc.Read(buf[:])
		if n += m; err != nil {
			return
		}
	}
}

// kill closes the connection at once.
func (c *Conn) kill(reason string) {
	c.lose(reason)
	c.hangUp()
}

// lose gives the connection and its streams up.
func (c *Conn) lose(reason string) {
	c.mu.Lock()
	lost := c.fail(reason)
	c.mu.Unlock()
	for _, s := range lost {
		s.cancel()
	}
}

// hangUp closes the socket beneath TLS first: crypto/tls would wait up to 5 s
// for a client that does not read to take its close_notify.
func (c *Conn) hangUp() {
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
	c.nc.Close()
}

// fail marks the connection dead and every stream failed, and returns those
// that are to be canceled. Callers hold mu.
func (c *Conn) fail(reason string) (lost []*Stream) {
	c.mu.Check()
	if c.dead {
		return nil
	}
	c.dead = true
	c.reason = reason
	if c.timer != nil {
		c.timer.Stop()
	}
	c.out.Stop()
	for _, s := range c.streams {
		s.fail(ErrClosed)
		if c.drop(s) {
			lost = append(lost, s)
		}
	}
	return lost
}

// Close closes the connection at once.
func (c *Conn) Close() error {
	c.kill(ClosedLocal)
	return nil
}
