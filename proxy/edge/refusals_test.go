package edge

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// openAndMutual is a map of open.test, and of mtls.test, which asks for certificates.
func openAndMutual(t testing.TB) *hostmap.Map {
	ca := newAuthority(t)
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "open.test", Certificates: []*hostmap.Certificate{ca.serverCert("o", "open.test")}}),
		hostmap.NewSite(hostmap.Site{
			Host: "mtls.test", Certificates: []*hostmap.Certificate{ca.serverCert("m", "mtls.test")},
			Policy: hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{ca.Cert}),
		}),
		hostmap.NewSite(hostmap.Site{
			Host: "broken.test", Certificates: []*hostmap.Certificate{ca.serverCert("x", "broken.test")},
			Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire),
		}),
	}})
}

// Under TLS 1.3 a client is done with its handshake, and has sent its request,
// before it can know that its certificate is missed. What it is told must not
// be lost in a reset.
func TestRefusedHandshakeIsTold(t *testing.T) {
	w := newWorld(t, openAndMutual(t), nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	lost := make(map[string]int)
	const clients = 40
	for range clients {
		wg.Go(func() {
			nc, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: "mtls.test", InsecureSkipVerify: true}) //nolint:gosec // a test
			if err != nil {
				t.Errorf("handshake: %v", err)
				return
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
			request := "POST / HTTP/1.1\r\nHost: mtls.test\r\nContent-Length: 8192\r\n\r\n" + strings.Repeat("x", 8192)
			if _, err = io.WriteString(nc, request); err == nil {
				_, err = nc.Read(make([]byte, 1))
			}
			var alert tls.AlertError
			if !errors.As(err, &alert) && !strings.Contains(fmt.Sprint(err), "remote error: tls: ") {
				mu.Lock()
				lost[err.Error()]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(lost) != 0 {
		t.Errorf("of %d clients these did not get the alert: %v", clients, lost)
	}
}

// A client that stays is not waited for: neither for long, nor by many.
func TestRefusedHandshakeHoldsNothing(t *testing.T) {
	w := newWorld(t, openAndMutual(t), nil)
	const clients = maxLingering + 20
	var ncs []net.Conn
	for range clients {
		nc, err := net.Dial("tcp", w.https)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		ncs = append(ncs, nc)
		// The server answers with an alert; this client neither reads nor closes.
		tc := tls.Client(nc, &tls.Config{ServerName: "nobody.test", InsecureSkipVerify: true}) //nolint:gosec // a test
		if err := tc.HandshakeContext(t.Context()); err == nil {
			t.Fatal("the handshake succeeded")
		}
	}
	begun := time.Now()
	for w.edge.conns.len() != 0 && time.Since(begun) < 20*time.Second {
		if n := w.edge.lingering.n.Load(); n > maxLingering {
			t.Fatalf("%d connections linger, want at most %d", n, maxLingering)
		}
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begun); took > lingerTime+2*time.Second {
		t.Errorf("refused connections were held for %v, want about %v", took, lingerTime)
	}
	_ = ncs
}

// Whoever speaks HTTP to the TLS port learns of it.
func TestHTTPOnTheTLSPort(t *testing.T) {
	w := newWorld(t, openAndMutual(t), nil)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: open.test\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: open.test\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 30000),
	} {
		nc, err := net.Dial("tcp", w.https)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(nc, request)
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Errorf("%.20q: %v", request, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = nc.Close()
		if resp.StatusCode != 400 || err != nil || !strings.Contains(string(body), "https") {
			t.Errorf("%.20q: status %d, body %q, error %v; want 400 that says so", request, resp.StatusCode, body, err)
		}
	}
	// What is neither gets no answer in plain text.
	nc, err := net.Dial("tcp", w.https)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(nc, "SSH-2.0-OpenSSH_9.9\r\n")
	if got, _ := io.ReadAll(nc); strings.Contains(string(got), "HTTP") {
		t.Errorf("a client that does not speak HTTP was answered %q", got)
	}
}

func TestRefusedHandshakesAreLogged(t *testing.T) {
	tests := []struct {
		name, serverName string
		change           func(*tls.Config)
		reason, result   string
	}{
		{"a host that is not served", "nobody.test", nil, hostmap.RefusedUnserved, "refused"},
		{"no server name", "", nil, hostmap.RefusedNoName, "refused"},
		{"no client certificate", "mtls.test", nil, "client_certificate", "client_certificate"},
		{"a client certificate of somebody", "mtls.test", func(c *tls.Config) {
			c.Certificates = []tls.Certificate{newAuthority(t).Client(t, "mallory").TLS}
		}, "client_certificate", "client_certificate"},
		{"client-auth that cannot be resolved", "broken.test", nil, hostmap.RefusedUnresolved, "refused"},
		{"an old version", "open.test", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, "error", "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, openAndMutual(t), nil)
			cfg := &tls.Config{ServerName: tt.serverName, InsecureSkipVerify: true} //nolint:gosec // a test
			if tt.change != nil {
				tt.change(cfg)
			}
			nc, err := tls.Dial("tcp", w.https, cfg)
			if err == nil {
				_, err = nc.Read(make([]byte, 1))
				_ = nc.Close()
			}
			if err == nil {
				t.Fatal("the handshake succeeded")
			}
			w.stop()
			lines := w.log.Lines(map[string]any{"msg": "handshake refused"})
			if len(lines) != 1 || lines[0]["level"] != "INFO" || lines[0]["sni"] != tt.serverName || lines[0]["reason"] != tt.reason ||
				!strings.HasPrefix(fmt.Sprint(lines[0]["peer"]), "127.0.0.1") {
				t.Errorf("logged %v, want one line with SNI %q, reason %q and the peer; all:\n%s", lines, tt.serverName, tt.reason, w.log.String())
			}
			if n := w.counted("ingress421_tls_handshakes_total", "result", tt.result); n != 1 {
				t.Errorf("%v handshakes counted as %s, want 1", n, tt.result)
			}
		})
	}
}

// Who connects and leaves, as probes of balancers do, is not worth a line.
func TestProbesAreNotLogged(t *testing.T) {
	w := newWorld(t, openAndMutual(t), nil)
	for _, addr := range []string{w.http, w.https} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.Close()
	}
	w.stop()
	if w.log.String() != "" {
		t.Errorf("logged:\n%s", w.log.String())
	}
}

func TestRefusedConnectionsAreLogged(t *testing.T) {
	tests := []struct {
		name, send string
		change     func(*Config)
		reason     string
	}{
		{"no PROXY header", "GET / HTTP/1.1\r\nHost: open.test\r\n\r\n", func(c *Config) { c.ProxyProtocolFrom = loopback() }, closedProxyHeader},
		{"a PROXY header that cannot be read", "PROXY nonsense\r\n", func(c *Config) { c.ProxyProtocolFrom = loopback() }, closedProxyHeader},
		{"a PROXY header of an unknown family", header2(1, 0), func(c *Config) { c.ProxyProtocolFrom = loopback() }, closedProxyHeader},
		{"a PROXY header of anybody", "PROXY UNKNOWN\r\n", func(c *Config) { c.ProxyProtocolFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, closedProxyHeader},
		{"too many of one source", "", func(c *Config) { c.Limits.MaxConnectionsPerSource = 1 }, closedSourceLimit},
	}
	for _, tt := range tests {
		for _, port := range []string{"http", "https"} {
			t.Run(tt.name+" "+port, func(t *testing.T) {
				w := newWorld(t, openAndMutual(t), tt.change)
				addr := w.http
				if port == "https" {
					addr = w.https
				}
				leave := func() {}
				if tt.reason == closedSourceLimit {
					first, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: "open.test", InsecureSkipVerify: true}) //nolint:gosec // a test
					if err != nil {
						t.Fatal(err)
					}
					leave = func() { _ = first.Close() }
				}
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
				_, _ = io.WriteString(nc, tt.send)
				if got, err := io.ReadAll(nc); len(got) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("answered %q, %v", got, err)
				}
				_ = nc.Close()
				leave()
				w.stop()
				lines := w.log.Lines(map[string]any{"msg": "connection refused"})
				if len(lines) != 1 || lines[0]["level"] != "INFO" || lines[0]["reason"] != tt.reason || !strings.HasPrefix(fmt.Sprint(lines[0]["peer"]), "127.0.0.1") {
					t.Errorf("logged %v, want one line with reason %q and the peer; all:\n%s", lines, tt.reason, w.log.String())
				}
				if n := w.counted("ingress421_connections_closed_total", "reason", tt.reason); n != 1 {
					t.Errorf("%v connections counted as %s, want 1", n, tt.reason)
				}
			})
		}
	}
}
