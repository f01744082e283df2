package admin

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// The status is told before there is a host map, and by programs that know
// nothing but its names.
func TestStatus(t *testing.T) {
	r := NewRecorder(slog.New(slog.DiscardHandler))
	health := new(Health)
	h := Handler(r, Live{
		Version: "v1.2.3", Health: health,
		Connections: func() map[string]int { return map[string]int{"h2": 2} },
	})
	read := func() map[string]any {
		t.Helper()
		var s map[string]any
		if err := json.Unmarshal([]byte(get(t, h, "/status.json")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	connections := map[string]any{"h2": 2.0}
	want := map[string]any{
		"version": "v1.2.3", "ready": "no host map yet", "hosts": 0.0, "certificates": 0.0, "problems": 0.0, "connections": connections,
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("before the first map (-want +got):\n%s", diff)
	}
	r.Record(plainMap(3), []hostmap.Problem{{Reason: "Any"}}, 0)
	health.SetReady()
	got := read()
	if _, told := got["published"].(string); !told {
		t.Errorf("status %v says not when the map was published", got)
	}
	delete(got, "published")
	want = map[string]any{
		"version": "v1.2.3", "ready": "ok", "hosts": 3.0, "certificates": 3.0, "problems": 1.0, "overlaps": 0.0, "connections": connections,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with a map (-want +got):\n%s", diff)
	}
	health.SetDraining()
	if got := read()["ready"]; got != "draining" {
		t.Errorf("while it drains ready is %q", got)
	}
}
