package h2

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// An idle connection holds no buffer, and nothing of it keeps one alive.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	bubble(t, &Config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }}, func(ct *tester) {
		for id := uint32(1); id < 6; id += 2 { // and it can become busy again
			ct.headers(id, true, get...)
			ct.skipTo("HEADERS")
			c := ct.conn
			c.mu.Lock()
			buf := weak.Make((*[smallBuf]byte)(c.rd.buf))
			c.mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			c.mu.Lock()
			if c.rd.buf != nil || c.wbuf != nil || c.spare != nil || c.streams != nil {
				t.Error("a buffer is held")
			}
			c.mu.Unlock()
			for range 3 {
				runtime.GC() // the pool lets go of it after two
			}
			if buf.Value() != nil {
				t.Error("the read buffer is kept alive")
			}
		}
	})
}
