package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/testkit"
)

// dialing says how to connect.
type dialing struct {
	serverName string
	http1      bool
	clientCert *testkit.Certificate
}

// connection is one client connection. Requests for whatever host go over it,
// as a browser's do that coalesces.
type connection struct {
	nc    net.Conn
	state tls.ConnectionState
	h2    *http2.ClientConn // nil: HTTP/1.1
	rd    *bufio.Reader
}

// answer is a whole response.
type answer struct {
	*http.Response
	body string
}

// dial connects by TLS. What certificate is served is for the test to look at.
func (s *stage) dial(d dialing) (*connection, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", s.https)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{ServerName: d.serverName, InsecureSkipVerify: true, NextProtos: []string{"h2"}}
	if d.http1 {
		cfg.NextProtos = []string{"http/1.1"}
	}
	if d.clientCert != nil {
		cfg.Certificates = []tls.Certificate{d.clientCert.TLS}
	}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	c := &connection{nc: tc, state: tc.ConnectionState(), rd: bufio.NewReader(tc)}
	if want := cfg.NextProtos[0]; c.state.NegotiatedProtocol != want {
		nc.Close()
		return nil, fmt.Errorf("protocol %q, want %q", c.state.NegotiatedProtocol, want)
	}
	if !d.http1 {
		if c.h2, err = (&http2.Transport{DisableCompression: true}).NewClientConn(tc); err != nil {
			nc.Close()
			return nil, err
		}
	}
	return c, nil
}

// open is dial that must succeed. The connection is closed with the test.
func (s *stage) open(t testing.TB, d dialing) *connection {
	t.Helper()
	c, err := s.dial(d)
	if err != nil {
		t.Fatalf("connect with server name %q: %v", d.serverName, err)
	}
	t.Cleanup(c.close)
	return c
}

func (c *connection) close() { c.nc.Close() }

// leaf is the certificate that the connection was served.
func (c *connection) leaf() *x509.Certificate { return c.state.PeerCertificates[0] }

// is tells whether the leaf is that of a pair.
func (c *connection) is(p *testkit.Certificate) bool {
	return string(c.leaf().Raw) == string(p.TLS.Certificate[0])
}

// do sends a request on the connection. header are pairs of name and value.
func (c *connection) do(method, url string, body io.Reader, header ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	var resp *http.Response
	if c.h2 != nil {
		resp, err = c.h2.RoundTrip(req)
	} else {
		if err = c.nc.SetDeadline(time.Now().Add(patience)); err == nil {
			err = req.Write(c.nc)
		}
		if err == nil {
			resp, err = http.ReadResponse(c.rd, req)
		}
	}
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp, string(text)}, err
}

// get is do that must succeed, for a host.
func (c *connection) get(t testing.TB, host string, header ...string) answer {
	t.Helper()
	a, err := c.do("GET", "https://"+host+"/", nil, header...)
	if err != nil {
		t.Fatalf("GET https://%s/: %v", host, err)
	}
	return a
}

// want compares status and backend of an answer.
func (a answer) want(t testing.TB, status int, backend string) {
	t.Helper()
	if got := a.Header.Get("X-Backend"); a.StatusCode != status || got != backend {
		t.Errorf("GET %s: %d from %q, want %d from %q\n%s", a.Request.URL, a.StatusCode, got, status, backend, a.body)
	}
}

// cleartext sends one request to the cleartext listener.
func (s *stage) cleartext(t testing.TB, host string) answer {
	t.Helper()
	nc, err := net.DialTimeout("tcp", s.http, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &connection{nc: nc, rd: bufio.NewReader(nc)}
	a, err := c.do("GET", "http://"+host+"/path?q=1", nil)
	if err != nil {
		t.Fatalf("GET http://%s/: %v", host, err)
	}
	return a
}

// refused waits until a handshake is refused with an alert.
func (s *stage) refused(t testing.TB, d dialing, alert string) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("the handshake for %q is refused", d.serverName), func() string {
		c, err := s.dial(d)
		if err == nil {
			// With TLS 1.3 a client certificate is refused after the client's
			// side is done.
			_, err = c.do("GET", "https://"+d.serverName+"/", nil)
			c.close()
		}
		switch {
		case err == nil:
			return "it was answered"
		case !strings.Contains(err.Error(), alert):
			return fmt.Sprintf("it failed with %v, not with %s", err, alert)
		}
		return ""
	})
}
