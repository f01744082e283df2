package demo

import (
	"net/netip"
	"testing"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/explain"
)

// TestExplainIsAsTheDemoSays holds explain to the script, which the demo holds
// the wire to.
func TestExplainIsAsTheDemoSays(t *testing.T) {
	w, err := newWorld(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	found, err := process.Load(t.Context(), process.Config{Manifests: w.manifests, Controller: v1alpha1.DefaultControllerName})
	if err != nil {
		t.Fatal(err)
	}
	words := map[bool]string{true: "yes", false: "no"}
	for _, v := range script {
		for _, s := range v.steps {
			q := explain.Question{ServerName: v.serverName, Cleartext: v.protocol == "", Peer: netip.MustParseAddr("127.0.0.1")}
			if s.url == "" {
				// Whether a client has a certificate is its own affair.
				a := explain.Of(found.Map, q)
				if refused := a.Connection.Refused != ""; refused != (s.want.reason == "unrecognized name") {
					t.Errorf("handshake for %s: %+v", v.serverName, a.Connection)
				}
				continue
			}
			q.Scheme, q.Authority, q.Path = s.target()
			a := explain.Of(found.Map, q)
			got := outcome{status: a.Verdict.Status, reason: a.Verdict.Reason}
			switch {
			case a.Verdict.Action == "serve":
				got.status = 200
				if a.Verdict.Reported != "" {
					got.reason, got.reported, got.retry = a.Verdict.Reported, true, words[a.Verdict.Retry]
				}
			case a.Verdict.Status == 421:
				got.retry = words[a.Verdict.Retry]
			}
			want := s.want
			want.backend, want.location = "", ""
			if got != want {
				t.Errorf("%s on a connection for %q: got %+v, want %+v", s.url, v.serverName, got, want)
			}
			if want.status != a.Verdict.Status && a.Verdict.Backend == "" {
				t.Errorf("%s is served by nobody", s.url)
			}
		}
	}
}
