//go:build unix && !linux

package upstream

import "syscall"

// peek asks a descriptor in non-blocking mode whether a byte could be read, and
// leaves it there. EAGAIN is the answer of a connection that is open and has
// nothing to read.
func peek(fd uintptr, b *[1]byte) state {
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return quiet
		case err == nil && n > 0:
			return speaking
		}
		return ended
	}
}
