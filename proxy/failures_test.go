package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/proxy/message"
)

func TestBackendFailuresAreLogged(t *testing.T) {
	answers := func(response string) *hostmap.Backend {
		return tcpBackend(t, "b", func(nc net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(nc))
			_, _ = io.WriteString(nc, response)
		})
	}
	at := func(missing string, endpoints ...netip.AddrPort) *hostmap.Backend {
		return &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Endpoints: endpoints, Missing: missing}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	nobody := netip.MustParseAddrPort(ln.Addr().String())
	tests := []struct {
		name    string
		backend *hostmap.Backend
		status  int
		reason  string
		err     string // is part of the error
	}{
		{"nobody listens", at("", nobody), 502, "connect", nobody.String() + ": connect: connection refused"},
		{"a coding that is not chunked", answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), 502, "bad_response", "transfer coding that is not chunked"},
		{"closed before an answer", tcpBackend(t, "b", func(net.Conn) {}), 502, "reset", ""},
		{"no answer in time", tcpBackend(t, "b", func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }), 504, "read_timeout", "i/o timeout"},
		{"no endpoints", at(""), 503, "no_endpoints", ""},
		{"no service", at(hostmap.MissingService), 503, "service_not_found", ""},
		{"misdirected", answers("HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n"), 502, "upstream_misdirected", ""},
		{"half an answer", answers("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf"), 200, "reset", "connection closed within the response"},
	}
	for _, tt := range tests {
		for _, format := range []string{AccessLogJSON, AccessLogText} {
			t.Run(tt.name+" "+format, func(t *testing.T) {
				var log logged
				var access testkit.Buffer
				change := func(c *Config) {
					log, access = logged{}, testkit.Buffer{}
					c.Log, c.AccessLog, c.AccessLogTo = log.logger(), format, &access
					c.Upstream.ReadTimeout = 200 * time.Millisecond
				}
				onBoth(t, oneSite(t, tt.backend), change, func(t *testing.T, w *world, rt http.RoundTripper) {
					for range 3 {
						req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://a.test/", http.NoBody)
						if resp, err := rt.RoundTrip(req); err == nil {
							_, _ = io.Copy(io.Discard, resp.Body)
							_ = resp.Body.Close()
						}
					}
					rt.(*http.Transport).CloseIdleConnections()
					w.stop()
					lines := log.lines(t, "backend failed")
					if len(lines) != 1 {
						t.Fatalf("%d lines for three requests, want 1:\n%s", len(lines), log.String())
					}
					for k, want := range map[string]any{
						"level": "WARN", "namespace": "default", "service": "b", "port": "80", "reason": tt.reason,
						"status": float64(tt.status), "ingress": "default/b",
					} {
						if lines[0][k] != want {
							t.Errorf("%s is %v, want %v", k, lines[0][k], want)
						}
					}
					if len(tt.backend.Endpoints) != 0 && lines[0]["endpoint"] != tt.backend.Endpoints[0].String() {
						t.Errorf("endpoint is %v, want %v", lines[0]["endpoint"], tt.backend.Endpoints[0])
					}
					if _, told := lines[0]["error"]; told != (len(tt.backend.Endpoints) != 0 && tt.reason != "upstream_misdirected") {
						t.Errorf("the line tells an error: %v", told)
					}
					if tt.err != "" && !strings.Contains(fmt.Sprint(lines[0]["error"]), tt.err) {
						t.Errorf("error is %v, want that it says %q", lines[0]["error"], tt.err)
					}
					if n := strings.Count(access.String(), "\n"); n != 3 || tt.err != "" && strings.Count(access.String(), tt.err) != 3 {
						t.Errorf("the access log does not tell the error of each request:\n%s", access.String())
					}
				})
			})
		}
	}
}

// What is the client's doing is no failure of the backend.
func TestClientsFaultsAreNotLogged(t *testing.T) {
	var log logged
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/503" {
			w.WriteHeader(503) // an answer like any other
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	w := newWorld(t, oneSite(t, b), func(c *Config) { c.Log = log.logger() })
	a := roundTrip(t, w.client(message.HTTP1, "a.test"), "GET", "https://"+w.https+"/503", func(r *http.Request) { r.Host = "a.test" })
	if a.StatusCode != 503 {
		t.Errorf("status %d, want 503", a.StatusCode)
	}
	w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n")
	w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
	w.stop()
	if lines := log.lines(t, "backend failed"); len(lines) != 0 {
		t.Errorf("logged %v", lines)
	}
}

// logged is a log that tests look into.
type logged struct{ testkit.Buffer }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(&l.Buffer, nil)) }

// lines are those with a message.
func (l *logged) lines(t testing.TB, msg string) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}
