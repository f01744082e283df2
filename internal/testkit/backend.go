package testkit

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// Backend serves a handler on loopback, over HTTP/1.1 and cleartext HTTP/2,
// until the test ends, and returns its port.
func Backend(t testing.TB, handler http.Handler) int32 {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: handler, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return port(t, ln)
}

// FreePort is a port of loopback that nobody listens on now.
func FreePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return int(port(t, ln))
}

func port(t testing.TB, ln net.Listener) int32 {
	t.Helper()
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening on %s", ln.Addr())
	}
	return int32(addr.Port)
}
