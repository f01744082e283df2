package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
)

// field is a field of a response of our own.
func field(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }

var (
	fieldServer    = field("server", "ingress421")
	fieldNoStore   = field("cache-control", "no-store")
	fieldText      = field("content-type", "text/plain; charset=utf-8")
	fieldProblem   = field("content-type", "application/problem+json")
	fieldGRPC      = field("content-type", "application/grpc")
	fieldRetry     = field("retry-after", "1")
	fieldNoContent = field("content-length", "0")
)

// misdirectedAnswer is all that can be said once about a 421 of one reason:
// nothing in it depends on the request, so that a flood of them costs little
// and tells nothing.
type misdirectedAnswer struct {
	reason                          hostmap.Reason
	text, problem                   []byte
	textHead, problemHead, grpcHead *h2.Block
}

// sentence says what a reason means to whoever reads the response.
func sentence(reason hostmap.Reason) string {
	switch reason {
	case hostmap.ReasonScheme:
		return "The request's scheme is not the one of this connection."
	case hostmap.ReasonTLSPolicy:
		return "This connection was not made under the TLS policy of the requested host."
	case hostmap.ReasonCertificate:
		return "The certificate of this connection does not cover the requested host."
	case hostmap.ReasonOtherCertificate:
		return "The certificate of this connection is not one of the requested host's."
	case hostmap.ReasonServerName:
		return "The requested host is not the server name that this connection was made for."
	default:
		return "The requested host is not served here."
	}
}

// proxyStatus is the value of the Proxy-Status field (RFC 9209).
func proxyStatus(err, details string) string {
	return `ingress421; error=` + err + `; details="` + details + `"`
}

// misdirectedAnswers holds one for each reason; they are so few that a scan
// finds one.
type misdirectedAnswers []*misdirectedAnswer

func (as misdirectedAnswers) of(reason hostmap.Reason) *misdirectedAnswer {
	for _, a := range as {
		if a.reason == reason {
			return a
		}
	}
	return as[0] // not reached: Judge has no other reasons
}

func newMisdirectedAnswers() (answers misdirectedAnswers) {
	for _, reason := range []hostmap.Reason{
		hostmap.ReasonCertificate, hostmap.ReasonServerName, hostmap.ReasonUnserved,
		hostmap.ReasonOtherCertificate, hostmap.ReasonTLSPolicy, hostmap.ReasonScheme,
	} {
		status := field("proxy-status", proxyStatus("http_request_denied", string(reason)))
		a := &misdirectedAnswer{
			reason: reason,
			text:   []byte("421 Misdirected Request: " + string(reason) + "\n" + sentence(reason) + "\n"),
			problem: []byte(`{"type":"https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20","title":"Misdirected Request","status":421,"detail":"` +
				sentence(reason) + `","reason":"` + string(reason) + `"}` + "\n"),
		}
		head := func(contentType hpack.HeaderField, body []byte) *h2.Block {
			return h2.NewBlock(http.StatusMisdirectedRequest,
				contentType, fieldNoStore, status, fieldServer, field("content-length", strconv.Itoa(len(body))))
		}
		a.textHead = head(fieldText, a.text)
		a.problemHead = head(fieldProblem, a.problem)
		a.grpcHead = h2.NewBlock(http.StatusMisdirectedRequest,
			fieldGRPC, fieldNoStore, status, fieldServer,
			field("grpc-status", "14"), field("grpc-message", "misdirected request: "+string(reason)))
		answers = append(answers, a)
	}
	return answers
}

// answerMisdirected answers 421 (RFC 9110 section 15.5.20).
func (s *Server) answerMisdirected(ex exchange, r *request) {
	a := s.answers.of(r.verdict.Reason)
	r.status, r.reason = http.StatusMisdirectedRequest, string(r.verdict.Reason)
	if r.verdict.Close {
		ex.setClose()
	}
	head, body := a.textHead, a.text
	switch {
	case r.isGRPC():
		head, body = a.grpcHead, nil
	case wantsProblem(r):
		head, body = a.problemHead, a.problem
	}
	r.fields = r.fields[:0]
	body = s.complete(r, body)
	_ = ex.RespondBlock(head, r.fields, body)
	s.done(r)
}

// answerRedirect sends the client to the same URL under https.
func (s *Server) answerRedirect(ex exchange, r *request, status int) {
	location := "https://" + r.host
	if s.cfg.ExternalHTTPSPort != 443 {
		location += ":" + strconv.Itoa(s.cfg.ExternalHTTPSPort)
	}
	r.status = status
	r.fields = append(r.fields[:0], field("location", location+r.path), fieldServer, fieldNoContent)
	s.finish(ex, r, nil)
}

// answerError answers for ourselves with what went wrong in one word.
func (s *Server) answerError(ex exchange, r *request, status int, reason string) {
	r.status, r.reason = status, reason
	if r.isGRPC() {
		r.fields = append(r.fields[:0], fieldGRPC, fieldServer, fieldNoStore,
			field("grpc-status", grpcStatus(status)),
			field("grpc-message", reason))
		s.finish(ex, r, nil)
		return
	}
	body := strconv.AppendInt(make([]byte, 0, 64), int64(status), 10)
	body = append(body, ' ')
	body = append(body, http.StatusText(status)...)
	body = append(body, ": "...)
	body = append(body, reason...)
	body = append(body, '\n')
	r.fields = append(r.fields[:0], fieldText, fieldServer, fieldNoStore,
		field("content-length", strconv.Itoa(len(body))),
		field("proxy-status", proxyStatus(proxyError(reason), reason)))
	if status == http.StatusServiceUnavailable {
		r.fields = append(r.fields, fieldRetry)
	}
	s.finish(ex, r, body)
}

// finish sends a whole response of our own, whose fields are in r.fields.
func (s *Server) finish(ex exchange, r *request, body []byte) {
	body = s.complete(r, body)
	_ = ex.Respond(r.status, r.fields, body)
	s.done(r)
}

// complete adds to r.fields what every response of our own has, and returns
// what of its body is sent.
func (s *Server) complete(r *request, body []byte) []byte {
	r.fields = append(r.fields, field("date", s.date.now(r.start)))
	if r.method == http.MethodHead {
		body = nil
	}
	r.sent = int64(len(body))
	return body
}

// wantsProblem tells whether the Accept field names application/problem+json
// with a weight above zero (RFC 9110 section 12.5.1). "*/*" does not name it.
func wantsProblem(r *request) bool {
	for i := range r.header {
		if r.header[i].Name != "accept" {
			continue
		}
		for rest, more := r.header[i].Value, true; more; {
			var item string
			item, rest, more = strings.Cut(rest, ",")
			mediaType, params, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(mediaType), "application/problem+json") {
				continue
			}
			if weight(params) > 0 {
				return true
			}
		}
	}
	return false
}

// weight is the q of a media range's parameters, 1 where there is none and 0
// where it cannot be read.
func weight(params string) float64 {
	for more := true; more; {
		var p string
		p, params, more = strings.Cut(params, ";")
		name, value, ok := strings.Cut(strings.TrimSpace(p), "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}

// grpcStatus maps a status of ours to a gRPC status code (gRPC, "HTTP to gRPC
// Status Code Mapping").
func grpcStatus(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "12" // UNIMPLEMENTED
	case http.StatusBadRequest, http.StatusLoopDetected:
		return "13" // INTERNAL; clients repeat what is UNAVAILABLE
	default:
		return "14" // UNAVAILABLE
	}
}
