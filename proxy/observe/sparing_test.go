package observe

import (
	"fmt"
	"testing"
	"time"
)

// A flood of refusals costs few lines, and says how many it has left out.
func TestSparing(t *testing.T) {
	s := sparing[string]{lines: 2, every: 10 * time.Second}
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		at         time.Duration
		kind       string
		ok         bool
		suppressed int
	}{
		{0, "a", true, 0},
		{time.Second, "a", true, 0},
		{2 * time.Second, "a", false, 0},
		{2 * time.Second, "b", true, 0},
		{3 * time.Second, "a", false, 0},
		{10 * time.Second, "a", true, 2},
		{11 * time.Second, "a", true, 0},
		{12 * time.Second, "a", false, 0},
		{time.Hour, "a", true, 1},
	} {
		ok, suppressed := s.take(tt.kind, begin.Add(tt.at))
		if ok != tt.ok || suppressed != tt.suppressed {
			t.Errorf("%s after %v: %v, %d suppressed; want %v, %d", tt.kind, tt.at, ok, suppressed, tt.ok, tt.suppressed)
		}
	}
	for i := range 3 * maxKinds {
		s.take(fmt.Sprint("kind ", i), begin.Add(2*time.Hour+time.Duration(i)*time.Second))
	}
	if n := len(s.kinds); n > maxKinds {
		t.Errorf("%d kinds are remembered, want at most %d", n, maxKinds)
	}
}
