package forward

import (
	"errors"
	"net/http"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Reasons of 413, 502, 503 and 504, beside those of upstream and hostmap.
const (
	reasonNoEndpoints         = "no_endpoints"
	reasonUpstreamMisdirected = "upstream_misdirected"
	reasonAborted             = "aborted"
	reasonNoTunnel            = "no_upgrade"
	reasonBodySize            = string(hostmap.ReasonBodySize)
)

// failed answers for a backend that did not, unless another try is in order.
func (f *Forwarder) failed(r *message.Request, p *Passage, err error) (again bool) {
	reason := reasonOf(err)
	f.count(p, reason)
	if p.turn.Failed(err) {
		return true
	}
	status := http.StatusBadGateway
	switch reason {
	case upstream.ReasonCanceled:
		r.Status, r.Reason = observe.StatusClientGone, reason
		r.Cancel()
		return false
	case upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		status = http.StatusBadRequest
	case reasonBodySize:
		status = http.StatusRequestEntityTooLarge
	case upstream.ReasonConnectTimeout, upstream.ReasonReadTimeout, upstream.ReasonSendTimeout:
		status = http.StatusGatewayTimeout
	case upstream.ReasonRefused:
		var e *upstream.Error
		if errors.As(err, &e) && e.BodyRead && !e.Sent {
			f.unprocessed(r, e)
			return false
		}
	}
	f.answerError(r, status, reason)
	return false
}

// unprocessed answers for a backend that has not processed a request and will
// not, when what was read of its body cannot be sent again from here. The client
// can, whatever the method.
func (f *Forwarder) unprocessed(r *message.Request, e *upstream.Error) {
	if !r.GiveBack() {
		f.answerError(r, http.StatusServiceUnavailable, e.Reason)
		return
	}
	r.Status, r.Reason = http.StatusServiceUnavailable, e.Reason
}

func (f *Forwarder) answerError(r *message.Request, status int, reason string) {
	r.AnswerError(status, reason, errorType(reason))
}

func reasonOf(err error) string {
	if errors.Is(err, message.ErrBodySize) {
		return reasonBodySize
	}
	var e *upstream.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return upstream.ReasonReset
}

// errorType is the Proxy-Status error type (RFC 9209 section 2.3) of a reason.
func errorType(reason string) string {
	switch reason {
	case upstream.ReasonConnect:
		return "connection_refused"
	case upstream.ReasonConnectTimeout:
		return "connection_timeout"
	case upstream.ReasonTLS:
		return "tls_protocol_error"
	case upstream.ReasonReadTimeout:
		return "connection_read_timeout"
	case upstream.ReasonSendTimeout:
		return "connection_write_timeout"
	case upstream.ReasonReset, upstream.ReasonRefused:
		return "connection_terminated"
	case upstream.ReasonBadResponse:
		return "http_protocol_error"
	case upstream.ReasonHeadTooLarge:
		return "http_response_header_section_size"
	case reasonLoop:
		return "proxy_loop_detected"
	case upstream.ReasonBodyAborted, upstream.ReasonBadRequest, reasonBodySize:
		return "http_request_error"
	default:
		return "destination_unavailable"
	}
}

// failed tells whether a request that was judged has failed on the backend's side
// of us, and not because of its client.
func (p *Passage) failed(r *message.Request) bool {
	switch r.Reason {
	case "", reasonAborted, reasonBodySize, upstream.ReasonCanceled, upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		return false
	}
	if p.route == nil {
		return false
	}
	switch r.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusLoopDetected:
		return true
	}
	return r.Err != nil // a response that has begun
}

// causeOf is what lies under a failure, without the reason, which stands beside it.
func causeOf(err error) error {
	var e *upstream.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}

// Record adds to what there is to tell of a request where it went, and how it
// failed there.
func (p *Passage) Record(r *message.Request, x *observe.Exchange) {
	x.Endpoint, x.BackendFailed = p.endpoint, p.failed(r)
	if r.Err != nil {
		x.Err = causeOf(r.Err)
	}
}
