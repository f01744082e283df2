package e2e

import (
	"net"
	"os"
	"syscall"
	"time"
)

// blackHole is a pod whose packets are dropped: a listener that accepts
// nothing, whose queue is full. Linux then drops what asks for a connection.
func (r *rollout) blackHole() pod {
	r.t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(os.NewSyscallError("socket", err))
	}
	r.t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		r.t.Fatal(os.NewSyscallError("bind", err))
	}
	if err := syscall.Listen(fd, 0); err != nil {
		r.t.Fatal(os.NewSyscallError("listen", err))
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		r.t.Fatal(os.NewSyscallError("getsockname", err))
	}
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	for range 10 {
		nc, err := net.DialTimeout("tcp", addr.String(), 200*time.Millisecond)
		if err != nil {
			return pod{address: "127.0.0.1", port: int32(addr.Port), close: func() {}}
		}
		r.t.Cleanup(func() { _ = nc.Close() })
	}
	r.t.Fatal("a listener's queue does not fill up")
	return pod{}
}
