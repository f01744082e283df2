//go:build !race

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// socket is a TCP connection whose reads and writes are system calls that the
// scheduler is not told of. They never block, as the descriptor is in
// non-blocking mode, and take a few microseconds. If it were told, the
// runtime's monitor would stay awake to take the processor away in the middle
// of them, which costs a sixth of what a small answer does. Waiting for
// readiness, deadlines and closing are left to package net.
//
// The race detector sees no memory that such calls touch, nor what they order;
// under it there is none of this.
type socket struct {
	*net.TCPConn
	raw syscall.RawConn

	read, write half
}

// half is one direction of a socket. mu is held as long as a call waits, as
// package net does.
type half struct {
	mu   sync.Mutex
	call uintptr
	try  func(fd uintptr) (done bool) // attempt, bound once
	p    []byte                       // to be filled, or left to write; guarded by mu
	n    int                          // octets moved; guarded by mu
	err  syscall.Errno                // guarded by mu
}

// New makes a socket of a TCP connection, and returns any other as it is.
func New(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc // closed already, as its user will see
	}
	s := &socket{TCPConn: tcp, raw: raw}
	s.read.call, s.write.call = syscall.SYS_READ, syscall.SYS_WRITE
	s.read.try, s.write.try = s.read.attempt, s.write.attempt
	return s
}

// attempt makes the system call once, or once more where a signal came first.
// false: the socket is not ready.
func (h *half) attempt(fd uintptr) (done bool) {
	for {
		n, _, errno := syscall.RawSyscall(h.call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(h.p))), uintptr(len(h.p)))
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
			h.n = int(n)
		default:
			h.n, h.err = 0, errno
		}
		return true
	}
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	h := &s.read
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	h.p, h.n, h.err = p, 0, 0
	err := s.raw.Read(h.try)
	h.p = nil
	switch {
	case err != nil || h.err != 0:
		return 0, s.opError("read", err, h.err)
	case h.n == 0:
		return 0, io.EOF
	}
	return h.n, nil
}

// AwaitRead returns once a Read would not wait, for octets or for the end, and
// needs little of the stack for it: in TLS a Read waits so deep in it that the
// stack of one who waits for long is not made smaller. It fails as Read does.
func (s *socket) AwaitRead() error {
	if err := s.raw.Read(readable); err != nil {
		return s.opError("read", err, 0)
	}
	return nil
}

// readable tells whether a read would not wait.
func readable(fd uintptr) bool {
	var octet [1]byte
	for {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&octet)), 1, syscall.MSG_PEEK, 0, 0)
		if errno != syscall.EINTR {
			return errno != syscall.EAGAIN
		}
	}
}

// largeWrite takes long enough for the scheduler to be told.
const largeWrite = 64 << 10

// Write implements net.Conn.
func (s *socket) Write(p []byte) (n int, err error) {
	if len(p) > largeWrite {
		return s.TCPConn.Write(p)
	}
	h := &s.write
	h.mu.Lock()
	defer h.mu.Unlock()
	for n < len(p) {
		h.p, h.n, h.err = p[n:], 0, 0
		err = s.raw.Write(h.try)
		h.p = nil
		n += h.n
		if err != nil || h.err != 0 {
			return n, s.opError("write", err, h.err)
		}
	}
	return n, nil
}

// opError is what package net would return.
func (s *socket) opError(op string, err error, errno syscall.Errno) error {
	if errno != 0 {
		err = os.NewSyscallError(op, errno)
	} else if raw := (*net.OpError)(nil); errors.As(err, &raw) {
		err = raw.Err // its Op is that of RawConn
	}
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}
