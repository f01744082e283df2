package proxy

import (
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// admit judges a request whose head is whole. It does not block, so that it
// can run where heads are read. true: the request is to be forwarded; false:
// it has been answered.
func (s *Server) admit(ex exchange, r *request) bool {
	r.live = s.current()
	r.stats = r.live.unserved

	if why := r.resolve(); why != "" {
		s.answerError(ex, r, 400, why)
		return false
	}
	// PRI is HTTP/2's own (RFC 9113 section 3.4); no origin has resources for it.
	if r.method == "PRI" || r.method == "CONNECT" && r.tunnel == "" {
		s.answerError(ex, r, 405, reasonMethod)
		return false
	}
	if r.unmet {
		s.answerError(ex, r, 417, reasonExpectation)
		return false
	}
	path, query := r.target, ""
	if i := strings.IndexByte(path, '?'); i >= 0 {
		path, query = path[:i], path[i:]
	}
	canonical, err := hostmap.Path(path)
	if err != nil || strings.IndexByte(query, '#') >= 0 {
		s.answerError(ex, r, 400, reasonBadPath)
		return false
	}
	r.path = r.target
	if len(canonical) != len(path) {
		r.path = canonical + query
	}

	q := hostmap.Request{Scheme: r.scheme, Host: r.host, Path: canonical}
	f := &r.conn.facts
	client := hostmap.Client{FromHTTPS: !f.TLS && r.saysHTTPS()}
	r.verdict = hostmap.Apply(hostmap.Judge(r.live.hosts, f, q), f, q, client)
	r.stats = r.live.statsOf(r.verdict.Site)
	if r.verdict.Reported != "" {
		x := r.observed()
		s.observer.Misdirected(&x, r.verdict.Reported, false)
	}
	switch v := &r.verdict; {
	case v.Action == hostmap.ActionServe:
		if s.loops(r) {
			s.answerError(ex, r, 508, reasonLoop)
			return false
		}
		s.observer.Served(r.start, &r.conn.facts, r.conn.source, r.host, r.stats)
		return true
	case v.Action == hostmap.ActionRedirect:
		s.answerRedirect(ex, r, v.Status)
	case v.Misdirected():
		x := r.observed()
		s.observer.Misdirected(&x, v.Reason, true)
		s.answerMisdirected(ex, r)
	default:
		s.answerError(ex, r, v.Status, string(v.Reason))
	}
	return false
}

// Reasons of answers 400, 405, 417 and 431, beside those of hostmap.
const (
	reasonBadAuthority = "bad_authority"
	reasonHostConflict = "host_conflict"
	reasonBadPath      = "bad_path"
	reasonMethod       = "method"
	reasonHeaderList   = "header_list"
	reasonMalformed    = "malformed"
	reasonExpectation  = "expectation"
)

// resolve settles the canonical host of a request: of its authority, with
// which every Host field must agree (RFC 9113 section 8.3.1), or of the Host
// field where there is no authority. An authority that is empty is one, and
// none that a server has. Ports are not compared. It returns why
// there is none.
func (r *request) resolve() (why string) {
	authority, named := r.authority, r.hasAuthority
	if !r.absolute {
		for i := range r.header {
			if r.header[i].Name != "host" {
				continue
			}
			host := r.header[i].Value
			switch {
			case !named:
				authority, named = host, true
			case host == authority:
			default:
				a, _, err := hostmap.Authority(authority)
				if err != nil {
					return reasonBadAuthority
				}
				b, _, err := hostmap.Authority(host)
				if err != nil {
					return reasonBadAuthority
				}
				if a != b {
					return reasonHostConflict
				}
			}
		}
	}
	var err error
	if r.host, r.port, err = hostmap.Authority(authority); err != nil {
		return reasonBadAuthority
	}
	r.authority = authority
	return ""
}
