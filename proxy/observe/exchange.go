package observe

import (
	"net/netip"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Exchange is what there is to tell of a request and its response. The Observer
// keeps nothing of it.
type Exchange struct {
	// Start is when the head of the request was whole.
	Start time.Time
	// As the client sent it. Target is path and query.
	Protocol, Method, Authority, Target string
	// Header is asked for what the access log tells of it.
	Header []hpack.HeaderField

	// Its connection. Source is the client's address: the peer's, or the one
	// that a PROXY header names; its port is 0 where there is none.
	Facts  *hostmap.Facts
	Source netip.AddrPort

	// What was decided. Host and Path are canonical, Path with the query.
	Host, Path string
	Verdict    *hostmap.Verdict
	Site       *Site

	// How it ended. Status is what the client was sent, or StatusClientGone;
	// Reason is "" where nothing went wrong; Err is the cause of Reason, where
	// there is more to say.
	Status int
	Reason string
	Err    error
	// Backend is where the request was to be sent, nil for that of the verdict's
	// route; Endpoint is where it was sent, zero for nowhere.
	Backend  *hostmap.Backend
	Endpoint netip.AddrPort
	Sent     int64 // octets of content
	Received int64 // octets of content
	// UpstreamTime is how long the last endpoint took to answer, from when it was
	// asked; 0 where none did, or nobody asks. GRPCStatus is that of a gRPC call,
	// as far as it is known.
	UpstreamTime time.Duration
	GRPCStatus   string
	// BackendFailed: on the backend's side, and not because of the client. The
	// verdict has a route then.
	BackendFailed bool
}

// backend is where the request was to be sent. The verdict has a route.
func (x *Exchange) backend() *hostmap.Backend {
	if x.Backend != nil {
		return x.Backend
	}
	return x.Verdict.Route.Backend
}

// get returns the first value of a field of the request.
func (x *Exchange) get(name string) string {
	for i := range x.Header {
		if x.Header[i].Name == name {
			return x.Header[i].Value
		}
	}
	return ""
}
