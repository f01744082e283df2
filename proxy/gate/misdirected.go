package gate

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// grpcUnavailable is the status of a misdirected gRPC call (UNAVAILABLE).
const grpcUnavailable = "14"

var fieldProblem = message.Field("content-type", "application/problem+json")

// misdirectedAnswer is all that can be said once about a 421 of one reason:
// nothing in it depends on the request, so that a flood of them costs little
// and tells nothing.
type misdirectedAnswer struct {
	reason                          hostmap.Reason
	text, problem                   []byte
	textHead, problemHead, grpcHead *message.Block
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
		status := message.ProxyStatus(requestDenied, string(reason))
		a := &misdirectedAnswer{
			reason: reason,
			text:   []byte("421 Misdirected Request: " + string(reason) + "\n" + sentence(reason) + "\n"),
			problem: []byte(`{"type":"https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20","title":"Misdirected Request","status":421,"detail":"` +
				sentence(reason) + `","reason":"` + string(reason) + `"}` + "\n"),
		}
		head := func(contentType hpack.HeaderField, body []byte) *message.Block {
			return message.NewBlock(http.StatusMisdirectedRequest,
				contentType, message.FieldNoStore, status, message.FieldServer, message.Field("content-length", strconv.Itoa(len(body))))
		}
		a.textHead = head(message.FieldText, a.text)
		a.problemHead = head(fieldProblem, a.problem)
		a.grpcHead = message.NewBlock(http.StatusMisdirectedRequest,
			message.FieldGRPC, message.FieldNoStore, status, message.FieldServer,
			message.Field("grpc-status", grpcUnavailable), message.Field("grpc-message", "misdirected request: "+string(reason)))
		answers = append(answers, a)
	}
	return answers
}

// answer answers 421 (RFC 9110 section 15.5.20).
func (as misdirectedAnswers) answer(r *message.Request, v *hostmap.Verdict) {
	a := as.of(v.Reason)
	r.Status, r.Reason = http.StatusMisdirectedRequest, string(v.Reason)
	if v.Close {
		r.SetClose()
	}
	head, body := a.textHead, a.text
	switch {
	case r.IsGRPC():
		r.GRPCStatus = grpcUnavailable
		head, body = a.grpcHead, nil
	case wantsProblem(r):
		head, body = a.problemHead, a.problem
	}
	r.FinishBlock(head, body)
}

// wantsProblem tells whether the Accept field names application/problem+json
// with a weight above zero (RFC 9110 section 12.5.1). "*/*" does not name it.
func wantsProblem(r *message.Request) bool {
	for i := range r.Header {
		if r.Header[i].Name != "accept" {
			continue
		}
		for rest, more := r.Header[i].Value, true; more; {
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
