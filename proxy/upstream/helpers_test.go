package upstream

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sortedKeys(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
