package upstream

import "sync/atomic"

const (
	// ClientBudget is what one client's connection may add to the windows of
	// its responses from HTTP/2 backends.
	ClientBudget = 1 << 20
	// processBudget is the same for all clients of a Client together.
	processBudget = 64 << 20
)

// Budget bounds the memory that the responses to one client may take because
// it does not read them. Each response from an HTTP/2 backend has a small window
// without asking; what is added to that, for one that is read, is taken from
// here until the response is over. The zero Budget holds ClientBudget octets.
type Budget struct{ used atomic.Int64 }

// take takes n of at most limit octets, or nothing. nil has no end.
func (b *Budget) take(n, limit int64) bool {
	if b == nil {
		return true
	}
	if b.used.Add(n) > limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *Budget) put(n int64) {
	if b != nil {
		b.used.Add(-n)
	}
}
