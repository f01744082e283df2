package forward

import (
	"errors"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Reasons of 401, 403, 413, 502, 503, 504 and 508, beside those of upstream and hostmap.
const (
	reasonNoEndpoints         = "no_endpoints"
	reasonUpstreamMisdirected = "upstream_misdirected"
	reasonAborted             = "aborted"
	reasonNoTunnel            = upstream.ReasonNoUpgrade
	reasonLoop                = "loop"             // the request goes round in circles
	reasonAuthDenied          = "auth_denied"      // a service does not let the request in
	reasonAuthUnavailable     = "auth_unavailable" // it cannot be asked, or says neither yes nor no
	reasonBodySize            = string(hostmap.ReasonBodySize)
)

// answerError answers for ourselves with what went wrong in one word.
func answerError(r *message.Request, status int, reason string) {
	r.AnswerError(status, reason, errorType(reason))
}

// reasonOf is the word for why an exchange with a backend has failed.
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

// causeOf is what lies under a failure, without the reason, which stands beside it.
func causeOf(err error) error {
	var e *upstream.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}
