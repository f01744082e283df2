package field_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/proxy/field"
)

// The grammars of RFC 9110 and 3986, written down a second time and in another
// way: what the table of octets is held to.
var (
	tokenGrammar     = regexp.MustCompile("\\A[!#$%&'*+\\-.^_`|~0-9A-Za-z]+\\z")
	nameGrammar      = regexp.MustCompile("\\A[!#$%&'*+\\-.^_`|~0-9a-z]+\\z")
	schemeGrammar    = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9+\-.]*\z`)
	authorityGrammar = regexp.MustCompile(`\A[A-Za-z0-9\-._~!$&'()*+,;=:\[\]]*\z`)
)

func isValueByTheBook(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func isTargetByTheBook(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return s != ""
}

func checkOctets(t *testing.T, s string) {
	t.Helper()
	for _, c := range []struct {
		what      string
		got, want bool
	}{
		{"token", field.IsToken(s), tokenGrammar.MatchString(s)},
		{"name", field.IsName(s), nameGrammar.MatchString(s)},
		{"value", field.IsValue(s), isValueByTheBook(s)},
		{"target", field.IsTarget(s), isTargetByTheBook(s)},
		{"scheme", field.IsScheme(s), schemeGrammar.MatchString(s)},
		// A comma is a sub-delim, and in a host it is a second host to some.
		{"authority", field.IsAuthority(s), authorityGrammar.MatchString(s) && !strings.Contains(s, ",")},
		{"trimmed", field.IsTrimmed(s), strings.Trim(s, " \t") == s},
	} {
		if c.got != c.want {
			t.Errorf("%q is a %s: %v, want %v", s, c.what, c.got, c.want)
		}
	}
	if end := field.ValueEnd([]byte(s), 0); (end == len(s)) != isValueByTheBook(s) || !isValueByTheBook(s[:end]) {
		t.Errorf("the value in %q ends at %d", s, end)
	}
	if got, want := field.Trim(s), strings.Trim(s, " \t"); got != want {
		t.Errorf("%q trimmed is %q, want %q", s, got, want)
	}
}

// TestOctets asks of each octet, alone and at each place of a longer text,
// what the grammars say of it.
func TestOctets(t *testing.T) {
	checkOctets(t, "")
	for c := range 256 {
		for n := range 18 {
			text := []byte(strings.Repeat("a", 17))
			if n < len(text) {
				text[n] = byte(c)
			} else {
				text = []byte{byte(c)}
			}
			checkOctets(t, string(text))
		}
	}
}

func FuzzOctets(f *testing.F) {
	f.Add("content-type")
	f.Add("Content Type")
	f.Add("a\tb\x7f")
	f.Fuzz(checkOctets)
}

func TestList(t *testing.T) {
	for value, want := range map[string][]string{
		"":                        nil,
		" ,\t, ":                  nil,
		"close":                   {"close"},
		" close , X-Auth\t,,\tTE": {"close", "X-Auth", "TE"},
		`a;q="1, 2", b`:           {`a;q="1`, `2"`, "b"},
		"a b":                     {"a b"},
		"a\v":                     {"a\v"}, // no white space of HTTP's
	} {
		if got := slices.Collect(field.List(value)); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add("close, TE", "te")
	f.Add(",,", "")
	f.Fuzz(func(t *testing.T, value, token string) {
		var want []string
		in := false
		for element := range strings.SplitSeq(value, ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				want = append(want, element)
				in = in || asciiLower(element) == asciiLower(token)
			}
		}
		if got := slices.Collect(field.List(value)); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
		if got := field.InList(value, token); got != in {
			t.Errorf("%q in %q: %v", token, value, got)
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// TestEqualFold: letters that other alphabets fold to ours are not ours.
func TestEqualFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Chunked", "cHUNKED", true},
		{"", "", true},
		{"chunked", "chunke", false},
		{"chun\u212aed", "chunked", false}, // KELVIN SIGN
		{"clo\u017fe", "close", false},     // LATIN SMALL LETTER LONG S
		{"@", "`", false},
		{"[", "{", false},
	} {
		if got := field.EqualFold(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

func TestLength(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "00": 0, "7": 7, "999999999999999999": 999999999999999999,
		"": -1, "+1": -1, "-1": -1, " 1": -1, "1 ": -1, "1,1": -1, "0x1": -1, "1e3": -1, "1_0": -1, "١": -1, "1000000000000000000": -1,
	} {
		got, ok := field.Length(s)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %d, want %d", s, got, want)
		}
	}
}

func FuzzLength(f *testing.F) {
	f.Add("42")
	f.Add("+42")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := field.Length(s)
		n, err := strconv.ParseUint(s, 10, 63)
		want := err == nil && len(s) <= 18 && s[0] != '+'
		if ok != want || ok && got != int64(n) {
			t.Errorf("%q is %d, %v", s, got, ok)
		}
	})
}

func TestFate(t *testing.T) {
	const hop = field.OneHop | field.Framing | field.HeaderOnly
	for name, want := range map[string]field.Fate{
		"connection": hop, "keep-alive": hop, "te": hop, "trailer": hop, "transfer-encoding": hop, "upgrade": hop,
		"host": field.Framing | field.HeaderOnly, "content-length": field.Framing | field.HeaderOnly,
		"proxy-authorization": field.OneHop | field.HeaderOnly,
		"x-forwarded-for":     field.Vouched | field.Told | field.HeaderOnly,
		"client-cert":         field.Vouched | field.HeaderOnly,
		"ssl-client-verify":   field.Vouched | field.HeaderOnly,
		"x-ssl-client-s-dn":   field.Vouched | field.HeaderOnly,
		"authorization":       field.HeaderOnly,
		"accept":              0, "x-checksum": 0, "grpc-status": 0, "": 0, "_": 0,
		// As CGI reads them.
		"x_forwarded_for": field.Vouched | field.Told | field.HeaderOnly,
		"content_length":  field.Framing | field.HeaderOnly,
		"ssl_client_cert": field.Vouched | field.HeaderOnly,
	} {
		if got := field.ClientFate(name); got != want {
			t.Errorf("%q: %b, want %b", name, got, want)
		}
	}
}

// FuzzFate: a name is told apart by nothing that a backend may not see.
func FuzzFate(f *testing.F) {
	f.Add("x-forwarded_for")
	f.Fuzz(func(t *testing.T, name string) {
		if a, b := field.ClientFate(name), field.ClientFate(strings.ReplaceAll(name, "-", "_")); a != b {
			t.Errorf("%q: %b, with '_' %b", name, a, b)
		}
	})
}

func TestAllocations(t *testing.T) {
	for what, run := range map[string]func(){
		"FateOf":  func() { field.ClientFate("x-forwarded-for") },
		"IsValue": func() { field.IsValue("text/html; charset=utf-8") },
		"InList":  func() { field.InList("keep-alive, Upgrade", "upgrade") },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}
