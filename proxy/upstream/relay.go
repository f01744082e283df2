package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// relay is an exchange's part that goes through a transport.
type relay struct {
	cancel  context.CancelFunc
	resp    *http.Response
	tunnel  io.ReadWriteCloser        // after 101
	own     *http.ClientConn          // of this exchange alone; nil: it has none
	body    atomic.Pointer[relayBody] // nil: the request has none
	watch   *time.Timer
	waiting atomic.Int64 // since when the response is awaited, in ns since start; 0: it is not
	start   time.Time
	over    atomic.Bool            // the watch is to end
	reason  atomic.Pointer[string] // why the watch ended the exchange
	hints   interims
	got     atomic.Int64 // when there first was a connection, in ns since start; 0: there was none
}

var errBadPath = errors.New("path cannot be written unchanged")

// doRelay is Do over net/http. What a backend has refused is sent once more.
func (e *Exchange) doRelay(r *Request) error {
	ctx, cancel := context.WithCancel(context.Background())
	rl := &relay{cancel: cancel, start: time.Now()}
	e.relay = rl
	if !e.attach(nil, cancel) {
		return e.fail(ReasonCanceled, errCanceled, false)
	}
	req, err := rl.request(e.pool.transport, r)
	if err != nil {
		return e.fail(ReasonBadRequest, err, false)
	}
	rl.wait()
	rl.startWatch(e.readTimeout, e.sendTimeout)
	a := e.newAttempt(ctx)
	rl.resp, err = a.roundTrip(req, r.Fresh)
	if err != nil && a.refused(err) && !rl.hints.any() && rl.reason.Load() == nil && !e.isCanceled() && rl.rewind(r) {
		a = e.newAttempt(ctx)
		rl.resp, err = a.roundTrip(req, true)
	}
	if bad := rl.hints.close(err == nil); bad != nil {
		err = bad
	}
	rl.waiting.Store(0)
	if err != nil {
		err = e.failAttempt(a, err)
		e.err.Silent = e.err.Reason == ReasonReset && !rl.hints.any() && a.heardNothing(e.err.Err)
		return err
	}
	if err := e.beginRelay(r); err != nil {
		return e.failRelay(err)
	}
	if body := rl.body.Load(); body != nil {
		body.forget()
	}
	return nil
}

// request makes net/http's request of r. The body is for each attempt to add.
func (rl *relay) request(tr *transport, r *Request) (*http.Request, error) {
	u := &url.URL{Scheme: tr.scheme, Host: tr.host}
	if r.ServerName != "" && tr.scheme == "https" {
		u.Host = bracket(r.ServerName)
	}
	if !setPath(u, r.Path) {
		return nil, errBadPath
	}
	req := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: make(http.Header, len(r.Header)+2)}
	for _, f := range r.Header {
		name := http.CanonicalHeaderKey(f.Name)
		req.Header[name] = append(req.Header[name], f.Value)
	}
	if req.Header["User-Agent"] == nil {
		req.Header["User-Agent"] = nil // or net/http would name itself
	}
	if tr.grpc {
		req.Header["Te"] = []string{"trailers"}
	}
	if r.Upgrade != "" {
		req.Header["Connection"] = []string{"Upgrade"}
		req.Header["Upgrade"] = []string{r.Upgrade}
	}
	if r.Body != nil && r.ContentLength != 0 {
		rl.body.Store(newRelayBody(r))
		req.ContentLength = r.ContentLength
		if r.ContentLength < 0 {
			// Else net/http, on HTTP/1.1, would read the body of a GET or DELETE
			// before it knows how to send it, while it writes the head.
			req.TransferEncoding = []string{"chunked"}
		}
	}
	rl.hints.to, rl.hints.heard = r.Interim, rl.wait
	return req, nil
}

// setPath has u write path as it stands.
func setPath(u *url.URL, path string) bool {
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
		return true
	}
	// As Opaque this would be taken for an authority.
	raw, query, asked := strings.Cut(path, "?")
	plain, err := url.PathUnescape(raw)
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = plain, raw, query, asked
	return err == nil && u.RequestURI() == path
}

// trailerSection is where net/http finds the trailer fields after the body. The
// names that it holds from the start are announced. nil, which saves an HTTP/2
// backend a frame, is for a request that can have none.
func (r *Request) trailerSection() http.Header {
	if r.Trailer == nil || r.BodyWhole && len(r.TrailerNames) == 0 && len(r.Trailer()) == 0 {
		return nil
	}
	t := make(http.Header)
	for _, name := range r.TrailerNames {
		if isLowerToken(name) && !notInTrailer(name) {
			t[http.CanonicalHeaderKey(name)] = nil
		}
	}
	return t
}

