package source

import (
	"testing"
	"time"
)

func TestGap(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0:                      20 * time.Millisecond,
		4 * time.Millisecond:   20 * time.Millisecond,
		100 * time.Millisecond: 500 * time.Millisecond,
		time.Second:            5 * time.Second,
		3 * time.Second:        8 * time.Second,
	} {
		if got := gap(took); got != want {
			t.Errorf("after %v: %v, want %v", took, got, want)
		}
	}
}
