package hostmap

import (
	"errors"
	"net/netip"
	"strings"
)

// Limits of DNS names, in octets (RFC 1035 section 2.3.4).
const (
	maxHost  = 253
	maxLabel = 63
)

// Errors of [Host], [Authority] and [Pattern]. They never quote the input,
// which comes from a client or a tenant: callers quote it with %q.
var (
	ErrHostEmpty   = errors.New("host is empty")
	ErrHostLength  = errors.New("host has over 253 octets or a label over 63")
	ErrHostLabel   = errors.New("host has an empty label, or one that begins or ends with '-'")
	ErrHostOctet   = errors.New("host has an octet other than letters, digits, '-', '_' and '.'")
	ErrHostNumeric = errors.New("host ends in a number and is not an IPv4 address")
	ErrHostIPv6    = errors.New("host is not an IPv6 address in brackets")
	ErrPort        = errors.New("port is not a number from 1 to 65535")
	ErrPattern     = errors.New("'*' stands for one whole left-most label before a DNS name, and nowhere else")
)

// Host returns the canonical form of a host: ASCII lower case, without one
// trailing dot; an IPv6 address in brackets and in the form of RFC 5952.
// Labels are letters, digits, '-' and '_', so a name in A-labels passes and a
// name in U-labels does not: IDNA is never run here.
//
// A host that is canonical already is returned as it is, without allocation.
func Host(s string) (string, error) {
	if s == "" {
		return "", ErrHostEmpty
	}
	if s[0] == '[' {
		return hostIPv6(s)
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	if s == "" {
		return "", ErrHostLabel
	}
	if len(s) > maxHost {
		return "", ErrHostLength
	}
	upper, digits, start := false, true, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', c == '_':
			digits = false
		case '0' <= c && c <= '9':
		case c == '-':
			if i == start || i+1 == len(s) || s[i+1] == '.' {
				return "", ErrHostLabel
			}
			digits = false
		case c == '.':
			if i == start || i+1 == len(s) {
				return "", ErrHostLabel
			}
			if i-start > maxLabel {
				return "", ErrHostLength
			}
			digits, start = true, i+1
		case 'A' <= c && c <= 'Z':
			upper, digits = true, false
		default:
			return "", ErrHostOctet
		}
	}
	if len(s)-start > maxLabel {
		return "", ErrHostLength
	}
	if digits {
		// Every reader of such a name (WHATWG URL, inet_aton) takes it for an
		// address, and not all for the same one.
		if a, err := netip.ParseAddr(s); err != nil || !a.Is4() {
			return "", ErrHostNumeric
		}
		return s, nil
	}
	if upper {
		s = lowerASCII(s)
	}
	return s, nil
}

// lowerASCII is strings.ToLower for a string known to be ASCII.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}

func hostIPv6(s string) (string, error) {
	if s[len(s)-1] != ']' {
		return "", ErrHostIPv6
	}
	a, err := netip.ParseAddr(s[1 : len(s)-1])
	if err != nil || !a.Is6() || a.Zone() != "" {
		return "", ErrHostIPv6
	}
	var buf [len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]")]byte
	canonical := append(a.AppendTo(append(buf[:0], '[')), ']')
	if string(canonical) == s {
		return s, nil
	}
	return string(canonical), nil
}

// hostOfAddr is the canonical host of an IP address.
func hostOfAddr(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	return "[" + a.String() + "]"
}

// IsIP tells whether a canonical host is an IP literal. Such a host is covered
// by an iPAddress name of a certificate only (RFC 9525 section 6.5) and never
// stands in a server name indication (RFC 6066 section 3).
func IsIP(host string) bool {
	if host == "" {
		return false
	}
	if host[0] == '[' {
		return true
	}
	// A canonical host whose last octet is a digit is an address exactly if
	// its last label is all digits.
	for i := len(host) - 1; i >= 0; i-- {
		c := host[i]
		if c == '.' {
			return i != len(host)-1
		}
		if c < '0' || c > '9' {
			return false
		}
	}
	return false
}

// Authority splits the authority of a request (RFC 3986 section 3.2, without
// userinfo: RFC 9110 section 4.2.4) into its canonical host and its port. The
// port is 0 where there is none; "host:" has none.
func Authority(s string) (host string, port uint16, err error) {
	name, digits := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, ErrHostIPv6
		}
		name, digits = s[:end+1], s[end+1:]
		if digits != "" {
			if digits[0] != ':' {
				return "", 0, ErrHostIPv6
			}
			digits = digits[1:]
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		name, digits = s[:i], s[i+1:]
	}
	if host, err = Host(name); err != nil {
		return "", 0, err
	}
	if digits == "" {
		return host, 0, nil
	}
	if len(digits) > 5 {
		return "", 0, ErrPort
	}
	n := 0
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		if c < '0' || c > '9' {
			return "", 0, ErrPort
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > 65535 {
		return "", 0, ErrPort
	}
	return host, uint16(n), nil
}

// Pattern returns the canonical form of the host of an Ingress or of a name in
// a certificate: a host, or "*." before a DNS name, which stands for exactly
// one label (Kubernetes Ingress, "Hostname wildcards"; RFC 9525 section 6.3).
func Pattern(s string) (string, error) {
	suffix, wildcard := strings.CutPrefix(s, "*.")
	if !wildcard {
		if strings.Contains(s, "*") {
			return "", ErrPattern
		}
		return Host(s)
	}
	host, err := Host(suffix)
	if err != nil {
		if strings.Contains(suffix, "*") {
			err = ErrPattern
		}
		return "", err
	}
	if IsIP(host) {
		return "", ErrPattern
	}
	if len(host)+len("*.") > maxHost {
		return "", ErrHostLength
	}
	if host == suffix {
		return s, nil
	}
	return "*." + host, nil
}

// parent is what follows the first label of a host: the part of a wildcard
// behind "*.", if the wildcard is to match the host. It is "" where nothing
// follows.
func parent(host string) string {
	if i := strings.IndexByte(host, '.'); i >= 0 && host[0] != '[' {
		return host[i+1:]
	}
	return ""
}
