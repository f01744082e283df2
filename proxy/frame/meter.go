package frame

// Meter is a token bucket: burst at once, then rate per second. Times are
// nanoseconds of the connection's clock.
type Meter struct {
	tokens float64
	burst  float64
	rate   float64
	last   int64
}

// NewMeter makes a full one.
func NewMeter(burst int, rate float64) Meter {
	return Meter{tokens: float64(burst), burst: float64(burst), rate: rate}
}

// Take removes one token and reports whether there was one.
func (m *Meter) Take(now int64) bool {
	if m.tokens < 1 || m.tokens < m.burst/2 {
		m.tokens = min(m.burst, m.tokens+m.rate*float64(now-m.last)/1e9)
		m.last = now
	} else if m.tokens == m.burst {
		m.last = now // a full bucket earns nothing
	}
	if m.tokens < 1 {
		return false
	}
	m.tokens--
	return true
}
