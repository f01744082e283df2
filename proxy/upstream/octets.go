package upstream

// What an octet may be part of.
const (
	octetToken uint8 = 1 << iota // tchar, RFC 9110 section 5.6.2
	octetUpper                   // A to Z
	octetValue                   // field-vchar, SP, HTAB, obs-text, RFC 9110 section 5.5
	octetPath                    // what cannot end a request target
	octetHost                    // reg-name and IP-literal octets, and ":" of the port
)

var octets = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		switch {
		case b >= 'A' && b <= 'Z':
			t[c] |= octetToken | octetUpper | octetHost
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9':
			t[c] |= octetToken | octetHost
		}
		if b == '\t' || b >= ' ' && b != 0x7f {
			t[c] |= octetValue
		}
		if b > ' ' && b != 0x7f && b != '#' {
			t[c] |= octetPath
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		t[b] |= octetToken
	}
	for _, b := range []byte("-._~!$&'()*+;=:[]") {
		t[b] |= octetHost
	}
	return t
}()

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&octetToken == 0 {
			return false
		}
	}
	return s != ""
}

func isLowerToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&(octetToken|octetUpper) != octetToken {
			return false
		}
	}
	return s != ""
}

// hasControl may be true for eight octets of which one is a control character
// (HTAB and DEL included), and is false for no such eight.
func hasControl(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	del := x ^ 0x7f*ones
	return ((x-0x20*ones)&^x|(del-ones)&^del)&high != 0
}

func isValue(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if hasControl(x) {
			break
		}
	}
	for ; i < len(s); i++ {
		if octets[s[i]]&octetValue == 0 {
			return false
		}
	}
	return true
}

func isPath(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&octetPath == 0 {
			return false
		}
	}
	return s == "*" || s != "" && s[0] == '/'
}
