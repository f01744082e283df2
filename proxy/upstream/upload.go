package upstream

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/frame"
)

// keptUpload is how much of a body that is still coming is kept, so that it can
// be sent again. A body that was whole is kept up to wholeBody.
const keptUpload = smallBuffer

var errUploadStopped = errors.New("the request's body is not wanted any more")

// upload is a request's body on its way to HTTP/2 backends. What was read of it
// is kept, while that is little, until the response has begun: the backend may
// say that it has not processed the request.
type upload struct {
	body    io.Reader
	source  io.Reader // the Request's Body
	whole   bool      // no Read of it waits
	buffers *buffers
	trailer func() []hpack.HeaderField
	fields  []hpack.HeaderField // the trailer section, when the body is at its end
	left    int64               // -1: unknown; owned by who reads
	running bool                // a goroutine reads and sends it; owned by the exchange

	mu      sync.Mutex
	changed sync.Cond // to or closed has
	to      *h2stream // guarded by mu; where it is sent
	moving  bool      // guarded by mu; and soon is not any more
	held    *buffer   // guarded by mu; all that was read, while lossless
	keep    int       // guarded by mu; how much that may be
	lost    bool      // guarded by mu; more was read than is held
	begun   bool      // guarded by mu; some of it was read
	ended   bool      // guarded by mu; all of it was
	err     error     // guarded by mu; why reading it failed
	reading bool      // guarded by mu
	closed  bool      // guarded by mu; it is not to be read any more
}

// newUpload returns nil for a request without a body.
func newUpload(r *Request, b *buffers) *upload {
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	u := &upload{
		body: r.Body, source: r.Body, whole: r.BodyWhole, buffers: b, trailer: r.Trailer, left: r.ContentLength,
		keep: keptUpload,
	}
	u.changed.L = &u.mu
	if u.whole {
		u.keep = wholeBody
	}
	if r.ContentLength > int64(u.keep) {
		u.keep, u.lost = 0, true
	}
	return u
}

// gather reads a body that is whole already, as far as it may be held.
func (u *upload) gather() error {
	if !u.whole || u.lost {
		return nil
	}
	for {
		u.mu.Lock()
		if u.held == nil {
			u.held = u.buffers.get(max(int(min(u.left+1, wholeBody)), 1))
		}
		held := u.held
		u.mu.Unlock()
		if held.w > wholeBody || !u.buffers.room(held) {
			u.mu.Lock()
			u.lost = true
			u.mu.Unlock()
			return nil
		}
		n, err := u.read(held.b[held.w:])
		u.mu.Lock()
		held.w += n
		u.lost = held.w > wholeBody
		lost := u.lost
		u.mu.Unlock()
		switch {
		case err == io.EOF || err == nil && lost:
			return nil
		case err != nil:
			return err
		}
	}
}

// read reads the body and counts.
func (u *upload) read(p []byte) (int, error) {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return 0, errUploadStopped
	}
	u.reading, u.begun = true, true
	u.mu.Unlock()
	n, err := u.body.Read(p)
	if u.left >= 0 {
		switch u.left -= int64(n); {
		case u.left < 0:
			n, err = 0, errBodyLong
		case err == io.EOF && u.left > 0:
			err = errBodyShort
		}
	}
	var fields []hpack.HeaderField
	if err == io.EOF && u.trailer != nil {
		for _, f := range u.trailer() {
			if field.IsName(f.Name) && field.IsValue(f.Value) && !notInTrailer(f.Name) {
				fields = append(fields, f)
			}
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reading = false
	switch {
	case err == io.EOF:
		u.ended, u.fields = true, fields
	case err != nil && !u.closed:
		u.err = err
	}
	u.changed.Broadcast()
	return n, err
}

// run reads the body and sends it, on a goroutine of its own.
func (u *upload) run() {
	buf := u.buffers.get(streamBuffer)
	defer u.buffers.put(buf)
	for {
		n, err := u.read(buf.b)
		end := err == io.EOF
		u.mu.Lock()
		for u.moving && !u.closed {
			u.changed.Wait()
		}
		to, fields, closed := u.to, u.fields, u.closed
		u.hold(buf.b[:n])
		u.mu.Unlock()
		if closed {
			return
		}
		if err != nil && !end {
			to.giveUp(err)
			return
		}
		if n > 0 || end {
			if to.write(frame.Part{Data: buf.b[:n], Trailer: fields, End: end}) != nil && !u.moved(to) {
				return
			}
		}
		if end {
			return
		}
	}
}

// hold keeps p, if all that was read can be kept. u.mu is held.
func (u *upload) hold(p []byte) {
	switch {
	case u.lost || len(p) == 0:
	case u.held == nil && len(p) <= u.keep:
		u.held = u.buffers.get(u.keep)
		u.held.w = copy(u.held.b, p)
	case u.held != nil && u.held.w+len(p) <= u.keep:
		u.held.w += copy(u.held.b[u.held.w:], p)
	default:
		u.lost = true
		u.buffers.put(u.held)
		u.held = nil
	}
}

// moved waits until the body goes to another stream than to, which has then been
// given all that was read before; false: it goes nowhere.
func (u *upload) moved(to *h2stream) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.to == to && !u.closed {
		u.changed.Wait()
	}
	return u.to != to && !u.closed
}

// begin returns what of the body is to be sent first on a stream that is about
// to be opened; more says that a goroutine has to send the rest.
func (u *upload) begin() (part frame.Part, more bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.moving = true
	part = frame.Part{Trailer: u.fields, End: u.ended}
	if u.held != nil {
		part.Data = u.held.b[:u.held.w]
		if u.running {
			part.Data = bytes.Clone(part.Data) // run adds to it, or lets it go
		}
	}
	return part, !u.ended
}

// arrive is told that the stream is open.
func (u *upload) arrive(s *h2stream) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.to, u.moving = s, false
	u.changed.Broadcast()
}

// again says that the body can be sent again. The head of the response has not
// come.
func (u *upload) again() bool {
	if u == nil {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.lost && u.err == nil || !u.begun
}

// forget is told that the body will not be sent again. A body whose whole is
// being sent from what is held is let go by release.
func (u *upload) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.running && !u.whole {
		u.lost = true
		u.buffers.put(u.held)
		u.held = nil
	}
}

// release ends the use of the Request's Body: no Read is under way when it
// returns. Nobody sends from what is held any more.
func (u *upload) release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	u.changed.Broadcast()
	if u.reading && !u.whole {
		if body, ok := u.source.(interface{ StopRead() }); ok {
			u.mu.Unlock()
			body.StopRead()
			u.mu.Lock()
		}
	}
	for u.reading {
		u.changed.Wait()
	}
	u.lost = true
	u.buffers.put(u.held)
	u.held = nil
}

// touched says that some of the body may have been read. u may be nil.
func (u *upload) touched() bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.begun
}

// failure is why reading the body failed, nil if it did not.
func (u *upload) failure() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}
