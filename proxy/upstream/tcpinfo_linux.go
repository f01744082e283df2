package upstream

import (
	"encoding/binary"
	"syscall"
	"unsafe"
)

// What Linux tells of a TCP connection (struct tcp_info of linux/tcp.h).
const (
	tcpInfoSize = 128 // up to and with tcpi_bytes_acked
	offsetState = 0   // u8
	offsetAcked = 120 // u64, counts the SYN too
	stateClosed = 7   // TCP_CLOSE: a reset has come
)

// tcpInfo returns how many bytes the peer's kernel has taken, and whether the
// connection was reset.
func tcpInfo(fd uintptr) (acked uint64, reset, ok bool) {
	var info [tcpInfoSize]byte
	size := uint32(len(info))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < tcpInfoSize {
		return 0, false, false
	}
	return binary.NativeEndian.Uint64(info[offsetAcked:]), info[offsetState] == stateClosed, true
}
