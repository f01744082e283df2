//go:build !unix

package upstream

// peek cannot tell here; a stale connection then costs a retry or an error.
func peek(uintptr, *[1]byte) state { return quiet }
