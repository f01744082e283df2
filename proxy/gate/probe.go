package gate

import (
	"net/http"

	"github.com/ingress421/ingress421/proxy/message"
)

// isProbe tells whether a request asks for no host at all, as the health checks of
// balancers do that speak HTTP/1.0 (HAProxy's default is "OPTIONS / HTTP/1.0").
// There is no authority to judge, which is not the same as one that is empty, and
// nothing of a host is shown. Over TLS the server name would have to stand for
// the host, and so such a request stays malformed there.
func isProbe(r *message.Request) bool {
	if r.Client.Facts.TLS || r.HasAuthority || r.ContentLength != 0 {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		return false
	}
	for i := range r.Header {
		if r.Header[i].Name == "host" {
			return false
		}
	}
	return true
}

// alive answers a probe: whoever can ask is served.
func alive(r *message.Request) {
	r.Status = http.StatusOK
	r.Fields = append(r.Fields[:0], message.FieldServer, message.FieldNoStore, message.FieldNoContent)
	r.Finish(nil)
}
