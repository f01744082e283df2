package hostmap_test

import (
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestPasses(t *testing.T) {
	const own = "ingress421-0123abcd"
	tests := []struct {
		value     string
		mine, all int
	}{
		{"", 0, 0},
		{"cdn.example", 0, 0},
		{"ingress421-0123abcd", 1, 1},
		{"ingress421-ffffffff", 0, 1},
		{"cdn.example; trace=\"a b\", ingress421-0123abcd;x=y ,\tingress421-ffffffff,ingress421-0123abcd", 2, 3},
		{"xingress421-0123abcd, Ingress421-0123abcd", 0, 0},
		{",;, ;ingress421-0123abcd,", 0, 0},
	}
	for _, tt := range tests {
		if mine, all := hostmap.Passes(tt.value, own); mine != tt.mine || all != tt.all {
			t.Errorf("Passes(%q) = %d, %d; want %d, %d", tt.value, mine, all, tt.mine, tt.all)
		}
	}
}

func FuzzPasses(f *testing.F) {
	f.Add("cdn.example; a=\"b,c\", ingress421-0123abcd")
	f.Fuzz(func(t *testing.T, value string) {
		mine, all := hostmap.Passes(value, "ingress421-0123abcd")
		if mine > all {
			t.Errorf("%q: this one %d times, any %d times", value, mine, all)
		}
		// What a proxy appends is always counted.
		after, _ := hostmap.Passes(value+", ingress421-0123abcd", "ingress421-0123abcd")
		if after != mine+1 {
			t.Errorf("%q: %d times, and with one more %d times", value, mine, after)
		}
	})
}