// beginRelay takes over the response head.
func (e *Exchange) beginRelay(r *Request) error {
	resp := e.relay.resp
	var err error
	e.Status = resp.StatusCode
	if e.Header, e.ContentLength, err = relayFields(resp.Header); err != nil {
		return err
	}
	if e.Status < 200 && e.Status != http.StatusSwitchingProtocols || e.Status > 999 {
		return malformed("bad status code")
	}
	if e.Status == http.StatusSwitchingProtocols {
		rw, ok := resp.Body.(io.ReadWriteCloser)
		if r.Upgrade == "" || !ok || !equalFold(resp.Header.Get("Upgrade"), strings.ToLower(r.Upgrade)) {
			return malformed("switched to a protocol that was not asked for")
		}
		e.mode, e.relay.tunnel = bodyUpgraded, rw
		e.relay.stopWatch()
		if !e.attach(rw, e.relay.cancel) {
			return errCanceled
		}
		return nil
	}
	if e.Status == http.StatusNoContent {
		e.ContentLength = -1
	}
	if resp.Body == http.NoBody || r.Method == "HEAD" || e.Status == http.StatusNotModified {
		e.done = true
		return nil
	}
	e.Header = appendAnnounced(e.Header, resp.Trailer)
	return nil
}

// appendAnnounced appends the Trailer field that net/http has made a map of.
func appendAnnounced(fields []hpack.HeaderField, trailer http.Header) []hpack.HeaderField {
	var names []string
	for name := range trailer {
		if name = strings.ToLower(name); isToken(name) && !notInTrailer(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return fields
	}
	slices.Sort(names)
	return append(fields, hpack.HeaderField{Name: "trailer", Value: strings.Join(names, ", ")})
}

// relayFields makes fields of h, without what concerns one hop alone.
func relayFields(h http.Header) (fields []hpack.HeaderField, length int64, err error) {
	length = -1
	fields = make([]hpack.HeaderField, 0, len(h)+4)
	for name, values := range h {
		name = strings.ToLower(name)
		if name == "content-length" && len(values) == 1 {
			n, ok := parseLength(values[0])
			if !ok {
				return nil, 0, malformed("bad content-length")
			}
			length = n
		}
		if framing(name) || named(h["Connection"], name) {
			continue
		}
		if !isToken(name) {
			return nil, 0, malformed("bad field name")
		}
		for _, value := range values {
			if !isValue(value) {
				return nil, 0, malformed("control character in a field value")
			}
			fields = append(fields, hpack.HeaderField{Name: name, Value: trimSpace(value)})
		}
	}
	if len(fields) > MaxHeadFields {
		return nil, 0, tooLarge("too many fields")
	}
	return fields, length, nil
}

// trimSpace takes off what a value may not begin or end with on HTTP/2 (RFC 9113
// section 8.2.1). net/http lets it pass, and clients may refuse the response.
func trimSpace(value string) string { return strings.Trim(value, " \t") }

// named says that a Connection field names the field.
func named(connection []string, field string) bool {
	for _, value := range connection {
		for option := range strings.SplitSeq(value, ",") {
			if equalFold(strings.Trim(option, " \t"), field) {
				return true
			}
		}
	}
	return false
}

func (e *Exchange) readRelay(p []byte) (int, error) {
	switch {
	case e.err != nil:
		return 0, e.err
	case e.done || e.mode == bodyUpgraded:
		return 0, io.EOF
	}
	e.relay.wait()
	n, err := e.relay.resp.Body.Read(p)
	e.relay.waiting.Store(0)
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		e.done = true
		for name, values := range e.relay.resp.Trailer {
			if name = strings.ToLower(name); notInTrailer(name) || !isToken(name) {
				continue
			}
			for _, value := range values {
				if isValue(value) {
					e.trailer = append(e.trailer, hpack.HeaderField{Name: name, Value: trimSpace(value)})
				}
			}
		}
		return n, io.EOF
	}
	return n, e.failRelay(err)
}

