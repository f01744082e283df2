//go:build !race

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// AwaitRead waits for octets, which it leaves, for the end, or for the deadline.
func TestAwaitRead(t *testing.T) {
	wait := func(nc net.Conn) error { return nc.(interface{ AwaitRead() error }).AwaitRead() }
	nc, peer := socketPair(t)
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if err := wait(nc); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing to read: %v", err)
	}
	_ = nc.SetReadDeadline(time.Time{})
	said := make(chan error, 1)
	go func() { said <- wait(nc) }()
	if _, err := io.WriteString(peer, "ab"); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err != nil {
		t.Errorf("octets: %v", err)
	}
	if err := wait(nc); err != nil {
		t.Errorf("octets that were left: %v", err)
	}
	if b, err := io.ReadAll(io.LimitReader(nc, 2)); string(b) != "ab" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	_ = peer.Close()
	if err := wait(nc); err != nil {
		t.Errorf("the end: %v", err)
	}
	if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v", n, err)
	}
	_ = nc.Close()
	if err := wait(nc); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
