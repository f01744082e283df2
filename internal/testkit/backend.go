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
	return Port(t, ln.Addr())
}

// FreePort is a port of loopback that nobody listens on now.
func FreePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return int(Port(t, ln.Addr()))
}

// Port is the port of a TCP address, as an EndpointSlice has it.
func Port(t testing.TB, a net.Addr) int32 {
	t.Helper()
	addr, ok := a.(*net.TCPAddr)
	if !ok {
		t.Fatalf("%s is no TCP address", a)
	}
	return int32(addr.Port)
}
