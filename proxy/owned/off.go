//go:build !race && !checks

package owned

import "sync"

// Checks tells whether checks are part of this build.
const Checks = false

// Mutex is a sync.Mutex.
type Mutex struct{ sync.Mutex }

// Check panics, where checks are built in, if nobody has locked m. Which goroutine
// has would cost microseconds to know.
func (*Mutex) Check() {}

// Goroutine is the one that owns something.
type Goroutine struct{}

// Own makes the caller the owner.
func (*Goroutine) Own() {}

// Check panics, where checks are built in, unless the caller is the owner, or
// nobody is yet.
func (*Goroutine) Check() {}
