package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
)

// http1Exchange is a request on net/http's server as the forwarder sees it.
type http1Exchange struct {
	w     http.ResponseWriter
	req   *http.Request
	ctl   *http.ResponseController
	conn  *conn
	stall time.Duration
	// metrics count what is given up for the client's slowness.
	metrics *stats

	close   bool // end the connection after the response
	aborted bool // let the client see that the response is not whole
	expects bool // the client waits for a 100 before it sends the body; owned by the reader

	// What moves while the client is waited for; each owned by who reads or
	// writes.
	received, sent  int64
	inPace, outPace h2.Pace

	// unread: the request has a body that was not read to its end.
	unread atomic.Bool

	// head guards the status lines: the reader of the body writes a 100, which
	// net/http would not keep apart from another interim response.
	head     sync.Mutex
	headSent bool // the final one; guarded by head

	// The connection after an Upgrade.
	raw    net.Conn
	rawBuf *bufio.ReadWriter

	mu       sync.Mutex
	canceler h2.Canceler // guarded by mu
	gone     bool        // the client has; guarded by mu
	stopped  bool        // no more reading; guarded by mu
	stop     func() bool // ends the watch on the client; owned by the handler
}

var _ exchange = (*http1Exchange)(nil)

// ServeHTTP implements http.Handler for HTTP/1.1, with TLS and without.
func (h *http1Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s := h.s
	c, ok := req.Context().Value(connKey{}).(*conn)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	ex := &http1Exchange{w: w, req: req, ctl: http.NewResponseController(w), conn: c, stall: h.stall, metrics: s.metrics}
	// A body whose end is told in chunks, and a client that may not know
	// keep-alive, are where two readers of a connection come to disagree on
	// where the next request begins. net/http does not say whether a
	// Content-Length stood beside; the connection ends with this response.
	ex.close = req.ProtoMinor == 0 || len(req.TransferEncoding) != 0
	ex.expects = req.ProtoAtLeast(1, 1) && hasToken(req.Header["Expect"], "100-continue")
	r := s.newRequest()
	defer s.freeRequest(r)
	r.conn, r.start = c, time.Now()
	r.fromHTTP1(req)
	if s.admit(ex, r) {
		if r.contentLength != 0 {
			// Otherwise net/http holds a response back until it has the body,
			// or takes the rest of it from what goes to the backend.
			ex.unread.Store(true)
			_ = ex.ctl.EnableFullDuplex()
		}
		s.forward(ex, r)
	}
	ex.OnCancel(nil)
	if ex.stop != nil {
		ex.stop()
	}
	if ex.aborted {
		panic(http.ErrAbortHandler)
	}
}

// fromHTTP1 fills the head of a request.
func (r *request) fromHTTP1(req *http.Request) {
	r.protocol, r.method, r.authority, r.target = protocolHTTP1, req.Method, req.Host, req.RequestURI
	r.hasAuthority = true // net/http has taken Host out of the header
	if scheme, rest, ok := strings.Cut(r.target, "://"); ok && !strings.HasPrefix(r.target, "/") {
		// Absolute form (RFC 9112 section 3.2.2): its authority and scheme
		// hold, and Host is ignored.
		r.absolute, r.scheme = true, scheme
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.authority, r.target = rest[:end], rest[end:]
		if !strings.HasPrefix(r.target, "/") {
			r.target = "/" + r.target
		}
	}
	for name, values := range req.Header {
		name = strings.ToLower(name)
		for _, v := range values {
			r.header = append(r.header, hpack.HeaderField{Name: name, Value: v})
		}
	}
	if len(req.Trailer) != 0 {
		// net/http has taken the Trailer field out of the header.
		names := slices.Sorted(maps.Keys(req.Trailer))
		r.header = append(r.header, hpack.HeaderField{Name: "trailer", Value: strings.ToLower(strings.Join(names, ", "))})
	}
	r.contentLength = req.ContentLength
	if req.ProtoAtLeast(1, 1) {
		r.tunnel = r.upgrade()
	}
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

func (e *http1Exchange) Read(p []byte) (int, error) {
	if e.raw != nil {
		return e.rawBuf.Read(p)
	}
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		return 0, h2.ErrReadStopped
	}
	start := time.Now()
	_ = e.ctl.SetReadDeadline(start.Add(e.stall))
	e.mu.Unlock()
	if e.expects {
		e.expects = false
		e.interim(http.StatusContinue, nil)
	}
	n, err := e.req.Body.Read(p)
	e.received += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		e.unread.Store(false)
	case errors.Is(err, os.ErrDeadlineExceeded):
		if !e.isStopped() {
			e.refused(h2.RefusedStall)
		}
	case err == nil && !e.answering() && e.inPace.TooSlow(time.Since(start), e.received, h2.LeastRate, e.stall):
		e.refused(h2.RefusedSlow)
		return n, errSlow
	}
	return n, err
}

