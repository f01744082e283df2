package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
)

// A line says how much the client sent, by what name it knows the request, and
// how long the backend took to answer; where none was asked it says no time.
func TestAccessLogOfBodiesAndTimes(t *testing.T) {
	b := backend(t, "web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	var access testkit.Buffer
	onBoth(t, oneSite(t, b), func(c *Config) { c.AccessLog, c.AccessLogTo = AccessLogJSON, &access }, func(t *testing.T, w *world, rt http.RoundTripper) {
		access = testkit.Buffer{}
		for _, host := range []string{"a.test", "nobody.test"} {
			roundTrip(t, rt, http.MethodPost, "https://"+host+"/sent", func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("content")), 7
				r.Header.Set("X-Request-Id", "of "+host)
				r.Header.Set("Authorization", "Bearer secret")
			})
		}
		w.stop()
		n := 0
		for line := range strings.Lines(access.String()) {
			var said struct {
				Authority string   `json:"authority"`
				Received  int64    `json:"bytes_received"`
				Time      *float64 `json:"upstream_time"`
				ID        string   `json:"request_id"`
			}
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Fatal(err)
			}
			served := said.Authority == "a.test"
			if served != (said.Received == 7) || served != (said.Time != nil && *said.Time > 0) || said.ID != "of "+said.Authority || strings.Contains(line, "Bearer") {
				t.Errorf("%s", line)
			}
			n++
		}
		if n != 2 {
			t.Errorf("%d lines, want 2:\n%s", n, access.String())
		}
	})
}
