package field

import "iter"

// isBlank is OWS (RFC 9110 section 5.6.3).
func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// Trim returns s without the spaces and tabs at its ends.
func Trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// IsTrimmed tells whether no space or tab stands at the ends of s: in HTTP/2 a
// value with one is malformed (RFC 9113 section 8.2.1).
func IsTrimmed(s string) bool {
	return s == "" || !isBlank(s[0]) && !isBlank(s[len(s)-1])
}

// EqualFold compares ASCII text without regard to case. Letters that are not
// ASCII equal nothing but themselves, so that no name of another alphabet
// passes for one of ours.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if octets[b]&Upper != 0 {
		return b + 'a' - 'A'
	}
	return b
}

// List yields the elements of a comma-separated list (RFC 9110 section 5.6.1)
// without the space around them. Empty ones are passed over, as the section
// asks of recipients. Commas within quoted strings divide too: it is for lists
// whose elements are tokens.
func List(value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for value != "" {
			end := 0
			for end < len(value) && value[end] != ',' {
				end++
			}
			if element := Trim(value[:end]); element != "" && !yield(element) {
				return
			}
			value = value[min(end+1, len(value)):]
		}
	}
}

// InList tells whether a token is an element of a comma-separated list, without
// regard to case.
func InList(value, token string) bool {
	for element := range List(value) {
		if EqualFold(element, token) {
			return true
		}
	}
	return false
}

// maxLengthDigits keeps lengths below 10^18, so that they can be added up.
const maxLengthDigits = 18

// Length reads a Content-Length: digits and nothing else (RFC 9110 section
// 8.6), so no sign, no list and no space, and less than 10^18.
func Length(s string) (n int64, ok bool) {
	if s == "" || len(s) > maxLengthDigits {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
