package socket

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// socketPair is two ends of a TCP connection, the first of them a socket.
func socketPair(t *testing.T) (net.Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := Listener{ln}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close(); _ = peer.Close() })
	tcp, _ := peer.(*net.TCPConn)
	return nc, tcp
}

// A socket behaves as a connection of package net does, errors included.
func TestSocket(t *testing.T) {
	t.Run("octets", func(t *testing.T) {
		nc, peer := socketPair(t)
		want := make([]byte, 2<<20)
		r := rand.NewChaCha8([32]byte{})
		_, _ = r.Read(want)
		// Buffers so small that the kernel takes writes in parts.
		_ = peer.SetReadBuffer(64 << 10)
		if sb, ok := nc.(interface{ SetWriteBuffer(int) error }); !ok || sb.SetWriteBuffer(32<<10) != nil {
			t.Error("cannot have its buffer set")
		}
		go func() { // echoes what it gets, no faster than it is read
			_, _ = io.Copy(struct{ io.Writer }{peer}, struct{ io.Reader }{peer})
			_ = peer.CloseWrite()
		}()
		go func() {
			// Small and large writes, far more than the kernel buffers.
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+rand.IntN(100<<10))
				if m, err := nc.Write(rest[:n]); m != n || err != nil {
					t.Errorf("wrote %d of %d: %v", m, n, err)
				}
				rest = rest[n:]
			}
			if cw, ok := nc.(interface{ CloseWrite() error }); !ok || cw.CloseWrite() != nil {
				t.Error("cannot be half closed")
			}
		}()
		got, err := io.ReadAll(nc)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d octets came back, %v; want %d", len(got), err, len(want))
		}
	})
	// check wants an error of one kind, and what package net says beside it.
	check := func(t *testing.T, op string, err, kind error, timeout bool) {
		t.Helper()
		var oe *net.OpError
		if !errors.Is(err, kind) || !errors.As(err, &oe) || oe.Op != op || oe.Timeout() != timeout || oe.Addr == nil || strings.Contains(err.Error(), "raw") {
			t.Errorf("%s: %#v, want %v", op, err, kind)
		}
	}
	buf := make([]byte, 32<<10)
	t.Run("deadlines", func(t *testing.T) {
		nc, _ := socketPair(t)
		_ = nc.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := nc.Read(buf)
		check(t, "read", err, os.ErrDeadlineExceeded, true)
		_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		for err = nil; err == nil; { // until the kernel's buffers are full
			_, err = nc.Write(buf)
		}
		check(t, "write", err, os.ErrDeadlineExceeded, true)
	})
	t.Run("closed while waiting", func(t *testing.T) {
		nc, _ := socketPair(t)
		done := make(chan error)
		go func() {
			_, err := nc.Read(buf)
			done <- err
		}()
		_ = nc.Close()
		check(t, "read", <-done, net.ErrClosed, false)
		_, err := nc.Write(buf)
		check(t, "write", err, net.ErrClosed, false)
	})
	t.Run("reset by the peer", func(t *testing.T) {
		nc, peer := socketPair(t)
		_ = peer.SetLinger(0)
		_ = peer.Close()
		_, err := nc.Read(buf)
		check(t, "read", err, syscall.ECONNRESET, false)
		_, err = nc.Write(buf)
		check(t, "write", err, syscall.EPIPE, false)
	})
	t.Run("nothing", func(t *testing.T) {
		nc, _ := socketPair(t)
		if n, err := nc.Read(nil); n != 0 || err != nil {
			t.Errorf("read: %d, %v", n, err)
		}
		if n, err := nc.Write(nil); n != 0 || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
	})
}

// BenchmarkSocket is a round trip of a few octets.
func BenchmarkSocket(b *testing.B) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"socket": New, "net": func(nc net.Conn) net.Conn { return nc },
	} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			go func() {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = io.Copy(nc, struct{ io.Reader }{nc})
				_ = nc.Close()
			}()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			nc = wrap(nc)
			buf := make([]byte, 300)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nc.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(nc, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
