package forward

import (
	"math/rand/v2"

	"github.com/ingress421/ingress421/proxy/message"
)

// canaryTakes tells whether the canary of the route takes a request. One without
// endpoints takes none.
func (p *Passage) canaryTakes(r *message.Request) bool {
	t, _ := p.route.Canary.Terms()
	if p.canaryGone() {
		return false
	}
	cookie := ""
	if t.Cookie != "" {
		for cookie = range cookies(r, t.Cookie) {
			break
		}
	}
	header := ""
	if t.Header != "" {
		header = r.Get(t.Header)
	}
	return t.Takes(header, cookie, rand.Uint32N(max(t.Total, 1)))
}

// canaryGone tells that the canary has no endpoints.
func (p *Passage) canaryGone() bool {
	t, _ := p.route.Canary.Terms()
	return len(t.Backend.Endpoints) == 0
}

// toCanary sends the request to the canary. The route stays what it is, and with
// it all that is asked of the request.
func (p *Passage) toCanary() {
	t, _ := p.route.Canary.Terms()
	p.backend, p.to = p.canary, t.Backend
}
