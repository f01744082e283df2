package upstream

import (
	"errors"
)

// way is by which client a request goes to a backend.
type way uint8

const (
	wayHTTP1      way = iota // of HTTP/1.1, and not otherwise
	wayHTTP1First            // of HTTP/1.1, unless the backend has come to choose HTTP/2
	wayHTTP2First            // of HTTP/2, unless the backend chooses HTTP/1.1
	wayNone                  // nothing that the backend speaks can carry it
)

var (
	errSpeaksH2  = errors.New("the backend chooses HTTP/2")
	errNoUpgrade = errors.New("HTTP/2 knows no Upgrade")
)

// speaksHTTP1 says that a backend chooses HTTP/1.1.
type speaksHTTP1 struct {
	given *http1Conn // on which it does; nil: another exchange has got it
}

func (*speaksHTTP1) Error() string { return "the backend chooses HTTP/1.1" }

// way says by which client r goes.
func (p *Pool) way(r *Request) way {
	switch {
	case p.h2 == nil:
		return wayHTTP1
	case r.Upgrade != "" && p.target.Protocol != HTTPS:
		if r.isWebSocket() || r.UpgradeOptional {
			return wayHTTP2First
		}
		return wayNone
	case r.isWebSocket() && p.dialer.lastChoice() == alpnNotHTTP1:
		return wayHTTP2First
	case r.Upgrade != "", p.target.Protocol == HTTPS && (r.speaks() != speechNone || r.Login.Holds(p, r)):
		// HTTP/2 has no Upgrade, and its connections are not one client's to log
		// in on.
		return wayHTTP1
	case p.dialer.lastChoice() == alpnHTTP1:
		return wayHTTP1First
	}
	return wayHTTP2First
}
