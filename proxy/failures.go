package proxy

import (
	"errors"

	"github.com/ingress421/ingress421/proxy/upstream"
)

// backendFailed tells whether a request has failed on the backend's side of us,
// and not because of its client.
func (r *request) backendFailed() bool {
	switch r.reason {
	case "", reasonAborted, upstream.ReasonCanceled, upstream.ReasonBodyAborted, upstream.ReasonBadRequest:
		return false
	}
	if r.verdict.Route == nil || r.verdict.Route.Backend == nil {
		return false
	}
	switch r.status {
	case 502, 503, 504, 508:
		return true
	}
	return r.err != nil // a response that has begun
}

// causeOf is an error without the reason, which stands beside it.
func causeOf(err error) error {
	var e *upstream.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err
	}
	return err
}
