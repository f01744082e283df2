package hostmap

import (
	"fmt"
	"strings"
)

// Quota is how much of a route's object one client may have: one address, or
// one /64 of IPv6. All routes of an object share it. The zero value has no
// bound.
type Quota struct {
	// PerSecond and PerMinute are requests; 0 is no bound.
	PerSecond, PerMinute int32
	// Burst is how many times that may come at once.
	Burst int32
	// Concurrent are requests under way; 0 is no bound.
	Concurrent int32
	// Except are clients without a bound.
	Except Ranges
}

func (q Quota) String() string {
	var parts []string
	for _, p := range []struct {
		n    int32
		unit string
	}{{q.PerSecond, "/s"}, {q.PerMinute, "/min"}, {q.Concurrent, " at once"}} {
		if p.n != 0 {
			parts = append(parts, fmt.Sprint(p.n, p.unit))
		}
	}
	if q.Except != (Ranges{}) {
		parts = append(parts, "except "+q.Except.String())
	}
	return strings.Join(parts, ", ")
}
