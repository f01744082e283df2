//go:build !linux

package e2e

// blackHole needs Linux.
func (r *rollout) blackHole() pod {
	r.t.Skip("only Linux drops what asks a full listener for a connection")
	return pod{}
}
