package forward

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

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

// goesRound tells whether a request has passed too often. It runs for every
// request.
func goesRound(h *message.Head, mark string) bool {
	mine, all := 0, 0
	for i := range h.Header {
		if h.Header[i].Name == hostmap.LoopField {
			m, a := hostmap.Passes(h.Header[i].Value, mark)
			mine, all = mine+m, all+a
		}
	}
	return mine >= maxOwnPasses || all >= maxPasses
}
