package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// maxDials is how many connections net/http may open for one attempt that finds
// none to be used: another request may have taken the last stream of the first.
const maxDials = 2

// errAnother ends an attempt that would go on by itself.
var errAnother = errors.New("no connection on which the backend takes the request")

// attempt is one sending of a request through net/http's Transport. That
// repeats what a backend has refused by GOAWAY (RFC 9113 section 6.8) or
// REFUSED_STREAM (section 8.7) for as long as it is refused, on connections that
// it opens without a pause. It is stopped where it begins to: how often a
// request is sent is doRelay's to say.
type attempt struct {
	relay          *relay
	transport      *transport
	connectTimeout time.Duration
	ctx            context.Context
	cancel         context.CancelFunc

	connected atomic.Bool // there was a connection
	written   atomic.Bool // a head was written to it
	http1     atomic.Bool // and it is one of HTTP/1.1, where repeating is bounded
	stopped   atomic.Bool // net/http was about to repeat the request
	dials     atomic.Int64
}

// attemptKey is the context key of an attempt.
type attemptKey struct{}

// newAttempt returns an attempt that ends with ctx.
func (e *Exchange) newAttempt(ctx context.Context) *attempt {
	a := &attempt{relay: e.relay, transport: e.pool.transport, connectTimeout: e.connectTimeout}
	a.ctx, a.cancel = context.WithCancel(context.WithValue(ctx, attemptKey{}, a))
	return a
}

// roundTrip sends req, with fresh over a connection of its own.
func (a *attempt) roundTrip(req *http.Request, fresh bool) (*http.Response, error) {
	req = req.WithContext(httptrace.WithClientTrace(a.ctx, &httptrace.ClientTrace{
		GotConn:        a.gotConn,
		WroteHeaders:   func() { a.written.Store(true) },
		Got1xxResponse: a.relay.hints.got,
	}))
	if body := a.relay.body.Load(); body != nil {
		req.Body, req.Trailer = body, body.into
	}
	if !fresh {
		return a.transport.kept.RoundTrip(req)
	}
	conn, err := a.transport.kept.NewClientConn(a.ctx, a.transport.scheme, hostPort(req.URL))
	if err != nil {
		return nil, err
	}
	a.got()
	resp, err := conn.RoundTrip(req)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	a.relay.own = conn
	return resp, nil
}

// hostPort is where a new connection takes its server name from. It is dialled
// as all others are.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}

// gotConn is called before a request is given to a connection of HTTP/2, and
// nothing is written to that once the attempt is canceled.
func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	if conn, ok := info.Conn.(*tls.Conn); ok && conn.ConnectionState().NegotiatedProtocol != "h2" {
		a.http1.Store(true)
	} else if a.connected.Load() {
		a.stopped.Store(true)
		a.cancel()
	}
	a.got()
}

func (a *attempt) got() {
	a.connected.Store(true)
	// The first one's time: what is repeated has no more of it.
	a.relay.got.CompareAndSwap(0, a.relay.now())
}

// dial is asked before a connection is opened for the attempt. Its error comes to
// nothing if the request has found another connection meanwhile.
func (a *attempt) dial() error {
	if !a.http1.Load() && (a.written.Load() || a.dials.Add(1) > maxDials) {
		return errAnother
	}
	return nil
}

// refused says that err, which RoundTrip returned, proves that the backend has
// not processed the request, and will not.
func (a *attempt) refused(err error) bool {
	if a.stopped.Load() || errors.Is(err, errAnother) {
		return true
	}
	var stream http2.StreamError
	if errors.As(err, &stream) {
		return stream.Code == http2.ErrCodeRefusedStream
	}
	// net/http has no types for these. What a backend may add to them stands
	// elsewhere.
	switch text := err.Error(); {
	case text == "http2: client conn could not be established",
		text == "http2: client conn not usable",
		// There was a body, and no stream for it after all. A connection of
		// HTTP/1.1 that fails is not followed by another if there is a body.
		text == "net/http: cannot rewind body after connection loss",
		text == "http2: Transport received Server's graceful shutdown GOAWAY":
		return true
	default:
		// The first is of a body that net/http cannot read again, the second of a
		// first stream above the last one of a GOAWAY that tells of an error.
		return strings.HasPrefix(text, "http2: Transport: cannot retry err [") ||
			strings.HasPrefix(text, "http2: Transport received GOAWAY from server ErrCode:")
	}
}

// heardNothing says that err, with which a connection was lost, came before any
// octet of a response. On HTTP/1.1 net/http returns what reading the first one
// came to as it is, and anything later with a text of its own before it.
func (a *attempt) heardNothing(err error) bool {
	if !a.http1.Load() {
		return true
	}
	_, bare := err.(*net.OpError)
	return bare || err == io.EOF
}