// errSlow is the error of a body that moves, but hardly.
var errSlow = errors.New("the client moves its body too slowly")

// refused counts a body that was given up for the client's slowness.
func (e *http1Exchange) refused(reason string) { e.metrics.refused.WithLabelValues(reason).Inc() }

func (e *http1Exchange) isStopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stopped
}

// answering tells whether the response has begun. A request that goes on beside
// it may take its time.
func (e *http1Exchange) answering() bool {
	e.head.Lock()
	defer e.head.Unlock()
	return e.headSent
}

func (e *http1Exchange) Trailer() []hpack.HeaderField {
	var out []hpack.HeaderField
	for name, values := range e.req.Trailer {
		for _, v := range values {
			out = append(out, hpack.HeaderField{Name: strings.ToLower(name), Value: v})
		}
	}
	return out
}

func (e *http1Exchange) WriteInterim(status int, h []hpack.HeaderField) error {
	if status == http.StatusContinue || !e.req.ProtoAtLeast(1, 1) {
		// 100 is sent when the body is first read, and HTTP/1.0 knows no
		// interim responses (RFC 9110 section 15.2).
		return nil
	}
	e.interim(status, h)
	return nil
}

func (e *http1Exchange) interim(status int, h []hpack.HeaderField) {
	e.head.Lock()
	defer e.head.Unlock()
	if e.headSent {
		return
	}
	header := e.w.Header()
	for _, f := range h {
		header.Add(f.Name, f.Value)
	}
	_ = e.ctl.SetWriteDeadline(time.Now().Add(e.stall))
	e.w.WriteHeader(status)
	clear(header)
}

func (e *http1Exchange) WriteHeader(status int, h []hpack.HeaderField, end bool) error {
	if status == http.StatusSwitchingProtocols {
		return e.upgrade(h)
	}
	e.writeHead(status, h)
	if end {
		return nil
	}
	// The first of the body may be long in coming.
	return e.ctl.Flush()
}

func (e *http1Exchange) writeHead(status int, h []hpack.HeaderField) {
	e.head.Lock()
	defer e.head.Unlock()
	e.headSent = true
	header := e.w.Header()
	for _, f := range h {
		if f.Name == "trailer" {
			// By its canonical name net/http would repeat the header fields that
			// it names in the trailer section.
			header[f.Name] = append(header[f.Name], f.Value)
			continue
		}
		header.Add(f.Name, f.Value)
	}
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil // net/http would guess one
	}
	if e.close || e.unread.Load() || e.conn.isDraining() {
		header.Set("Connection", "close")
	}
	_ = e.ctl.SetWriteDeadline(time.Now().Add(e.stall))
	e.w.WriteHeader(status)
}

