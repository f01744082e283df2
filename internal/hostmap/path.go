package hostmap

import (
	"errors"
	"strings"
)

// ErrPath is the error of [Path].
var ErrPath = errors.New("path does not begin with '/', or has an octet that no path may have or a '%' without two hexadecimal digits")

// Path returns the canonical form of a request path, without its query: dot
// segments are resolved, plain or percent-encoded (RFC 3986 section 5.2.4 and
// 6.2.2.2), so that no two readers of a path can take it for two. Empty
// segments and "%2F" stay as they are, and so does everything else. What is
// matched is what must be forwarded.
//
// A path that is canonical already is returned as it is, without allocation.
func Path(p string) (string, error) {
	if p == "" || p[0] != '/' {
		return "", ErrPath
	}
	dots := false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c <= ' ', c == 0x7f, c == '#', c == '?':
			return "", ErrPath
		case c == '%' && (len(p) < i+3 || !hexDigit(p[i+1]) || !hexDigit(p[i+2])):
			return "", ErrPath // RFC 3986 section 2.1
		case c == '/' && dotSegment(segment(p[i+1:])) > 0:
			dots = true
		}
	}
	if !dots {
		return p, nil
	}
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
			if i := strings.LastIndexByte(string(out), '/'); i >= 0 {
				out = out[:i]
			}
		}
		if rest == "" {
			// A dot segment at the end leaves its slash.
			out = append(out, '/')
		}
	}
	return string(out), nil
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

// dotSegment returns 1 for ".", 2 for ".." (each dot plain or as %2e) and 0
// for every other segment.
func dotSegment(seg string) int {
	if seg == "" || len(seg) > len("%2e%2e") || (seg[0] != '.' && seg[0] != '%') {
		return 0
	}
	n := 0
	for seg != "" {
		switch {
		case seg[0] == '.':
			seg = seg[1:]
		case len(seg) >= 3 && seg[0] == '%' && seg[1] == '2' && seg[2]|0x20 == 'e':
			seg = seg[3:]
		default:
			return 0
		}
		n++
	}
	if n > 2 {
		return 0
	}
	return n
}