// closeRelay lets go of the response and of the request's body.
func (e *Exchange) closeRelay() {
	rl := e.relay
	rl.stopWatch()
	rl.cancel()
	if rl.resp != nil {
		_ = rl.resp.Body.Close()
	}
	if body := rl.body.Load(); body != nil {
		body.release()
	}
	if rl.own != nil {
		_ = rl.own.Close()
	}
}

// failAttempt makes an *Error of why there is no response.
func (e *Exchange) failAttempt(a *attempt, err error) error {
	rl := e.relay
	refused := a.refused(err)
	switch {
	case rl.reason.Load() != nil || rl.failure() != nil || a.connected.Load() && !refused:
		return e.failRelay(err)
	case refused:
		rl.cancel()
		// An interim response tells otherwise than the refusal after it.
		return e.fail(ReasonRefused, err, rl.hints.any())
	case isTLS(err):
		rl.cancel()
		return e.fail(ReasonTLS, err, false)
	}
	rl.cancel()
	return e.fail(dialReason(err), err, false)
}

// failRelay makes an *Error of net/http's, when there was a connection.
func (e *Exchange) failRelay(err error) error {
	rl := e.relay
	reason := parseReason(err)
	switch text := err.Error(); {
	case rl.reason.Load() != nil:
		reason = *rl.reason.Load()
	case rl.failure() != nil:
		reason, err = ReasonBodyAborted, rl.failure()
	// net/http has no types for these.
	case text == "http2: client connection lost": // no answer to a PING
		reason = ReasonReadTimeout
	case containsAny(text, "request header list larger"):
		reason = ReasonBadRequest
	case containsAny(text, "server response headers exceeded", "header list larger"):
		reason = ReasonHeadTooLarge
	case containsAny(text, "malformed", "Content-Length", "PROTOCOL_ERROR", "COMPRESSION_ERROR"):
		reason = ReasonBadResponse
	}
	rl.cancel()
	return e.fail(reason, err, true)
}

// failure is why reading the request's body failed, nil if it did not.
func (rl *relay) failure() error {
	if body := rl.body.Load(); body != nil {
		return body.failure()
	}
	return nil
}

// rewind makes the request's body what it was, if it can.
func (rl *relay) rewind(r *Request) bool {
	body := rl.body.Load()
	if body == nil {
		return true
	}
	body.release()
	next := body.again(r)
	if next == nil {
		return false
	}
	rl.body.Store(next)
	return true
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) ||
		strings.Contains(err.Error(), "tls: ")
}

// wait notes that the response is awaited from now on.
func (rl *relay) wait() { rl.waiting.Store(rl.now()) }

// now is the time since start, in ns and not 0.
func (rl *relay) now() int64 { return max(int64(time.Since(rl.start)), 1) }

// startWatch has check run when the first limit may have been reached.
func (rl *relay) startWatch(readTimeout, sendTimeout time.Duration) {
	first := shorter(readTimeout, sendTimeout)
	if first <= 0 {
		return
	}
	// Reset makes rl.watch visible to the goroutine that check runs on.
	rl.watch = time.AfterFunc(math.MaxInt64, func() { rl.check(readTimeout, sendTimeout) })
	rl.watch.Reset(first)
}

func (rl *relay) stopWatch() {
	rl.over.Store(true)
	if rl.watch != nil {
		rl.watch.Stop()
	}
}

// check runs from time to time, when a limit may have been reached; it ends the
// exchange then, or says when to look again.
func (rl *relay) check(readTimeout, sendTimeout time.Duration) {
	if rl.over.Load() {
		return
	}
	now, got := time.Duration(rl.now()), time.Duration(rl.got.Load())
	turn, since := turnBackend, time.Duration(0)
	if body := rl.body.Load(); body != nil {
		turn, since = body.turn(rl.start)
	}
	since = max(since, got)
	waiting := time.Duration(rl.waiting.Load())
	next := shorter(readTimeout, sendTimeout)
	switch {
	case got == 0: // dialling has limits of its own
	case turn == turnWrite && sendTimeout > 0:
		if next = since + sendTimeout - now; next <= 0 {
			rl.end(ReasonSendTimeout)
			return
		}
	case turn == turnBackend && waiting > 0 && readTimeout > 0:
		if next = max(waiting, since) + readTimeout - now; next <= 0 {
			rl.end(ReasonReadTimeout)
			return
		}
	}
	rl.watch.Reset(next)
}

func (rl *relay) end(reason string) {
	rl.reason.Store(&reason)
	rl.cancel()
}

// shorter is the lesser of two timeouts of which those <= 0 mean none.
func shorter(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}
