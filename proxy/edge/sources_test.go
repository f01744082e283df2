package edge

import (
	"context"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func TestConnectionsPerSource(t *testing.T) {
	m := shop(t)
	w := newWorld(t, m, func(c *Config) { c.Limits.MaxConnectionsPerSource = 2 })
	dial := func() *http2.ClientConn {
		cc, err := w.dialH2("a.test")
		if err != nil {
			t.Fatal(err)
		}
		return cc
	}
	one, two := dial(), dial()
	if _, err := w.dialH2("a.test"); err == nil {
		t.Error("a third connection of one source")
	}
	for _, cc := range []interface{ Close() error }{one, two} {
		_ = cc.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if cc, err := w.dialH2("a.test"); err == nil {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.test/", http.NoBody)
			resp, err := cc.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if _ = resp.Body.Close(); resp.StatusCode != 200 {
				t.Error(resp.StatusCode)
			}
			return
		}
	}
	t.Error("no connection after the others were closed")
}
