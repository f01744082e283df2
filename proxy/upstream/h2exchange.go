package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/ingress421/ingress421/proxy/field"
)

// h2Attempts is how many connections one request may be written to: a backend
// may say of the first that it has not processed it, nor will (RFC 9113 sections
// 6.8 and 8.7).
const h2Attempts = 2

// doH2 is Do over HTTP/2, or errSpeaksHTTP1 if the endpoint turns out not to.
func (e *Exchange) doH2(r *Request) error {
	e.up = newUpload(r, &e.pool.client.buffers)
	patience := e.readTimeout
	var not *h2conn
	for n := 1; ; n++ {
		c, err := e.findH2(r, not, patience)
		if err == errSpeaksHTTP1 {
			e.up = nil
		}
		if err != nil {
			return err
		}
		failed := e.sendH2(r, c, patience)
		if failed == nil {
			failed = e.h2.awaitHead(r.Interim)
		}
		if failed == nil {
			e.beginH2(patience)
			return nil
		}
		if failed.Reason != ReasonRefused || failed.Sent || n == h2Attempts || e.isCanceled() || !e.up.again() {
			return e.failHead(failed)
		}
		not = c
		patience = e.h2.patience(e.readTimeout)
		e.leaveH2()
	}
}

// findH2 returns a connection with a place for a stream, any but not.
func (e *Exchange) findH2(r *Request, not *h2conn, patience time.Duration) (*h2conn, error) {
	t := e.pool.h2
	fresh := r.Fresh && not == nil
	if c := t.current.Load(); !fresh && c != nil && c != not && c.reserve() {
		return c, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if !e.attach(nil, stop) {
		return nil, e.fail(ReasonCanceled, errCanceled, false)
	}
	var found h2found
	var err *Error
	if r.Fresh {
		found, err = t.own(ctx, e.connectTimeout)
	} else {
		w := h2wanted{not: not, ctx: ctx, connect: e.connectTimeout}
		if patience > 0 {
			w.until = time.Now().Add(patience)
		}
		found, err = t.stream(w)
	}
	switch {
	case err != nil:
		return nil, e.fail(err.Reason, err.Err, false)
	case found.http1 && not == nil:
		e.given = found.given
		return nil, errSpeaksHTTP1
	case found.http1:
		if found.given != nil {
			e.pool.put(found.given, time.Now(), 0)
		}
		return nil, e.fail(ReasonRefused, errGoneAway, false)
	}
	return found.c, nil
}

// sendH2 sends the request on c, where it has a place.
func (e *Exchange) sendH2(r *Request, c *h2conn, patience time.Duration) *Error {
	s := c.newStream(e, r)
	s.read = patience
	e.h2 = s
	if !e.attach(s, nil) {
		c.release()
		return &Error{Reason: ReasonCanceled, Err: errCanceled}
	}
	u := e.up
	if u == nil {
		length := int64(-1)
		if r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
			// RFC 9110 section 8.6: a method that gives content a meaning says so
			// when there is none.
			length = 0
		}
		return s.openStream(r, h2Part{end: true}, length, nil)
	}
	if !u.touched() {
		if err := u.gather(); err != nil {
			c.release()
			return &Error{Reason: ReasonBodyAborted, Err: err}
		}
	}
	part, more := u.begin()
	s.shared = more || u.running
	if failed := s.openStream(r, part, r.ContentLength, r.announced()); failed != nil {
		return failed
	}
	u.arrive(s)
	if more && !u.running {
		u.running = true
		go u.run()
	}
	return nil
}

// announced are the names of the trailer fields that the head tells of.
func (r *Request) announced() (names []string) {
	if r.Trailer == nil {
		return nil
	}
	for _, name := range r.TrailerNames {
		if field.IsName(name) && !notInTrailer(name) {
			names = append(names, name)
		}
	}
	return names
}

// beginH2 takes over the response's head.
func (e *Exchange) beginH2(patience time.Duration) {
	s := e.h2
	if patience != e.readTimeout {
		s.c.mu.Lock()
		s.read = e.readTimeout
		s.c.mu.Unlock()
	}
	e.Status, e.Header, e.ContentLength = s.status, s.header, s.length
	if e.up != nil {
		e.up.forget()
	}
}

func (e *Exchange) wholeH2() ([]byte, bool) {
	if e.h2.taken {
		return nil, e.h2.recvEnd
	}
	body, ok := e.h2.whole()
	if ok {
		e.h2.taken = true
		e.trailer = e.h2.trailer
	}
	return body, ok
}

func (e *Exchange) readH2(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.h2.readBody(p)
	var failed *Error
	if errors.As(err, &failed) {
		return n, e.failH2(failed)
	}
	if err != nil {
		e.trailer = e.h2.trailer
	}
	return n, err
}

// leaveH2 lets go of the stream.
func (e *Exchange) leaveH2() {
	e.attach(nil, nil)
	e.h2.end()
	e.h2 = nil
}

// failH2 makes the error of a stream that of the exchange. That reading the
// request's body has failed explains it better than what the stream says.
func (e *Exchange) failH2(failed *Error) error {
	reason, cause := failed.Reason, failed.Err
	if err := e.up.failure(); err != nil {
		reason, cause = ReasonBodyAborted, err
	}
	return e.fail(reason, cause, failed.Sent)
}

// failHead is failH2 before there was a head.
func (e *Exchange) failHead(failed *Error) error {
	err := e.failH2(failed)
	e.err.Silent = e.err.Reason == ReasonReset && failed.Sent && e.h2.unheard()
	return err
}
