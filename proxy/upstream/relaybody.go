package upstream

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// turn is who must act for a request body to go on.
type turn uint8

const (
	turnWrite   turn = iota // net/http, and so the backend, must take what was read
	turnClient              // the client must send more
	turnBackend             // the body is at its end
)

// relayBody is a request body as net/http's Transport reads it, from a goroutine
// of its own that may outlive RoundTrip. It counts bytes, knows whose turn it
// is, and can be taken away.
type relayBody struct {
	body    io.Reader
	whole   bool // no Read of it waits
	trailer func() []hpack.HeaderField
	into    http.Header // the request's trailer section; nil: it has none
	left    int64       // -1: unknown; owned by the reading goroutine

	mu     sync.Mutex
	whose  turn          // guarded by mu
	since  time.Time     // guarded by mu; when whose changed
	closed bool          // guarded by mu
	idle   chan struct{} // guarded by mu; closed when the last Read has returned
	err    error         // guarded by mu; why it failed
	begun  bool          // guarded by mu; there was a Read
	ended  time.Time     // guarded by mu; when it was first read to its end
	keep   int           // guarded by mu; held is all that was read while that is no more than so many bytes
	held   []byte        // guarded by mu
}

func newRelayBody(r *Request) *relayBody {
	b := &relayBody{
		body: r.Body, whole: r.BodyWhole, trailer: r.Trailer, into: r.trailerSection(), left: r.ContentLength,
		// Until it is begun it waits, as the head does, for the backend to have a
		// stream for it.
		whose: turnBackend, since: time.Now(), keep: smallBuffer,
	}
	if b.whole {
		b.keep = wholeBody
	}
	if r.ContentLength > int64(b.keep) {
		b.keep = 0
	}
	return b
}

// again returns the body as it was before it was read, for another attempt to
// send it. It returns nil if what was read is not there any more, or if more is
// to come from a client that was told to stop. b was released.
func (b *relayBody) again(r *Request) *relayBody {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := newRelayBody(r)
	switch {
	case b.err != nil, b.begun && b.keep == 0, b.begun && b.ended.IsZero() && !b.whole:
		return nil
	case !b.ended.IsZero():
		next.body = bytes.NewReader(b.held)
	case b.begun:
		next.body = io.MultiReader(bytes.NewReader(b.held), b.body)
	}
	next.begun, next.ended = b.begun, b.ended
	return next
}

// forget is told that the body will not be sent again.
func (b *relayBody) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep, b.held = 0, nil
}

func (b *relayBody) Read(p []byte) (int, error) {
	if !b.begin() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.body.Read(p)
	if b.left >= 0 {
		switch b.left -= int64(n); {
		case b.left < 0:
			n, err = 0, errBodyLong
		case err == io.EOF && b.left > 0:
			err = errBodyShort
		}
	}
	if err == io.EOF && b.into != nil {
		// Announced or not: net/http sends what is there when the body has ended.
		for _, f := range b.trailer() {
			if isLowerToken(f.Name) && isValue(f.Value) && !notInTrailer(f.Name) {
				name := http.CanonicalHeaderKey(f.Name)
				b.into[name] = append(b.into[name], f.Value)
			}
		}
	}
	b.finish(p[:n], err)
	return n, err
}

func (b *relayBody) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.whose, b.since, b.begun = turnClient, time.Now(), true
	return true
}

func (b *relayBody) finish(p []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = time.Now()
	if len(b.held)+len(p) <= b.keep {
		b.held = append(b.held, p...)
	} else {
		b.keep, b.held = 0, nil
	}
	if err == io.EOF && b.ended.IsZero() {
		b.ended = b.since
	}
	switch {
	case err == nil:
		b.whose = turnWrite
	case err == io.EOF:
		b.whose = turnBackend
	default:
		b.whose = turnBackend
		if !b.closed {
			b.err = err
		}
	}
	if b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// Close is called by net/http when it wants no more, or has all.
func (b *relayBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close()
	return nil
}

// close lets a Read that waits return. b.mu is held.
func (b *relayBody) close() {
	if b.closed {
		return
	}
	b.closed = true
	if b.whose != turnClient {
		b.whose, b.since = turnBackend, time.Now()
		return
	}
	if body, ok := b.body.(interface{ StopRead() }); ok && !b.whole {
		body.StopRead()
	}
}

// release closes the body and waits until it is not read any more.
func (b *relayBody) release() {
	b.mu.Lock()
	b.close()
	var idle chan struct{}
	if b.whose == turnClient {
		idle = make(chan struct{})
		b.idle = idle
	}
	b.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// touched says that some of the body may have been read. b may be nil.
func (b *relayBody) touched() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun
}

// failure is why reading the body failed, nil if it did not.
func (b *relayBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// turn returns whose turn it is, and since when, counted from start. The backend
// does not get more time for a body that must be sent to it again.
func (b *relayBody) turn(start time.Time) (turn, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whose == turnBackend && !b.ended.IsZero() {
		return turnBackend, b.ended.Sub(start)
	}
	return b.whose, b.since.Sub(start)
}
