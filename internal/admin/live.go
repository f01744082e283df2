package admin

import (
	"net/netip"
	"time"
)

// Live is what the page tells of the wire, which it does not know itself. What
// is nil is not told.
type Live struct {
	// Endpoints returns those that have failed since they answered last, in any
	// order. All others are well.
	Endpoints func() []Endpoint
	// Misdirected remembers requests.
	Misdirected *Misdirected
	// Connections counts those of clients, by protocol.
	Connections func() map[string]int
	// Health is what /readyz says.
	Health *Health
	// Version is the program's.
	Version string
}

// Endpoint is an endpoint that has failed.
type Endpoint struct {
	// Namespace is that of the Services: what one namespace's requests meet
	// moves no other's.
	Namespace string
	Addr      netip.AddrPort
	// Failures is how often in a row.
	Failures int
	// Resting tells that it takes no turn, and Probe in which time it is tried
	// again.
	Resting bool
	Probe   time.Duration
}
