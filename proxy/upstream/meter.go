package upstream

// meter is a token bucket: burst at once, then rate per second. Times are
// nanoseconds of a connection's clock.
type meter struct {
	tokens, burst, rate float64
	last                int64
}

func newMeter(burst, rate float64) meter { return meter{tokens: burst, burst: burst, rate: rate} }

// take removes one token and reports whether there was one.
func (m *meter) take(now int64) bool {
	m.tokens = min(m.burst, m.tokens+m.rate*float64(now-m.last)/1e9)
	m.last = now
	if m.tokens < 1 {
		return false
	}
	m.tokens--
	return true
}
