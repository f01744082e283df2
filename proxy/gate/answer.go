package gate

import (
	"net/http"
	"strconv"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// answerByTerms gives the answer that a verdict has found.
func answerByTerms(r *message.Request, v *variables, a *hostmap.Answer) {
	switch text := hostmap.Expand(a.Text, v); {
	case a.Redirects():
		r.Status = a.Status
		r.Fields = append(r.Fields[:0], message.Field("location", text), message.FieldServer, message.FieldNoContent)
		r.Finish(nil)
	case text == "" && a.Status >= http.StatusBadRequest:
		r.AnswerError(a.Status, string(hostmap.ReasonAnswer), requestDenied)
	default:
		kind := message.FieldText
		if a.Type != "" {
			kind = message.Field("content-type", a.Type)
		}
		r.Status = a.Status
		r.Fields = append(r.Fields[:0], message.FieldServer)
		if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
			r.Fields = append(r.Fields, kind, message.Field("content-length", strconv.Itoa(len(text))))
		} else {
			text = ""
		}
		r.Finish([]byte(text))
	}
}
