package upstream

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/frame"
)

// h2Attempts is how many connections one request may be written to: a backend
// may say of the first that it has not processed it, nor will (RFC 9113 sections
// 6.8 and 8.7).
const h2Attempts = 2

// h2Exchange is an exchange that HTTP/2 carries, on one stream after the other.
type h2Exchange struct {
	call *call // immutable

	stream *h2stream // nil before there is one
	body   *upload   // the request's; nil without one
	tunnel bool      // it asks for one, by an extended CONNECT
}

// do is Exchange.Do, or *speaksHTTP1 if the backend turns out to choose that.
func (e *h2Exchange) do(r *Request) error {
	e.body = newUpload(r, &e.call.pool.buffers)
	e.tunnel = r.isWebSocket()
	patience := e.call.readTimeout
	var not *h2conn
	for n := 1; ; n++ {
		c, err := e.find(r, not, patience)
		if err != nil {
			return err
		}
		if e.tunnel && !c.offersTunnels() {
			if !r.UpgradeOptional {
				c.release()
				e.call.pool.dialer.mayHaveHTTP1()
				return e.fail(&Error{Reason: ReasonNoUpgrade, Err: errNoUpgrade})
			}
			e.tunnel = false
		}
		failed := e.send(r, c, patience)
		if failed == nil {
			failed = e.stream.awaitHead(r.Interim)
		}
		if failed == nil {
			e.begin(r, patience)
			return nil
		}
		if failed.Reason != ReasonRefused || failed.Sent || n == h2Attempts || e.call.isCanceled() || !e.body.again() {
			return e.failHead(failed)
		}
		not = c
		patience = e.stream.patience(e.call.readTimeout)
		e.leave()
	}
}

// find returns a connection with a place for a stream, any but not.
func (e *h2Exchange) find(r *Request, not *h2conn, patience time.Duration) (*h2conn, error) {
	t := e.call.pool.h2
	fresh := r.Fresh && !e.tunnel
	if c := t.current.Load(); !(fresh && not == nil) && c != nil && c != not && c.reserve(e.tunnel) {
		return c, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if !e.call.attach(nil, stop) {
		return nil, e.fail(&Error{Reason: ReasonCanceled, Err: errCanceled})
	}
	var found h2found
	var err *Error
	if fresh {
		found, err = t.own(ctx, e.call.connectTimeout)
	} else {
		w := h2wanted{not: not, greeted: e.tunnel, ctx: ctx, connect: e.call.connectTimeout}
		if patience > 0 {
			w.until = time.Now().Add(patience)
		}
		found, err = t.stream(w)
	}
	switch {
	case err != nil:
		return nil, e.fail(err)
	case found.http1 && not == nil:
		return nil, &speaksHTTP1{found.given}
	case found.http1:
		if found.given != nil {
			e.call.pool.http1.put(found.given, time.Now(), 0)
		}
		return nil, e.fail(&Error{Reason: ReasonRefused, Err: errGoneAway})
	}
	return found.c, nil
}

// send sends the request on c, where it has a place.
func (e *h2Exchange) send(r *Request, c *h2conn, patience time.Duration) *Error {
	s := c.newStream(r, patience, e.call.sendTimeout)
	e.stream = s
	if !e.call.attach(s, nil) {
		c.release()
		return &Error{Reason: ReasonCanceled, Err: errCanceled}
	}
	u := e.body
	if e.tunnel {
		s.tunnel = true
		return s.openStream(r, frame.Part{}, -1, nil)
	}
	if u == nil {
		length := int64(-1)
		if r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
			// RFC 9110 section 8.6: a method that gives content a meaning says so
			// when there is none.
			length = 0
		}
		return s.openStream(r, frame.Part{End: true}, length, nil)
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

// begin takes over the response's head.
func (e *h2Exchange) begin(r *Request, patience time.Duration) {
	s := e.stream
	if s.opened {
		s.openedTo(r)
		return
	}
	if patience != e.call.readTimeout {
		s.c.mu.Lock()
		s.readTimeout = e.call.readTimeout
		s.c.mu.Unlock()
	}
	if e.body != nil {
		e.body.forget()
	}
}

func (e *h2Exchange) answer() (status int, fields []hpack.HeaderField, contentLength int64) {
	s := e.stream
	if s.opened {
		return 101, s.header, -1 // as the caller has asked
	}
	return s.status, s.header, s.length
}

func (e *h2Exchange) whole() ([]byte, bool) {
	s := e.stream
	if s.handed {
		return nil, s.recvEnd
	}
	body, ok := s.whole()
	s.handed = ok
	return body, ok
}

func (e *h2Exchange) read(p []byte) (int, error) {
	n, err := e.stream.readBody(p)
	var failed *Error
	if errors.As(err, &failed) {
		return n, e.fail(failed)
	}
	return n, err
}

// upgraded is the stream behind an extended CONNECT.
func (e *h2Exchange) upgraded() io.ReadWriteCloser { return (*h2Tunnel)(e.stream) }

func (e *h2Exchange) trailers() []hpack.HeaderField { return e.stream.trailer }

// leave lets go of the stream.
func (e *h2Exchange) leave() {
	e.call.attach(nil, nil)
	e.stream.end()
	e.stream = nil
}

func (e *h2Exchange) close() {
	if e.stream != nil {
		e.leave()
	}
	if e.body != nil {
		e.body.release()
		e.body = nil
	}
}

// fail makes the error of a stream that of the exchange. That reading the
// request's body has failed explains it better than what the stream says.
func (e *h2Exchange) fail(of *Error) *Error {
	failed := Error{Reason: of.Reason, Err: of.Err, Sent: of.Sent, BodyRead: e.body.touched()}
	if err := e.body.failure(); err != nil {
		failed.Reason, failed.Err = ReasonBodyAborted, err
	}
	return e.call.fail(failed)
}

// failHead is fail before there was a head.
func (e *h2Exchange) failHead(of *Error) *Error {
	failed := e.fail(of)
	failed.Silent = failed.Reason == ReasonReset && failed.Sent && e.stream.unheard()
	return failed
}
