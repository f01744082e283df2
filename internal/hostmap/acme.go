package hostmap

import "strings"

// acmePrefix is where an ACME server looks for its token, always in cleartext
// at first (RFC 8555 section 8.3).
const acmePrefix = "/.well-known/acme-challenge/"

// IsACME tells whether a route takes requests of an ACME server and no others.
func (r *Route) IsACME() bool {
	return !r.Default && (strings.HasPrefix(r.Path, acmePrefix) || r.Type == Prefix && r.Path+"/" == acmePrefix)
}

// isACME tells whether a path is one that an ACME server asks for.
func isACME(path string) bool { return strings.HasPrefix(path, acmePrefix) }
