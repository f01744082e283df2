package frame

import "runtime"

// AwaitRoom waits for the buffer to be taken, or for Wake. The mutex is given up
// meanwhile, and somebody else flushes.
func (o *Out) AwaitRoom() {
	o.FlushSoon()
	o.room.Wait()
}

// Wake ends all that AwaitRoom or AwaitFlushed waits for.
func (o *Out) Wake() { o.room.Broadcast() }

// AwaitFlushed waits for whoever flushes. The mutex is given up meanwhile.
func (o *Out) AwaitFlushed() {
	for o.flushing {
		o.room.Wait()
	}
}

// Flushing tells whether somebody writes, or is about to.
func (o *Out) Flushing() bool { return o.flushing }

// Since is when the write under way began, by the connection's clock; 0: there is
// none.
func (o *Out) Since() int64 { return o.since }

// Claim reports whether the caller has to flush: something waits, and nobody
// writes. It must then call Flush when it has given up the mutex.
func (o *Out) Claim() bool {
	o.mu.Check()
	if o.flushing || len(o.buf) == 0 {
		return false
	}
	o.flushing = true
	return true
}

// Flush writes until nothing is left to write, or turns times if that is
// positive, and then leaves the rest to a goroutine. As long as DATA of s waits, if
// it is not nil, the caller has reason to go on. The caller has claimed that.
func (o *Out) Flush(s *Sender, turns int) {
	// Others that are about to append get the chance to, so that their frames go
	// out with the same system call.
	runtime.Gosched()
	o.writeOut(s, turns)
}

// FlushAll claims, if it has to be, and flushes.
func (o *Out) FlushAll(turns int) {
	o.mu.Lock()
	claimed := o.Claim()
	o.mu.Unlock()
	if claimed {
		o.Flush(nil, turns)
	}
}

// FlushSoon has another goroutine flush, when the callers' have gone on for a
// moment, unless somebody does so already.
func (o *Out) FlushSoon() {
	o.mu.Check()
	if !o.flushing && !o.later && len(o.buf) > 0 {
		o.later = true
		go o.flushLater()
	}
}

// flushLater runs when the goroutine that has appended a header has blocked, or
// gone on to append more.
func (o *Out) flushLater() {
	o.mu.Lock()
	o.later = false
	claimed := o.Claim()
	o.mu.Unlock()
	if claimed {
		o.Flush(nil, 0)
	}
}

// FlushApart has another goroutine flush, which the caller has claimed.
func (o *Out) FlushApart() { go o.writeOut(nil, 0) }

// writeOut is the flusher.
func (o *Out) writeOut(s *Sender, turns int) {
	limited := turns > 0
	o.mu.Lock()
	for len(o.buf) > 0 && !o.failed {
		if limited && turns <= 0 && (s == nil || !s.waiting) {
			o.mu.Unlock()
			go o.writeOut(nil, 0)
			return
		}
		turns--
		buf := o.buf
		o.taken += int64(len(buf))
		o.buf, o.spare = o.spare, nil
		o.Pump()
		o.room.Broadcast()
		o.since = o.wire.Clock()
		o.mu.Unlock()
		err := o.wire.WriteFrames(buf)
		o.mu.Lock()
		if cap(buf) <= 2*o.soft {
			o.spare = buf[:0]
		}
		o.since = 0
		o.failed = err != nil
		if o.failed {
			o.buf = nil
			o.flushing = false
			o.room.Broadcast()
			o.mu.Unlock()
			o.wire.Failed(err)
			return
		}
	}
	o.flushing = false
	o.room.Broadcast()
	o.mu.Unlock()
}
