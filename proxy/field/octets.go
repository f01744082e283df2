package field

import "encoding/binary"

// Class is what an octet may be part of: a set of the constants below.
type Class uint8

const (
	// Token octets make up tokens (tchar, RFC 9110 section 5.6.2).
	Token Class = 1 << iota
	// Upper octets are A to Z.
	Upper
	// Value octets make up field values: field-vchar, obs-text, SP and HTAB
	// (RFC 9110 section 5.5).
	Value
	// Target octets make up request targets: what ends none in a request line
	// (RFC 9112 section 3).
	Target
	// Authority octets make up a host with its port (RFC 3986 section 3.2,
	// without userinfo and without percent-encoding).
	Authority
)

var octets = func() (t [256]Class) {
	for c := range 256 {
		switch b := byte(c); {
		case b >= 'A' && b <= 'Z':
			t[c] |= Token | Upper | Authority
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9':
			t[c] |= Token | Authority
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= Value
		}
		if c > ' ' && c != 0x7f {
			t[c] |= Target
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		t[b] |= Token
	}
	for _, b := range []byte("-._~!$&'()*+;=:[]") {
		t[b] |= Authority
	}
	return t
}()

// ClassOf returns what an octet may be part of.
func ClassOf(b byte) Class { return octets[b] }

// IsToken tells whether s is a token: a method, a protocol or a coding (RFC
// 9110 section 5.6.2).
func IsToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&Token == 0 {
			return false
		}
	}
	return s != ""
}

// IsName tells whether s is a field name as HTTP/2 has it: a token without
// capital letters (RFC 9113 section 8.2.1).
func IsName(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&(Token|Upper) != Token {
			return false
		}
	}
	return s != ""
}

// IsValue tells whether s holds nothing but what a field value may: no control
// character but HTAB (RFC 9110 section 5.5). White space at its ends, which is
// no part of a value, is for Trimmed to tell.
func IsValue(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if mayHaveControl(x) {
			break
		}
	}
	for ; i < len(s); i++ {
		if octets[s[i]]&Value == 0 {
			return false
		}
	}
	return true
}

// ValueEnd returns where the octets end, from i on, that a value may have.
func ValueEnd(b []byte, i int) int {
	for {
		// Eight at a time, while none is a control character.
		for i+8 <= len(b) && !mayHaveControl(binary.LittleEndian.Uint64(b[i:])) {
			i += 8
		}
		if i == len(b) || octets[b[i]]&Value == 0 {
			return i
		}
		i++
	}
}

// mayHaveControl may be true for eight octets of which one is a control
// character (HTAB and DEL included), and is false for no such eight.
func mayHaveControl(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	del := x ^ 0x7f*ones
	return ((x-0x20*ones)&^x|(del-ones)&^del)&high != 0
}

// IsTarget tells whether s is made of what a request target may hold (RFC 9112
// section 3.2); of what form it is, it does not tell.
func IsTarget(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&Target == 0 {
			return false
		}
	}
	return s != ""
}

// IsAuthority tells whether s is made of what a host with its port may hold; an
// empty one is. Which hosts there are, it does not know.
func IsAuthority(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&Authority == 0 {
			return false
		}
	}
	return true
}

// IsScheme tells whether s is a scheme (RFC 3986 section 3.1).
func IsScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}
