package message

import (
	"net/http"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// Field is a field of a response of our own.
func Field(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }

// NameHSTS is the name of RFC 6797's field.
const NameHSTS = "strict-transport-security"

// Fields that several answers have.
var (
	FieldServer    = Field("server", "ingress421")
	FieldNoStore   = Field("cache-control", "no-store")
	FieldText      = Field("content-type", "text/plain; charset=utf-8")
	FieldGRPC      = Field("content-type", "application/grpc")
	FieldNoContent = Field("content-length", "0")
	fieldRetry     = Field("retry-after", "1")
)

// ProxyStatus is the Proxy-Status field (RFC 9209) of an error of a type of its
// section 2.3, with the reason in one word.
func ProxyStatus(errorType, reason string) hpack.HeaderField {
	return Field("proxy-status", `ingress421; error=`+errorType+`; details="`+reason+`"`)
}

// AnswerError answers with what went wrong in one word, and as an error type of
// RFC 9209 section 2.3.
func (r *Request) AnswerError(status int, reason, errorType string, more ...hpack.HeaderField) {
	r.Status, r.Reason = status, reason
	if r.IsGRPC() {
		r.GRPCStatus = grpcStatus(status)
		r.Fields = append(r.Fields[:0], FieldGRPC, FieldServer, FieldNoStore,
			Field("grpc-status", r.GRPCStatus),
			Field("grpc-message", reason))
		r.Fields = append(r.Fields, more...)
		r.Finish(nil)
		return
	}
	body := strconv.AppendInt(make([]byte, 0, 64), int64(status), 10)
	body = append(body, ' ')
	body = append(body, http.StatusText(status)...)
	body = append(body, ": "...)
	body = append(body, reason...)
	body = append(body, '\n')
	r.Fields = append(r.Fields[:0], FieldText, FieldServer, FieldNoStore,
		Field("content-length", strconv.Itoa(len(body))),
		ProxyStatus(errorType, reason))
	r.Fields = append(r.Fields, more...)
	if status == http.StatusServiceUnavailable {
		r.Fields = append(r.Fields, fieldRetry)
	}
	r.Finish(body)
}

// Finish sends a whole response of our own, of Status and Fields.
func (r *Request) Finish(body []byte) {
	body = r.complete(body)
	_ = r.ex.Respond(r.Status, r.Fields, body)
}

// FinishBlock sends a whole response of our own whose header is ready made. Status
// says what is in it.
func (r *Request) FinishBlock(b *Block, body []byte) {
	r.Fields = r.Fields[:0]
	body = r.complete(body)
	_ = r.ex.RespondBlock(b, r.Fields, body)
}

// complete adds to Fields what every response of our own has, and returns what of
// its body is sent.
func (r *Request) complete(body []byte) []byte {
	r.Fields = append(r.Fields, r.Date())
	if r.HSTS != "" {
		r.Fields = append(r.Fields, Field(NameHSTS, r.HSTS))
	}
	r.Fields = append(r.Fields, r.CORS...)
	r.Fields = EditFields(r.Fields, r.ResponseEdits, r.Status)
	if r.Method == http.MethodHead {
		body = nil
	}
	r.Sent = int64(len(body))
	return body
}

// grpcStatus maps a status of ours to a gRPC status code (gRPC, "HTTP to gRPC
// Status Code Mapping").
func grpcStatus(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "12" // UNIMPLEMENTED
	case http.StatusForbidden:
		return "7" // PERMISSION_DENIED
	case http.StatusUnauthorized:
		return "16" // UNAUTHENTICATED
	case http.StatusRequestEntityTooLarge:
		return "8" // RESOURCE_EXHAUSTED, as for a message that is too large
	case http.StatusBadRequest, http.StatusLoopDetected:
		return "13" // INTERNAL; clients repeat what is UNAVAILABLE
	default:
		return "14" // UNAVAILABLE
	}
}

// Date is the Date field of a response (RFC 9110 section 6.6.1).
func (r *Request) Date() hpack.HeaderField { return Field("date", r.clock.at(r.Start)) }
