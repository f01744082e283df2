package kube

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is one API server for all tests of a package, started by the first
// test that asks for it. Its zero value is ready; see the package's page.
type Shared struct {
	mu      sync.Mutex
	cluster *Cluster // guarded by mu; nil until asked for
	err     error    // guarded by mu; why it could not be started
}

// Run runs the package's tests, stops the API server if one was started, and
// returns the exit code for TestMain.
func (s *Shared) Run(m *testing.M) int {
	code := m.Run()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil {
		if err := s.cluster.stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stop the API server: %v\n", err)
			code = max(code, 1)
		}
	}
	return code
}

// Get returns the package's API server. Where `make kube` has not been run,
// the test does not run: see package require.
func (s *Shared) Get(t testing.TB) *Cluster {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil && s.err == nil {
		at := locate(t)
		s.cluster, s.err = start(at)
	}
	if s.err != nil {
		t.Fatalf("start an API server: %v", s.err)
	}
	return s.cluster
}
