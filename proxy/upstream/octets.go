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

func isValue(s string) bool {
	for i := 0; i < len(s); i++ {
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
