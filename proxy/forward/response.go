package forward

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// respond sends the backend's response to the client.
func respond(r *message.Request, p *Passage, buffers *copyBuffers, x *upstream.Exchange) {
	fields := responseFields(r, x)
	if body, whole := x.Whole(); whole {
		respondWhole(r, fields, body, x.Trailer())
		return
	}
	if r.WriteHeader(fields, false) != nil {
		r.Reason = reasonAborted
		return
	}
	buf := buffers.get()
	defer buffers.put(buf)
	for {
		n, err := x.Read(*buf)
		r.Sent += int64(n)
		last := errors.Is(err, io.EOF)
		if last && len(x.Trailer()) == 0 {
			if r.WriteEnd((*buf)[:n]) != nil {
				r.Reason = reasonAborted
			}
			return
		}
		if n > 0 {
			if _, werr := r.Write((*buf)[:n]); werr != nil {
				r.Reason = reasonAborted
				return
			}
		}
		if last {
			_ = r.WriteTrailer(x.Trailer())
			return
		}
		if err == nil {
			continue
		}
		// The client must be able to tell this from an end.
		r.Reason, r.Err = reasonOf(err), err
		p.count(r.Reason)
		r.Break()
		return
	}
}

// grpcStatus is the status of a gRPC call whose response has been sent: a trailer
// field, or one of the header where there is nothing else (gRPC over HTTP/2,
// "Trailers-Only"). What is no number of at most two digits is none.
func grpcStatus(x *upstream.Exchange) string {
	for _, fields := range [][]hpack.HeaderField{x.Trailer(), x.Header} {
		for i := range fields {
			f := &fields[i]
			if f.Name != "grpc-status" {
				continue
			}
			if code, err := strconv.ParseUint(f.Value, 10, 8); err == nil && code < 100 {
				return strconv.Itoa(int(code)) // in memory that is not the head's
			}
		}
	}
	return ""
}

// respondWhole sends a response whose content is all there.
func respondWhole(r *message.Request, fields []hpack.HeaderField, body []byte, trailer []hpack.HeaderField) {
	r.Sent = int64(len(body))
	if len(trailer) == 0 {
		_ = r.Respond(fields, body)
		return
	}
	if r.WriteHeader(fields, false) != nil {
		return
	}
	if _, err := r.Write(body); err == nil {
		_ = r.WriteTrailer(trailer)
	}
}

// responseFields is the backend's response header as the client gets it.
func responseFields(r *message.Request, x *upstream.Exchange) []hpack.HeaderField {
	out := r.Fields[:0]
	server, date := false, false
	for i := range x.Header {
		f := &x.Header[i]
		switch f.Name {
		case "server":
			server = true
		case "date":
			date = true
		case "sec-websocket-accept":
			if !r.ByUpgrade() {
				continue
			}
		case message.NameHSTS:
			// Clients heed the first alone (RFC 6797 section 8.1).
			if r.HSTS != "" {
				continue
			}
		case "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
			"access-control-allow-methods", "access-control-allow-headers", "access-control-max-age":
			if len(r.CORS) != 0 {
				continue
			}
		case "alt-svc":
			// It speaks of the backend's own address, which is not ours.
			continue
		}
		out = append(out, *f)
	}
	if !server {
		out = append(out, message.FieldServer)
	}
	if !date {
		// RFC 9110 section 6.6.1: who forwards a response without one adds it.
		out = append(out, r.Date())
	}
	if r.HSTS != "" {
		out = append(out, message.Field(message.NameHSTS, r.HSTS))
	}
	out = append(out, r.CORS...)
	if r.Cookie != "" {
		out = append(out, message.Field("set-cookie", r.Cookie))
	}
	out = message.EditFields(out, r.ResponseEdits, x.Status)
	if x.ContentLength >= 0 && x.Status != http.StatusSwitchingProtocols {
		out = append(out, message.Field("content-length", strconv.FormatInt(x.ContentLength, 10)))
	}
	r.Fields = out
	return out
}
