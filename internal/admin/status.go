package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Status is how a process is, in short. It is there before the first host map,
// too.
type Status struct {
	Version string `json:"version"`
	// Ready is what /readyz says: "ok", or why not.
	Ready        string `json:"ready"`
	Hosts        int    `json:"hosts"`
	Certificates int    `json:"certificates"`
	Problems     int    `json:"problems"`
	// Overlaps are the hosts whose requests may come over connections made for
	// others; nil until that is known.
	Overlaps *int `json:"overlaps,omitempty"`
	// Published is when the host map was made live; nil before the first.
	Published *time.Time `json:"published,omitempty"`
	// Connections are those of clients, by protocol.
	Connections map[string]int `json:"connections"`
}

// status tells how the process is, as JSON.
func (p *pages) status(w http.ResponseWriter, _ *http.Request) {
	s := Status{Version: p.live.Version, Ready: "ok", Connections: make(map[string]int)}
	if p.live.Health != nil {
		_, why := p.live.Health.status()
		s.Ready = strings.TrimSpace(why)
	}
	if p.live.Connections != nil {
		s.Connections = p.live.Connections()
	}
	if state := p.recorder.State(); state.Map != nil {
		s.Hosts, s.Certificates, s.Problems = state.Map.Hosts(), state.Map.CertificateCount(), len(state.Problems)
		s.Published = &state.Published
		if report, _ := p.recorder.audits.report(state.Map); report != nil {
			s.Overlaps = &report.Overlapping
		}
	}
	w.Header().Set("Content-Type", typeJSON)
	_ = json.NewEncoder(w).Encode(s) // A client that left is nobody to tell.
}
