package upstream

import (
	"errors"
	"os"
)

// Reasons of an Error: a bounded set, fit for metrics.
const (
	ReasonConnect        = "connect"         // no connection: refused, unreachable
	ReasonConnectTimeout = "connect_timeout" // no connection within ConnectTimeout
	ReasonTLS            = "tls"             // the TLS handshake failed, or the certificate was not accepted
	ReasonReadTimeout    = "read_timeout"    // no response head, or no more of the body, within ReadTimeout
	ReasonSendTimeout    = "send_timeout"    // the backend took nothing of the request for SendTimeout
	ReasonReset          = "reset"           // the connection was lost before the response was whole
	ReasonBadResponse    = "bad_response"    // the response breaks the rules of RFC 9112
	ReasonRefused        = "refused"         // the backend said that it did not process the request (RFC 9113 sections 6.8 and 8.7), or was lost before it got it; and was asked twice if that could be
	ReasonNoUpgrade      = "no_upgrade"      // the backend speaks HTTP/2 alone there, and offers no way to the protocol that was asked for
	ReasonHeadTooLarge   = "head_too_large"  // response head or trailers over MaxHeadBytes or MaxHeadFields
	ReasonCanceled       = "canceled"        // Cancel was called
	ReasonBodyAborted    = "body_aborted"    // reading the request body failed, or it was not as long as declared
	ReasonBadRequest     = "bad_request"     // the request cannot be written safely, or its head is more than the backend takes
)

// Error is the error of every method of Exchange (but io.EOF).
type Error struct {
	// Reason is one of the Reason constants.
	Reason string
	// Err is the cause, for the log.
	Err error
	// Sent says that some of the request may have reached the backend: it must
	// not be sent again unless its method is idempotent.
	Sent bool
	// BodyRead says that some of the request's Body was read: what is left of
	// it is not the whole request any more.
	BodyRead bool
	// Silent says that not an octet of a response had come, interim ones included.
	// It is set with ReasonReset alone.
	Silent bool
}

func (e *Error) Error() string {
	if e.Err == nil {
		return "upstream: " + e.Reason
	}
	return "upstream: " + e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var (
	errCanceled  = errors.New("canceled")
	errTruncated = errors.New("connection closed within the response")
)

// malformed is what is wrong with a response: the text of a bad_response.
type malformed string

func (m malformed) Error() string { return string(m) }

// tooLarge is the text of a head_too_large.
type tooLarge string

func (t tooLarge) Error() string { return string(t) }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// parseReason is the reason of an error met while reading a response.
func parseReason(err error) string {
	var m malformed
	var t tooLarge
	switch {
	case errors.As(err, &m):
		return ReasonBadResponse
	case errors.As(err, &t):
		return ReasonHeadTooLarge
	case isTimeout(err):
		return ReasonReadTimeout
	}
	return ReasonReset
}
