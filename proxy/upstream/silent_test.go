package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"golang.org/x/net/http2"
)

// Whoever decides what is sent again must know whether a response had begun.
func TestSilent(t *testing.T) {
	cases := []struct {
		name, octets string
		want         bool
	}{
		{"nothing", "", true},
		{"part of a head", "HTTP/1.1 200 O", false},
		{"an interim response", "HTTP/1.1 103 Early Hints\r\n\r\n", false},
		{"a head without its end", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", false},
	}
	for _, tt := range cases {
		hang := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			nc, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(nc, tt.octets)
			_ = nc.Close()
		})
		plain, secure := httptest.NewServer(hang), httptest.NewTLSServer(hang)
		t.Cleanup(plain.Close)
		t.Cleanup(secure.Close)
		for _, target := range []Target{
			{Addr: netip.MustParseAddrPort(plain.Listener.Addr().String())},
			{Addr: netip.MustParseAddrPort(secure.Listener.Addr().String()), Protocol: HTTPS},
		} {
			expectSilent(t, target, target.Protocol.String()+", "+tt.name, tt.want)
		}
	}
	lost := func(c *framesConn, _ framesRequest) { c.nc.Close() }
	reset := func(c *framesConn, r framesRequest) { c.reset(r.stream, http2.ErrCodeInternal) }
	early := func(c *framesConn, r framesRequest) {
		c.head(r.stream, false, ":status", "103")
		c.reset(r.stream, http2.ErrCodeInternal)
	}
	for _, tt := range []struct {
		name   string
		answer func(*framesConn, framesRequest)
		want   bool
	}{{"connection lost", lost, true}, {"stream reset", reset, true}, {"an interim response", early, false}} {
		expectSilent(t, framesBackend(t, tt.answer), "h2c, "+tt.name, tt.want)
	}
}

func expectSilent(t *testing.T, target Target, name string, want bool) {
	t.Helper()
	e := newClient(t, Config{}).Pool(target).Start()
	defer e.Close()
	var ue *Error
	if err := e.Do(get("/")); !errors.As(err, &ue) || ue.Reason != ReasonReset || !ue.Sent || ue.Silent != want {
		t.Errorf("%s: %+v, want a reset with Silent = %v", name, ue, want)
	}
}
