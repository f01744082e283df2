package hostmap

import (
	"strings"
	"testing"
)

// TestIndexComparesKeys: two keys whose hashes agree in every bit that is kept
// are still two.
func TestIndexComparesKeys(t *testing.T) {
	for _, host := range []string{"a.test", strings.Repeat("a.", 60) + "test"} {
		site := NewSite(Site{Host: host})
		x := newIndex([]*Site{site})
		other := "b" + host[1:]
		place, hash := x.home(other)
		clear(x.entries)
		x.entries[place] = newEntry(site)
		x.entries[place].hash = hash
		if e := x.find(other); e != nil {
			t.Errorf("%q is found under %q", e.site.Host, other)
		}
	}
}
