package frame

const (
	// InitialWindow is RFC 9113 section 6.9.2's, in octets.
	InitialWindow = 65535
	// MaxWindow is RFC 9113 section 6.9.1's.
	MaxWindow = 1<<31 - 1
)

// Window is one that the peer has given us to send into. It may be negative (RFC
// 9113 section 6.9.2).
type Window struct{ n int32 }

// Add changes the window by n and reports whether it stayed within 2^31-1.
func (w *Window) Add(n int32) bool {
	sum := int64(w.n) + int64(n)
	if sum > MaxWindow || sum < -MaxWindow {
		return false
	}
	w.n = int32(sum)
	return true
}

// Left is how many octets may be sent.
func (w *Window) Left() int { return int(w.n) }
