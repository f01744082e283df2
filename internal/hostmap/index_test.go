package hostmap

import (
	"strings"
	"testing"
	"unsafe"
)

// TestIndexComparesKeys: two keys whose hashes agree in every bit that is kept
// are still two.
func TestIndexComparesKeys(t *testing.T) {
	for _, host := range []string{"a.test", strings.Repeat("a.", 60) + "test"} {
		site := NewSite(Site{Host: host})
		x := new(index).with(nil, []entry{newEntry(site, 1)})
		own := *x.find(host)
		other := "b" + host[1:]
		at, tag := x.home(other)
		own.tag = tag
		*x.shards[at] = shard{}
		x.shards[at].add(&own)
		if e := x.find(other); e != nil {
			t.Errorf("%q is found under %q", e.site.Host, other)
		}
	}
}

// TestEntryIsOneCacheLine: a look-up that finds its site at the first place
// goes to one.
func TestEntryIsOneCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(entry{}); n != 64 {
		t.Errorf("an entry has %d octets", n)
	}
}
