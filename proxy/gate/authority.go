package gate

import (
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// settleHost settles the canonical host of a request: of its authority, with
// which every Host field must agree (RFC 9113 section 8.3.1), or of the Host
// field where there is no authority. An authority that is empty is one, and
// none that a server has. Ports are not compared. It returns why
// there is none.
func settleHost(r *message.Request) (why string) {
	authority, named := r.Authority, r.HasAuthority
	if !r.Absolute {
		for i := range r.Header {
			if r.Header[i].Name != "host" {
				continue
			}
			host := r.Header[i].Value
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
	if r.Host, r.Port, err = hostmap.Authority(authority); err != nil {
		return reasonBadAuthority
	}
	r.Authority = authority
	return ""
}

// settlePath settles the canonical path of a request, and returns it without the
// query, or why there is none.
func settlePath(r *message.Request) (canonical, why string) {
	path, query := r.Target, ""
	if i := strings.IndexByte(path, '?'); i >= 0 {
		path, query = path[:i], path[i:]
	}
	canonical, err := hostmap.Path(path)
	if err != nil || strings.IndexByte(query, '#') >= 0 {
		return "", reasonBadPath
	}
	r.Path = r.Target
	if len(canonical) != len(path) {
		r.Path = canonical + query
	}
	return canonical, ""
}
