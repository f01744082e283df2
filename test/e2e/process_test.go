package e2e

import (
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
)

// addresses fills in where a process serves.
func (s *stage) addresses(t testing.TB, p *testkit.Process) {
	t.Helper()
	s.http, s.https = p.Address(t, "serving", "http"), p.Address(t, "serving", "https")
	s.metrics, s.log = p.Address(t, "serving", "metrics"), &p.Log
}
