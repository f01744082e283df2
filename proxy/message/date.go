package message

import (
	"sync"
	"time"
)

// dateClock is the Date field's text, made once a second.
type dateClock struct {
	mu     sync.Mutex
	second int64  // guarded by mu
	text   string // guarded by mu
}

func (c *dateClock) at(t time.Time) string {
	sec := t.Unix()
	c.mu.Lock()
	defer c.mu.Unlock()
	if sec != c.second {
		c.second, c.text = sec, t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return c.text
}