// upgrade takes the connection over from net/http and writes the 101 itself.
func (e *http1Exchange) upgrade(h []hpack.HeaderField) error {
	raw, buf, err := e.ctl.Hijack()
	if err != nil {
		return err
	}
	e.raw, e.rawBuf = raw, buf
	if err := raw.SetDeadline(time.Time{}); err != nil {
		_ = raw.Close()
		return err
	}
	head := append(make([]byte, 0, 512), "HTTP/1.1 101 Switching Protocols\r\n"...)
	for _, f := range h {
		head = append(head, f.Name...)
		head = append(head, ": "...)
		head = append(head, f.Value...)
		head = append(head, "\r\n"...)
	}
	head = append(head, "\r\n"...)
	if _, err := raw.Write(head); err != nil {
		_ = raw.Close()
		return err
	}
	return nil
}

// Respond implements exchange.
func (e *http1Exchange) Respond(status int, h []hpack.HeaderField, body []byte) error {
	e.writeHead(status, h)
	return e.WriteEnd(body)
}

// RespondBlock implements exchange.
func (e *http1Exchange) RespondBlock(b *h2.Block, more []hpack.HeaderField, body []byte) error {
	return e.Respond(b.Status(), slices.Concat(b.Fields(), more), body)
}

func (e *http1Exchange) Write(p []byte) (n int, err error) {
	start := time.Now()
	if e.raw != nil {
		_ = e.raw.SetWriteDeadline(start.Add(e.stall))
		n, err = e.raw.Write(p)
	} else {
		_ = e.ctl.SetWriteDeadline(start.Add(e.stall))
		n, err = e.w.Write(p)
		if err == nil {
			// What a backend has sent its client must not wait for more.
			err = e.ctl.Flush()
		}
		if errors.Is(err, http.ErrBodyNotAllowed) {
			return len(p), nil
		}
	}
	e.sent += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.refused(h2.RefusedStall)
	case err == nil && e.outPace.TooSlow(time.Since(start), e.sent, h2.LeastConnRate, e.stall):
		e.refused(h2.RefusedSlow)
		e.Reset(http2.ErrCodeCancel)
		return n, errSlow
	}
	return n, err
}

func (e *http1Exchange) WriteEnd(p []byte) error {
	if e.raw != nil {
		// The client may go on.
		if half, ok := e.raw.(interface{ CloseWrite() error }); ok {
			return half.CloseWrite()
		}
		return e.raw.Close()
	}
	if len(p) == 0 {
		return nil
	}
	_ = e.ctl.SetWriteDeadline(time.Now().Add(e.stall))
	_, err := e.w.Write(p)
	if errors.Is(err, http.ErrBodyNotAllowed) {
		return nil
	}
	return err
}

func (e *http1Exchange) WriteTrailer(h []hpack.HeaderField) error {
	// Behind a head that has not left, net/http would say that there is no
	// content, and so no trailer.
	_ = e.ctl.Flush()
	header := e.w.Header()
	for _, f := range h {
		header.Add(http.TrailerPrefix+f.Name, f.Value)
	}
	return nil
}

func (e *http1Exchange) Reset(http2.ErrCode) {
	e.aborted = true
	if e.raw != nil {
		_ = e.raw.Close()
	}
}

func (e *http1Exchange) setClose() { e.close = true }

func (e *http1Exchange) stopRead() {
	if e.raw != nil {
		_ = e.raw.Close()
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	_ = e.ctl.SetReadDeadline(time.Unix(1, 0))
}

// OnCancel implements exchange. net/http tells of a client that has gone by
// ending the request's context.
func (e *http1Exchange) OnCancel(c h2.Canceler) {
	e.mu.Lock()
	e.canceler = c
	if e.gone && c != nil {
		c.Cancel()
	}
	e.mu.Unlock()
	if c != nil && e.stop == nil {
		e.stop = context.AfterFunc(e.req.Context(), e.canceled)
	}
}

func (e *http1Exchange) canceled() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	if e.canceler != nil {
		e.canceler.Cancel()
	}
}
