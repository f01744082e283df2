package testkit

import (
	"crypto/tls"
	"time"
)

// Handshake does a TLS handshake with a server at host:port, for a server name
// that need not be one, and returns what it has settled. It verifies nothing;
// change may adjust what is offered. The error is for the test to judge: most
// ask for one.
func Handshake(address, serverName string, change func(*tls.Config)) (tls.ConnectionState, error) {
	cfg := &tls.Config{ServerName: serverName, NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true} //nolint:gosec // a test looks at what it is served
	if change != nil {
		change(cfg)
	}
	nc, err := tls.Dial("tcp", address, cfg)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer nc.Close()
	// In TLS 1.3 the server's view of the client's certificate, and the session
	// tickets, come with the first bytes after the handshake.
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Read(make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return nc.ConnectionState(), nil
}
