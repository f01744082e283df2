package explain

import (
	"crypto/tls"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Of answers a question about a map.
func Of(m *hostmap.Map, q Question) Answer {
	if q.Version == 0 {
		q.Version = tls.VersionTLS13
	}
	if q.Method == "" {
		q.Method = "GET"
	}
	if q.Path == "" {
		q.Path = "/"
	}
	if !q.Client.IsValid() {
		q.Client = q.Peer
	}
	i := inquiry{m: m, q: q}
	a := Answer{Steps: []Step{}, Clients: []Client{}, Advice: []string{}}
	a.Connection = i.connect()
	a.Request = i.request()
	switch {
	case a.Connection.Refused != "":
		a.Verdict = Verdict{Action: noConnection}
	case i.malformed() != "":
		a.Verdict = Verdict{Action: hostmap.ActionRefuse.String(), Status: 400, Reason: i.malformed()}
	default:
		i.judge()
		a.Steps = i.steps()
		a.Verdict = i.verdict()
	}
	a.Clients = i.clients(&a)
	a.Advice = i.advice(&a)
	return a
}
