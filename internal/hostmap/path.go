package hostmap

import (
	"bytes"
	"errors"
	"strings"
)

// ErrPath is the error of [Path].
var ErrPath = errors.New("path does not begin with '/', or has an octet that no path may have or a '%' without two hexadecimal digits")

// Path returns the canonical form of a request path, without its query: octets
// that need no percent-encoding have none (RFC 3986 section 6.2.2.2: letters,
// digits, "-", ".", "_" and "~"), and dot segments are resolved (section 5.2.4),
// so that no two readers of a path can take it for two. A route's terms would
// else hold for "/admin" and not for "/%61dmin", which most backends take for the
// same. Empty segments and "%2F" stay as they are, and so does everything else.
// What is matched is what must be forwarded.
//
// A path that is canonical already is returned as it is, without allocation.
func Path(p string) (string, error) {
	if p == "" || p[0] != '/' {
		return "", ErrPath
	}
	dots, encoded := false, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c <= ' ', c == 0x7f, c == '#', c == '?':
			return "", ErrPath
		case c == '%':
			if len(p) < i+3 || !hexDigit(p[i+1]) || !hexDigit(p[i+2]) {
				return "", ErrPath // RFC 3986 section 2.1
			}
			encoded = encoded || unreserved(octetOf(p[i+1], p[i+2]))
		case c == '/' && dotSegment(segment(p[i+1:])) > 0:
			dots = true
		}
	}
	if encoded {
		p = decodeUnreserved(p)
		dots = true // perhaps
	}
	if !dots {
		return p, nil
	}
	return resolveDots(p), nil
}

// resolveDots takes the dot segments out of a path.
func resolveDots(p string) string {
	out := make([]byte, 0, len(p))
	for rest := p; rest != ""; {
		seg := segment(rest[1:])
		rest = rest[1+len(seg):]
		n := dotSegment(seg)
		if n == 0 {
			out = append(append(out, '/'), seg...)
			continue
		}
		if n == 2 {
			if i := bytes.LastIndexByte(out, '/'); i >= 0 {
				out = out[:i]
			}
		}
		if rest == "" {
			// A dot segment at the end leaves its slash.
			out = append(out, '/')
		}
	}
	return string(out)
}

// decodeUnreserved decodes what needs no encoding. Nothing that is decoded is a
// '%', so that nothing is decoded twice.
func decodeUnreserved(p string) string {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' {
			if c := octetOf(p[i+1], p[i+2]); unreserved(c) {
				out = append(out, c)
				i += 2
				continue
			}
		}
		out = append(out, p[i])
	}
	return string(out)
}

// unreserved is RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// octetOf is the octet of two hexadecimal digits.
func octetOf(high, low byte) byte { return hexValue(high)<<4 | hexValue(low) }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// segment is the part of s up to the next slash.
func segment(s string) string {
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i]
	}
	return s
}

// dotSegment returns 1 for ".", 2 for ".." and 0 for every other segment.
func dotSegment(seg string) int {
	switch seg {
	case ".":
		return 1
	case "..":
		return 2
	}
	return 0
}
