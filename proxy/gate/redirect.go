package gate

import (
	"strconv"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// redirect sends the client to where the verdict says. httpsAt is what stands
// behind the host in our own URLs.
func redirect(r *message.Request, v *hostmap.Verdict, by *variables, httpsAt string) {
	location := hostmap.Expand(v.Location(), by)
	if location == "" {
		location = "https://" + r.Host + httpsAt + r.Path
	}
	r.Status = v.Status
	r.Fields = append(r.Fields[:0], message.Field("location", location), message.FieldServer, message.FieldNoContent)
	r.Finish(nil)
}

func portSuffix(port int) string {
	if port == 443 {
		return ""
	}
	return ":" + strconv.Itoa(port)
}
