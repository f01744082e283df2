package h2

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/net/http2"
)

// Why a connection ended: the bounded set of words that Conn.Serve returns.
const (
	ClosedPeer              = "peer"               // the client closed it
	ClosedIO                = "io_error"           // reading or writing failed
	ClosedLocal             = "closed"             // Conn.Close
	ClosedIdle              = "idle"               // no request for IdleTimeout
	ClosedDrained           = "drained"            // Conn.Drain or MaxAge, streams finished
	ClosedPreface           = "bad_preface"        // not HTTP/2
	ClosedPrefaceTimeout    = "preface_timeout"    // preface or SETTINGS not whole in time
	ClosedSettingsTimeout   = "settings_timeout"   // our SETTINGS not acknowledged in time
	ClosedHeaderTimeout     = "header_timeout"     // a header block or control frame not whole in time
	ClosedStall             = "stall"              // a write or a DATA frame did not move for StallTimeout
	ClosedProtocol          = "protocol_error"     // RFC 9113 violated
	ClosedFlowControl       = "flow_control_error" // a window was overrun or overflowed
	ClosedFrameSize         = "frame_size_error"   // a frame of impossible length
	ClosedCompression       = "compression_error"  // HPACK could not be decoded
	ClosedRapidReset        = "rapid_reset"        // too many resets before a response's end, or requests refused
	ClosedControlFlood      = "control_flood"      // too many unearned control frames
	ClosedContinuationFlood = "continuation_flood" // a header block of too many frames or octets
	ClosedDataFlood         = "data_flood"         // too many DATA frames that carry next to nothing, or on closed streams
)

// Why the engine itself ended a stream: the bounded set given to Engine.Refuse
// and Engine.Cut.
const (
	WhyMalformed   = "malformed"    // RFC 9113 section 8 violated
	WhyHeaderList  = "header_list"  // over MaxHeaderBytes or MaxHeaderFields: 431
	WhyConcurrency = "concurrency"  // over MaxStreams
	WhyStall       = "stall"        // a body did not move for StallTimeout
	WhySlow        = "slow"         // a body moved less than LeastRate asks in it
	WhyFlowControl = "flow_control" // a stream's window was overrun or overflowed
	WhyState       = "state"        // a frame the stream's state does not allow
)

// connError ends the connection: GOAWAY with code, counted under reason.
type connError struct {
	code   http2.ErrCode
	reason string // one of the Closed constants
	msg    string // debug data of the GOAWAY frame
}

func (e *connError) Error() string {
	return fmt.Sprintf("h2: connection error %v: %s", e.code, e.msg)
}

// streamError ends one stream: RST_STREAM with code, told as why.
type streamError struct {
	id   uint32
	code http2.ErrCode
	why  string // one of the Why constants
	msg  string
}

func (e *streamError) Error() string {
	return fmt.Sprintf("h2: stream %d error %v: %s", e.id, e.code, e.msg)
}

// ResetError is what Read and Write return once the stream was reset.
type ResetError struct {
	Code http2.ErrCode
	Peer bool // by the client, not by this side
}

func (e *ResetError) Error() string {
	if e.Peer {
		return "h2: stream reset by the client: " + e.Code.String()
	}
	return "h2: stream reset: " + e.Code.String()
}

var (
	// ErrClosed is returned by a stream's methods once its connection is gone.
	ErrClosed = errors.New("h2: connection closed")
	// ErrReadStopped is returned by Read after StopRead.
	ErrReadStopped = errors.New("h2: reading was stopped")
	// ErrResponse is returned for a response written out of order: a body
	// before its header, or anything after its end.
	ErrResponse = errors.New("h2: response written out of order")

	errStop = errors.New("h2: connection stopped")
	errCold = errors.New("h2: nothing of a frame has come for a while")
)

func protocolError(msg string) error {
	return &connError{http2.ErrCodeProtocol, ClosedProtocol, msg}
}

func frameSizeError(msg string) error {
	return &connError{http2.ErrCodeFrameSize, ClosedFrameSize, msg}
}

func calm(reason, msg string) error {
	return &connError{http2.ErrCodeEnhanceYourCalm, reason, msg}
}

// fromFramer gives the Framer's errors their scope.
func fromFramer(fh http2.FrameHeader, err error) error {
	switch e := err.(type) {
	case http2.ConnectionError:
		code := http2.ErrCode(e)
		switch code {
		case http2.ErrCodeFrameSize:
			return frameSizeError("bad length of " + fh.Type.String())
		case http2.ErrCodeFlowControl:
			return &connError{code, ClosedFlowControl, "bad " + fh.Type.String()}
		}
		return &connError{code, ClosedProtocol, "bad " + fh.Type.String()}
	case http2.StreamError:
		return &streamError{e.StreamID, e.Code, WhyMalformed, "bad " + fh.Type.String()}
	}
	if errors.Is(err, http2.ErrFrameTooLarge) {
		return frameSizeError("frame larger than SETTINGS_MAX_FRAME_SIZE")
	}
	return err
}

// ioReason tells a client that has gone from a connection that has failed.
func ioReason(err error) string {
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return ClosedPeer
		}
	}
	return ClosedIO
}
