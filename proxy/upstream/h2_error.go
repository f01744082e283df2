package upstream

import (
	"errors"

	"golang.org/x/net/http2"
)

// h2Error ends a connection, or a stream, with the code that the backend is told.
type h2Error struct {
	code http2.ErrCode
	err  error
}

func (e *h2Error) Error() string { return e.err.Error() }

func h2Protocol(text string) error { return &h2Error{http2.ErrCodeProtocol, malformed(text)} }

func h2Closed(text string) error { return &h2Error{http2.ErrCodeStreamClosed, malformed(text)} }

func h2Flow(text string) error { return &h2Error{http2.ErrCodeFlowControl, malformed(text)} }

func h2Calm(text string) error { return &h2Error{http2.ErrCodeEnhanceYourCalm, malformed(text)} }

var (
	errGoneAway = errors.New("the backend goes away (GOAWAY)")
	errNoPing   = errors.New("no answer to a PING")
	errStalled  = errors.New("the backend takes nothing")
)

// fromFramer is the error of a frame that the Framer has refused.
func (c *h2conn) fromFramer(err error) error {
	var ce http2.ConnectionError
	switch {
	case errors.As(err, &ce):
		return &h2Error{http2.ErrCode(ce), malformed(err.Error())}
	case errors.Is(err, http2.ErrFrameTooLarge):
		return &h2Error{http2.ErrCodeFrameSize, malformed("frame larger than allowed")}
	}
	return err
}
