package source

import "time"

const (
	// minGap is the least time between two host maps.
	minGap = 20 * time.Millisecond
	// restShare is how many times as long as a rebuild took is rested after it,
	// so that rebuilding takes a fifth of a processor at most, whoever changes
	// objects as often as they can.
	restShare = 4
	// maxRest bounds that rest.
	maxRest = 5 * time.Second
)

// gap is the least time from the beginning of a rebuild, all that goes with it
// taken together, to that of the next, of which there is one for what has
// changed meanwhile.
func gap(took time.Duration) time.Duration {
	return max(minGap, took+min(restShare*took, maxRest))
}
