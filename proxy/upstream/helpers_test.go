package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sortedKeys(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

// parts is an answer that does not tell whether the body came with the head, as
// it may.
func parts(answer string) string { return strings.Replace(answer, " whole ", " ", 1) }

func newField(name, value string) hpack.HeaderField {
	return hpack.HeaderField{Name: name, Value: value}
}
