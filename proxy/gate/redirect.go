package gate

import (
	"strconv"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// redirect sends the client to the same URL under https.
func (g *Gate) redirect(r *message.Request, v *hostmap.Verdict) {
	r.Status = v.Status
	r.Fields = append(r.Fields[:0], message.Field("location", "https://"+r.Host+g.httpsAt+r.Path), message.FieldServer, message.FieldNoContent)
	r.Finish(nil)
}

func portSuffix(port int) string {
	if port == 443 {
		return ""
	}
	return ":" + strconv.Itoa(port)
}
