package http1

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Why a connection ended: the bounded set of words that Conn.Serve returns.
const (
	ClosedPeer          = "peer"           // the client closed it
	ClosedIO            = "io_error"       // reading or writing failed
	ClosedIdle          = "idle"           // no request for IdleTimeout
	ClosedDrained       = "drained"        // Conn.Drain, the request under way finished
	ClosedHeaderTimeout = "header_timeout" // a head was not whole in time
	ClosedStall         = "stall"          // a body did not move for StallTimeout
	ClosedProtocol      = "protocol_error" // RFC 9112 violated
	ClosedEnded         = "ended"          // after a response that said so
)

// Why a request is refused: the bounded set given to Engine.Refuse.
const (
	WhyMalformed  = "malformed"   // RFC 9112 violated: 400
	WhyVersion    = "version"     // not HTTP/1.0 or 1.1: 505
	WhyHeaderList = "header_list" // over MaxHeaderBytes or MaxHeaderFields: 431
)

var (
	// ErrReadStopped is returned by Read after StopRead.
	ErrReadStopped = errors.New("http1: reading was stopped")
	// ErrResponse is returned for a response written out of order: a body
	// before its header, or anything after its end.
	ErrResponse = errors.New("http1: response written out of order")
	// ErrLength is returned where a response's content is longer or shorter
	// than its content-length.
	ErrLength = errors.New("http1: content is not as long as content-length says")
)

// errFailed is returned for what is written behind a write that failed.
var errFailed = errors.New("http1: an earlier write has failed")

// malformed is what is wrong with a message.
type malformed string

func (m malformed) Error() string { return "http1: " + string(m) }

// errTooLarge is a head, or a trailer section, over its limits.
var errTooLarge = errors.New("http1: header over its limits")

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// ioReason tells a client that has gone from a connection that has failed.
func ioReason(err error) string {
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return ClosedPeer
		}
	}
	return ClosedIO
}
