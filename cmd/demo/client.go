package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ingress421/ingress421/cmd/process"
)

// client is a connection on which requests are sent, one after the other,
// for whatever host: what it was opened for does not bind it.
type client interface {
	// ask sends a GET for what a URL's parts name and returns the response.
	ask(scheme, authority, path string) (answer, error)
	close() error
}

// refusedError is a handshake that the server ended with an alert.
type refusedError struct{ alert string }

func (e *refusedError) Error() string { return "handshake refused: " + e.alert }

// dial opens the connection of a visit.
func (w *world) dial(ctx context.Context, at process.Addresses, v visit) (client, *tls.ConnectionState, error) {
	dialer := &net.Dialer{Timeout: timeout}
	if v.protocol == "" {
		nc, err := dialer.DialContext(ctx, "tcp", at.HTTP)
		if err != nil {
			return nil, nil, err
		}
		return &http1Client{nc: nc, rd: bufio.NewReader(nc), scheme: "http"}, nil, nil
	}
	nc, err := dialer.DialContext(ctx, "tcp", at.HTTPS)
	if err != nil {
		return nil, nil, err
	}
	client, state, err := w.handshake(ctx, nc, v)
	if err != nil {
		_ = nc.Close()
		return nil, nil, refusal(err)
	}
	return client, state, nil
}

func (w *world) handshake(ctx context.Context, nc net.Conn, v visit) (client, *tls.ConnectionState, error) {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: w.roots,
		ServerName: v.serverName, NextProtos: []string{v.protocol},
	}
	if v.clientCert {
		cfg.Certificates = []tls.Certificate{w.client}
	}
	if err := nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, nil, err
	}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	state := tc.ConnectionState()
	if state.NegotiatedProtocol != v.protocol {
		return nil, nil, fmt.Errorf("the server chose the protocol %q, not %q", state.NegotiatedProtocol, v.protocol)
	}
	if v.protocol == "h2" {
		client, err := newHTTP2Client(tc)
		return client, &state, err
	}
	return &http1Client{nc: tc, rd: bufio.NewReader(tc), scheme: "https"}, &state, nil
}

// refusal finds the server's alert in an error of crypto/tls. With TLS 1.3 a
// server refuses a client certificate after the client's side of the handshake
// is done (RFC 8446 section 4.4.2.4), so that it is the first read that fails.
func refusal(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return &refusedError{alert: strings.TrimPrefix(op.Err.Error(), "tls: ")}
	}
	return err
}

// http1Client is a connection that speaks HTTP/1.1.
type http1Client struct {
	nc     net.Conn
	rd     *bufio.Reader
	scheme string // of the connection
}

func (c *http1Client) close() error { return c.nc.Close() }

// ask implements client. A scheme that is not the connection's can be said
// in absolute form alone (RFC 9112 section 3.2.2).
func (c *http1Client) ask(scheme, authority, path string) (answer, error) {
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return answer{}, err
	}
	target := path
	if scheme != c.scheme {
		target = scheme + "://" + authority + path
	}
	if _, err := fmt.Fprintf(c.nc, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ingress421-demo\r\n\r\n", target, authority); err != nil {
		return answer{}, err
	}
	resp, err := http.ReadResponse(c.rd, &http.Request{Method: http.MethodGet})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return answer{}, err
	}
	answer := answer{status: resp.StatusCode, fields: make(map[string]string)}
	for name, values := range resp.Header {
		answer.fields[strings.ToLower(name)] = values[len(values)-1]
	}
	return answer, nil
}
