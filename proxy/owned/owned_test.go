package owned

import "testing"

// panics reports whether f does, on a goroutine of its own.
func panics(f func()) bool {
	did := make(chan bool)
	go func() {
		defer func() { did <- recover() != nil }()
		f()
	}()
	return <-did
}

func TestMutexKnowsThatItIsLocked(t *testing.T) {
	var m Mutex
	if panics(m.Check) != Checks {
		t.Error("nobody has locked it")
	}
	m.Lock()
	m.Check()
	m.Unlock()
	if panics(m.Check) != Checks {
		t.Error("it was unlocked")
	}
	if !m.TryLock() {
		t.Error("a failed check has locked it")
	}
}

func TestGoroutineKnowsItself(t *testing.T) {
	var g Goroutine
	g.Check()
	if panics(g.Check) {
		t.Error("nobody is the owner yet")
	}
	g.Own()
	g.Check()
	if panics(g.Check) != Checks {
		t.Error("another goroutine may touch it")
	}
}
