package scale

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/test/require"
)

// TestScale measures each of the sizes that SCALE_HOSTS names, by default 1,000,
// 10,000 and 100,000 hosts, and writes the figures into the folder that
// SCALE_OUT names, if it names one.
func TestScale(t *testing.T) {
	require.Asked(t, "SCALE", "make bench-scale")
	sizes := []int{1_000, 10_000, 100_000}
	if v := os.Getenv("SCALE_HOSTS"); v != "" {
		sizes = nil
		for text := range strings.SplitSeq(v, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n%hostsPerIngress != 0 || n < 1_000 {
				t.Fatalf("SCALE_HOSTS: %q is no multiple of %d of at least 1000", text, hostsPerIngress)
			}
			sizes = append(sizes, n)
		}
	}
	var all []figures
	for _, hosts := range sizes {
		t.Run(strconv.Itoa(hosts), func(t *testing.T) {
			f := measure(t, hosts)
			t.Logf("%+v", f)
			all = append(all, f)
		})
	}
	if dir := os.Getenv("SCALE_OUT"); dir != "" && !t.Failed() {
		write(t, dir, all)
	}
}
