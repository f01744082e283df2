package field

import "strings"

// Upgradable reports that an Upgrade field may ask a backend for a protocol: one
// name, with or without a version (RFC 9110 section 7.8), and none of HTTP's
// own. Behind "h2c", "HTTP/2.0" or "TLS/1.0" (RFC 2817) more requests would go
// to the backend that nobody has looked at.
func Upgradable(protocol string) bool {
	name, version, versioned := strings.Cut(protocol, "/")
	if !IsToken(name) || versioned && !IsToken(version) {
		return false
	}
	for _, own := range [...]string{"http", "h2c", "h2", "h3", "tls"} {
		if EqualFold(name, own) {
			return false
		}
	}
	return true
}
