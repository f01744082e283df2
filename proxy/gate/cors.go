package gate

import (
	"net/http"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// share settles what a response says to a script of another origin, by the terms
// of its route (Fetch, section 3.3), and answers a browser that asks beforehand
// (a CORS-preflight request). It tells whether it has answered.
func share(r *message.Request, t *hostmap.CORSTerms) bool {
	origin := r.Get("origin")
	if origin == "" {
		return false
	}
	// What one origin is told must not be told to another one out of a cache.
	r.CORS = append(r.CORS[:0], message.Field("vary", "origin"))
	allowed, ok := t.Allows(origin)
	add := func(name, value string) {
		if ok && value != "" {
			r.CORS = append(r.CORS, hpack.HeaderField{Name: name, Value: value})
		}
	}
	add("access-control-allow-origin", allowed)
	if t.Credentials {
		add("access-control-allow-credentials", "true")
	}
	if r.Method != http.MethodOptions || r.Get("access-control-request-method") == "" {
		add("access-control-expose-headers", t.Expose)
		return false
	}
	add("access-control-allow-methods", t.Methods)
	add("access-control-allow-headers", t.Headers)
	add("access-control-max-age", t.MaxAge)
	r.Status = http.StatusNoContent
	r.Fields = append(r.Fields[:0], message.FieldServer)
	r.Finish(nil)
	return true
}
