package proxy

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
)

// TestMemoryLevels: from which share of the limit on requests and connections
// are refused, and until which.
func TestMemoryLevels(t *testing.T) {
	var log testkit.Buffer
	m := &memory{limit: 1000, log: slog.New(slog.NewJSONHandler(&log, nil))}
	for _, step := range []struct {
		held         uint64
		scarce, full bool
	}{
		{0, false, false},
		{749, false, false},
		{750, true, false},
		{849, true, false},
		{850, true, true},
		{750, true, true},
		{749, true, false},
		{650, true, false},
		{649, false, false},
		{700, false, false},
		{2000, true, true},
		{100, false, false},
	} {
		m.look(step.held)
		if m.Scarce() != step.scarce || m.Full() != step.full {
			t.Errorf("%d of 1000 held: requests refused %v, connections %v; want %v, %v", step.held, m.Scarce(), m.Full(), step.scarce, step.full)
		}
	}
	if n := strings.Count(log.String(), "memory is short"); n != 1 {
		t.Errorf("it was told %d times within a moment, want once:\n%s", n, &log)
	}
}

// TestMemoryHeld: what the runtime is asked for exists, and is what a process
// like this one holds.
func TestMemoryHeld(t *testing.T) {
	if n := newHeld().octets(); n < 1<<20 || n > 1<<30 {
		t.Errorf("%d octets held, want between 1 MiB and 1 GiB", n)
	}
}
