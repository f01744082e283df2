package forward

import (
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// aim has the request go to the backend and the endpoint that the route and its
// terms say it is for. It reads the header as the client sent it.
func (p *Passage) aim(r *message.Request) {
	terms := &p.route.Terms
	if terms.Affinity != (hostmap.Affinity{}) {
		p.resume(r)
		return
	}
	if p.canary != nil && p.canaryTakes(r) {
		p.toCanary()
	}
	if by, ok := terms.HashBy.Terms(); ok {
		if key, some := hashKey(r, by.Key, p.site.Class); some {
			p.turn.AimAt(key, by.Among)
		}
	}
}
