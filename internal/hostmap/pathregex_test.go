package hostmap_test

import (
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestNewPathRegexRefuses: what is no regular expression, and what costs too
// much.
func TestNewPathRegexRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"/(":                     "error parsing regexp: missing closing ): `/(`",
		"/a)|(b":                 "error parsing regexp: unexpected ): `/a)|(b`",
		"/(?=a)":                 "error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
		"/a{999}b{999}c{999}":    "a regular expression of 3000 instructions; at most 2000 are taken",
		strings.Repeat("/", 513): "a regular expression of 513 octets; at most 512 are read",
	} {
		if _, err := hostmap.NewPathRegex(text); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}
