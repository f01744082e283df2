package proxy

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// backendOf is a backend that speaks a protocol.
func backendOf(t testing.TB, protocol hostmap.Protocol, h http.HandlerFunc) *hostmap.Backend {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	switch protocol {
	case hostmap.H2C, hostmap.GRPC:
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		srv.Start()
	case hostmap.HTTPS, hostmap.GRPCS:
		srv.Config.Protocols.SetHTTP2(true)
		srv.EnableHTTP2 = true
		srv.StartTLS()
	default:
		srv.Config.Protocols.SetHTTP1(true)
		srv.Start()
	}
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return &hostmap.Backend{
		Namespace: "default", Service: "b", Port: "80", Protocol: protocol,
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort(srv.Listener.Addr().String())},
	}
}

// The trailer fields of a request reach every backend, and so does their
// announcement, but for what may not stand in the header either.
func TestRequestTrailers(t *testing.T) {
	for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.H2C, hostmap.HTTPS, hostmap.GRPC, hostmap.GRPCS} {
		t.Run(protocol.String(), func(t *testing.T) {
			w := newWorld(t, oneSite(t, backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, slices.Sorted(maps.Keys(r.Trailer)))
				_, _ = io.Copy(w, r.Body)
				for _, name := range slices.Sorted(maps.Keys(r.Trailer)) {
					fmt.Fprintf(w, " %s=%s", name, r.Trailer[name])
				}
			})), nil)
			const (
				names = "X-Kept, X-Forwarded-For, Ssl-Client-Verify, Client_Cert, Authorization, X-Never"
				want  = "[X-Kept X-Never]body X-Kept=[kept] X-Never=[]"
			)
			a := w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: x-hop\r\nTransfer-Encoding: chunked\r\nTrailer: X-Hop, "+names+"\r\n\r\n"+
				"4\r\nbody\r\n0\r\nX-Kept: kept\r\nX-Forwarded-For: evil\r\nX-Hop: evil\r\nSsl-Client-Verify: evil\r\nClient_Cert: evil\r\nAuthorization: evil\r\n\r\n")
			if a.body != want {
				t.Errorf("http/1.1: got %q, want %q", a.body, want)
			}
			for _, length := range []string{"", "4"} {
				if length != "" && protocol == hostmap.HTTP {
					continue // RFC 9110 section 6.5.1
				}
				c := w.rawH2("a.test", nil)
				head := []string{":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a.test", "trailer", names}
				if length != "" {
					head = append(head, "content-length", length)
				}
				id := c.send(false, head...)
				if err := c.fr.WriteData(id, false, []byte("body")); err != nil {
					t.Fatal(err)
				}
				c.next = id
				c.send(true, "x-kept", "kept", "x-forwarded-for", "evil", "ssl-client-verify", "evil", "client_cert", "evil", "authorization", "evil")
				if a := c.answer(id); a.body != want {
					t.Errorf("h2, content-length %q: got %q, want %q", length, a.body, want)
				}
			}
		})
	}
}

// What Connection names is for one hop, in a trailer section too, and when that
// comes long after the response has begun.
func TestLateTrailerOfOneHop(t *testing.T) {
	got := make(chan string, 1)
	b := tcpBackend(t, "b", func(nc net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		_, _ = io.Copy(io.Discard, req.Body)
		got <- fmt.Sprint(req.Trailer)
		_, _ = io.WriteString(nc, "0\r\n\r\n")
	})
	w := newWorld(t, oneSite(t, b), nil)
	nc, err := net.Dial("tcp", w.http)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: x-hop\r\nTransfer-Encoding: chunked\r\n"+
		strings.Repeat("A: b\r\n", 100)+"\r\n1\r\nx\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(nc, "0\r\nX-Kept: kept\r\nX-Hop: evil\r\n\r\n")
	if got := <-got; got != "map[X-Kept:[kept]]" {
		t.Errorf("got %s", got)
	}
}

// What a backend announces and sends behind its response reaches the client, and
// what it sent before does not come once more.
func TestResponseTrailers(t *testing.T) {
	for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.H2C, hostmap.HTTPS} {
		b := backendOf(t, protocol, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-T")
			w.Header().Set("X-T", "before")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-T", "behind")
		})
		onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://a.test/", nil)
			resp, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			names := slices.Sorted(maps.Keys(resp.Trailer))
			body, err := io.ReadAll(resp.Body)
			got := fmt.Sprint(names, resp.Header["X-T"], string(body), err, resp.Trailer)
			if want := "[X-T] [before]body<nil> map[X-T:[behind]]"; got != want {
				t.Errorf("%s: got %s, want %s", protocol, got, want)
			}
		})
	}
}
