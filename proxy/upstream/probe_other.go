//go:build !unix

package upstream

// silent cannot tell here; a stale connection then costs a retry or an error.
func silent(uintptr) bool { return true }

func readable(uintptr) bool { return false }
