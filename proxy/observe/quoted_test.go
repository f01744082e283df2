package observe

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a client sends cannot forge a line of the log.
func TestLogQuotes(t *testing.T) {
	for _, s := range []string{"", "plain", "a\"b\\c", "new\nline\r\x00\x7f", "ä€😀", "bad\xff\xfeutf8", "\u2028"} {
		var got string
		b := appendQuoted(nil, s)
		if err := json.Unmarshal(b, &got); err != nil || strings.ContainsAny(string(b), "\n\r\x00") {
			t.Errorf("%q: %s: %v", s, b, err)
		}
		if want := strings.ToValidUTF8(strings.ReplaceAll(s, "\xff\xfe", "��"), "�"); got != want {
			t.Errorf("%q reads back as %q", s, got)
		}
	}
}

func FuzzQuoted(f *testing.F) {
	f.Add("a\"\\\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if b := appendQuoted(nil, s); !json.Valid(b) {
			t.Errorf("%q: %s", s, b)
		}
	})
}
