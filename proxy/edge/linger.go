package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// gone tells an error that is the client's leaving.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Bounds of waiting for clients whose handshake was refused.
const (
	lingerTime   = 2 * time.Second
	lingerOctets = 256 << 10
	maxLingering = 256 // connections
)

// lingering counts the connections that are waited for.
type lingering struct{ n atomic.Int32 }

// end ends a connection whose handshake has failed by what we have said
// last. Under TLS 1.3 the client may have sent its request already; to close a
// socket with unread data makes a reset, which takes the alert with it (RFC 1122
// section 4.2.2.13). So our side is closed, and the client waited for, within
// what is left of the handshake's time. A flood of such clients is not.
func (l *lingering) end(c *Conn, err error, until time.Time) {
	var ne net.Error
	if gone(err) || errors.As(err, &ne) && ne.Timeout() {
		return // nobody listens, or nothing was said
	}
	if l.n.Add(1) <= maxLingering {
		var garbage tls.RecordHeaderError
		if errors.As(err, &garbage) && garbage.Conn != nil && looksLikeHTTP(garbage.RecordHeader) {
			_ = c.SetWriteDeadline(until)
			_, _ = io.WriteString(c, answerHTTPOnTLS)
		}
		if closeWrite(c.Conn) == nil {
			if soon := time.Now().Add(lingerTime); soon.Before(until) {
				until = soon
			}
			_ = c.SetReadDeadline(until)
			_, _ = io.CopyN(io.Discard, c.Conn, lingerOctets)
		}
	}
	l.n.Add(-1)
}

// closeWrite ends our side of a connection.
func closeWrite(nc net.Conn) error {
	if cw, ok := below(nc).(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}

// answerHTTPOnTLS is for clients that speak HTTP to the TLS port. There is no
// redirect: the request has been on the wire as it was.
const answerHTTPOnTLS = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nServer: ingress421\r\n" +
	"Connection: close\r\n\r\n400: this port speaks https; the request came as http\n"

// looksLikeHTTP tells the first octets of an HTTP/1 request from others.
func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "TRACE", "CONNE":
		return true
	}
	return false
}
