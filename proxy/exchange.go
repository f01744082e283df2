package proxy

import (
	"io"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// exchange is one request's body and the means to answer it, whichever
// protocol carries them. Field names are in lower case.
type exchange interface {
	// Read reads the request's body.
	io.Reader
	// Trailer is the request's, complete after io.EOF, or at any time where
	// the body is whole.
	Trailer() []hpack.HeaderField
	// WriteInterim sends a 1xx response. Another goroutine than the reader's
	// may call it, but not while one of the other methods that write runs.
	WriteInterim(status int, h []hpack.HeaderField) error
	// WriteHeader begins the response, and ends it where end is set. After 101
	// (HTTP/1.1) or 200 to an extended CONNECT (HTTP/2) Read and Write carry
	// the tunnel.
	WriteHeader(status int, h []hpack.HeaderField, end bool) error
	// Respond sends a whole response; body may be empty.
	Respond(status int, h []hpack.HeaderField, body []byte) error
	// RespondBlock sends a whole response whose header begins with b.
	RespondBlock(b *h2.Block, more []hpack.HeaderField, body []byte) error
	// Write sends response content. It returns when p may be reused.
	Write(p []byte) (int, error)
	// WriteEnd sends the last of the content, which may be empty.
	WriteEnd(p []byte) error
	// WriteTrailer ends the response with trailer fields. On HTTP/1.1 a message
	// of known length has no trailer section, and RFC 9110 section 6.5.1 lets a
	// recipient discard one: they go no further then.
	WriteTrailer(h []hpack.HeaderField) error
	// Reset gives the exchange up in a way that the client can tell from an
	// end.
	Reset(code http2.ErrCode)
	// OnCancel names who is to be told, once, when the client gives up; nil
	// for nobody any more.
	OnCancel(c h2.Canceler)
	// setClose asks for the connection to be closed after this exchange,
	// gracefully where others are under way.
	setClose()
	// stopRead ends a Read that waits, and every one after it. Another
	// goroutine than the reader's may call it.
	stopRead()
}

// Protocols as metrics and logs name them.
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)

// request is the head of a request and all that is decided about it. It is
// owned by one exchange and reused by the next.
type request struct {
	// As the client sent it.
	protocol  string
	method    string
	scheme    string // "" where the request names none
	authority string
	// hasAuthority: there is one, empty or not, that is no Host field.
	hasAuthority bool
	target       string // path and query
	tunnel       string // the protocol of an Upgrade or an extended CONNECT
	// header becomes the backend's, and then what letGo leaves.
	header []hpack.HeaderField
	// contentLength is -1 where it is unknown, 0 where there is no content.
	contentLength int64
	// bodyWhole: reading the body will not block.
	bodyWhole bool
	// expects: the client waits for a 100 before it sends the body.
	expects bool
	// continued: it was told to send it. The body may be read on another
	// goroutine than the answer is written.
	continued atomic.Bool
	// unmet: it waits for something else (RFC 9110 section 10.1.1).
	unmet bool
	// absolute: an HTTP/1.1 target in absolute form, beside which Host does
	// not count.
	absolute bool

	// Settled by admit.
	conn  *conn
	live  *live
	start time.Time
	host  string // canonical
	// hostport is host with the client's port, where it named one: what the
	// backend is asked for.
	hostport string
	port     uint16
	path     string // canonical, with query
	verdict  hostmap.Verdict
	stats    *observe.Site

	// Settled by the answer.
	status   int
	reason   string
	err      error // the cause of reason, where there is more to say
	endpoint netip.AddrPort
	sent     int64

	http1 http1Exchange // of an HTTP/1.1 request

	// Scratch, reused.
	up      upstream.Request
	turn    balance.Turn
	ex      exchange // for interim
	interim func(status int, h []hpack.HeaderField)
	fields  []hpack.HeaderField
	kept    [3]hpack.HeaderField // what letGo leaves of header
	clear   []string
}

// reset makes a request ready for reuse without giving up its scratch space.
func (r *request) reset() {
	// What lies behind the length is of no request, and old text would keep
	// whole heads in memory.
	clear(r.fields[:cap(r.fields)])
	clear(r.clear[:cap(r.clear)])
	*r = request{fields: r.fields[:0], clear: r.clear[:0], interim: r.interim}
}

// observed is what there is to tell of a request.
func (r *request) observed() observe.Exchange {
	x := observe.Exchange{
		Start:    r.start,
		Protocol: r.protocol, Method: r.method, Authority: r.authority, Target: r.target,
		Header: r.header,
		Facts:  &r.conn.facts, Source: netip.AddrPortFrom(r.conn.source, r.conn.sourcePort),
		Host: r.host, Path: r.path, Verdict: &r.verdict, Site: r.stats,
		Status: r.status, Reason: r.reason, Endpoint: r.endpoint, Sent: r.sent,
		BackendFailed: r.backendFailed(),
	}
	if r.err != nil {
		x.Err = causeOf(r.err)
	}
	return x
}

// get returns the first value of a field of the request.
func (r *request) get(name string) string {
	for i := range r.header {
		if r.header[i].Name == name {
			return r.header[i].Value
		}
	}
	return ""
}

// isGRPC tells a gRPC call by its content type (gRPC over HTTP/2, "Requests").
func (r *request) isGRPC() bool {
	ct := r.get("content-type")
	const grpc = "application/grpc"
	return len(ct) >= len(grpc) && ct[:len(grpc)] == grpc &&
		(len(ct) == len(grpc) || ct[len(grpc)] == '+' || ct[len(grpc)] == ';')
}
