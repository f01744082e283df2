//go:build unix

package upstream

import "syscall"

// silent asks a non-blocking descriptor for a byte: EAGAIN is the answer of a
// connection that is open and has nothing to read. A byte would be one that
// nobody asked for, so it does no harm that it is taken.
func silent(fd uintptr) bool {
	var b [1]byte
	_, err := syscall.Read(int(fd), b[:])
	return err == syscall.EAGAIN
}

// readable asks a non-blocking descriptor whether a read would return at once,
// and takes nothing.
func readable(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN
}
