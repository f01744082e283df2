//go:build race || checks

package owned

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// Checks tells whether checks are part of this build.
const Checks = true

// Mutex is a sync.Mutex that can say whether it is locked.
type Mutex struct{ sync.Mutex }

// Check panics, where checks are built in, if nobody has locked m. Which goroutine
// has would cost microseconds to know.
func (m *Mutex) Check() {
	if m.TryLock() {
		m.Unlock()
		panic("owned: nobody has locked the mutex")
	}
}

// Goroutine is the one that owns something.
type Goroutine struct{ id atomic.Uint64 }

// Own makes the caller the owner.
func (g *Goroutine) Own() { g.id.Store(current()) }

// Check panics, where checks are built in, unless the caller is the owner, or
// nobody is yet.
func (g *Goroutine) Check() {
	if id := g.id.Load(); id != 0 && id != current() {
		panic("owned: the caller is not the owner")
	}
}

// current is the number of the running goroutine, which only its stack trace
// tells: "goroutine 12 [running]:".
func current() uint64 {
	var buf [64]byte
	b := buf[:runtime.Stack(buf[:], false)]
	b = bytes.TrimPrefix(b, []byte("goroutine "))
	digits, _, _ := bytes.Cut(b, []byte(" "))
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
