// Package owned lets code that says who owns what be held to it by tests: a
// mutex that can say whether it is locked, and a thing that one goroutine
// owns.
//
// The checks are there when the build tag race or checks is set, as in `make
// test`. Without it Mutex is a sync.Mutex, and a check is no code at all.
package owned
