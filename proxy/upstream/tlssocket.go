package upstream

import (
	"net"
	"os"
)

// tlsSocket is the socket below a tls.Conn. While it is hushed, a Read of the
// tls.Conn returns what that holds already, or says at once that there is
// nothing: without a system call, and without a deadline to be moved.
type tlsSocket struct {
	net.Conn
	hushed bool // owned by who reads
}

func (s *tlsSocket) Read(p []byte) (int, error) {
	if s.hushed {
		return 0, os.ErrDeadlineExceeded // crypto/tls can go on after a timeout
	}
	return s.Conn.Read(p)
}
