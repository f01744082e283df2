package forward

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// reasonLoop is that of a 508: the request goes round in circles.
const reasonLoop = "loop"

// How often a request may have passed before it is taken to go round in
// circles: through this process, and through any of our kind. A guard before
// another ingress421, chained clusters, and a backend that asks for another host
// by the same way have their reasons. A loop has none, and each round of it
// costs connections on all that it passes.
const (
	maxOwnPasses = 3
	maxPasses    = 10
)

// newLoopMark names this process in [hostmap.LoopField]. The name tells nothing.
func newLoopMark() string {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	return hostmap.LoopMark + hex.EncodeToString(id[:])
}

// Ends answers a request that goes round in circles. It does not block, and runs
// for every request. false: it is none.
func (f *Forwarder) Ends(r *message.Request) bool {
	mine, all := 0, 0
	for i := range r.Header {
		if r.Header[i].Name == hostmap.LoopField {
			m, a := hostmap.Passes(r.Header[i].Value, f.loopMark.Value)
			mine, all = mine+m, all+a
		}
	}
	if mine < maxOwnPasses && all < maxPasses {
		return false
	}
	r.AnswerError(http.StatusLoopDetected, reasonLoop, errorType(reasonLoop))
	return true
}
