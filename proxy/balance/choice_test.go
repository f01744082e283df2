package balance

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// load sends requests for a time, one each pause, that take as long as an
// endpoint says, and returns how many began at each, and how many were in flight
// at most.
func (h *house) load(b *Backend, span, pause time.Duration, takes func(n byte) time.Duration) (begun, most map[byte]int) {
	begun, most = map[byte]int{}, map[byte]int{}
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(pause) {
		turn := h.begin(b, get())
		n := number(turn.Endpoint())
		begun[n]++
		most[n] = max(most[n], int(turn.m.inFlight.Load()))
		time.AfterFunc(takes(n), func() {
			turn.Answered()
			turn.End()
		})
	}
	return begun, most
}

// Equal endpoints without load take turns, and none has more than another.
func TestEqualEndpointsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2, 3)
		if got := h.first(b, 6); !slices.Equal(got, []byte{2, 3, 1, 2, 3, 1}) {
			t.Errorf("requests begin at %v", got)
		}
	})
}

// Who is slow gets as much as it can take: turns alone would heap requests up
// there.
func TestSlowEndpointGetsLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2, 3, 4, 5)
		takes := func(n byte) time.Duration {
			if n == 1 {
				return time.Second
			}
			return time.Duration(5+rand.N(10)) * time.Millisecond
		}
		begun, most := h.load(b, 20*time.Second, time.Millisecond, takes)
		// 1000 requests a second: in turn, 1 would have 200 in flight.
		if most[1] > 20 {
			t.Errorf("the slow endpoint had %d requests in flight: %v", most[1], begun)
		}
		for n := byte(2); n <= 5; n++ {
			if share := float64(begun[n]) / 20000; share < 0.2 || share > 0.3 {
				t.Errorf("endpoint %d had %.2f of the requests: %v", n, share, begun)
			}
		}
		time.Sleep(time.Minute)
	})
}

// New endpoints, and those that are back, take a tenth of their share at first,
// half of it after five seconds, and all after ten.
func TestEndpointsWarmUp(t *testing.T) {
	for name, prepare := range map[string]func(h *house) *Backend{
		"new": func(h *house) *Backend {
			h.publish(1, 2, 3)
			return h.publish(1, 2, 3, 4)
		},
		"back": func(h *house) *Backend {
			b := h.publish(1, 2, 3, 4)
			for range 4 {
				h.route(b, get(), failing(refused, 4))
			}
			time.Sleep(2 * time.Second)
			for range 4 {
				h.route(b, get(), answers)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, 0)
				b := prepare(h)
				share := func() float64 {
					n := 0
					for _, at := range h.first(b, 4000) {
						if at == 4 {
							n++
						}
					}
					return float64(n) / 1000
				}
				for _, want := range []float64{0.1, 0.5, 1} {
					if got := share(); got < want-0.1 || got > want+0.1 {
						t.Errorf("it has %.2f of its share, want %.2f", got, want)
					}
					time.Sleep(warmUp / 2)
				}
			})
		})
	}
}

// Where all are new nobody is spared: there is nobody else.
func TestAllNewAreEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		h.publish(9)
		b := h.publish(1, 2)
		got := h.first(b, 100)
		if n := len(slices.DeleteFunc(got, func(n byte) bool { return n == 1 })); n != 50 {
			t.Errorf("%d of 100 requests begin at endpoint 2", n)
		}
	})
}

// What is meant for this zone takes all requests, and the rest those that it
// cannot.
func TestNearEndpointsAreFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publishAs(hostmap.Backend{Near: 2}, 1, 2, 3, 4)
		got := h.first(b, 10)
		if slices.Contains(got, 3) || slices.Contains(got, 4) || !slices.Contains(got, 1) || !slices.Contains(got, 2) {
			t.Errorf("requests begin at %v", got)
		}
		tried := h.route(b, get(), failing(refused, 1, 2, 3))
		if len(tried) < 3 || !slices.Equal(slices.Sorted(slices.Values(tried[:2])), []byte{1, 2}) || tried[len(tried)-1] != 4 {
			t.Errorf("where the near ones fail %v are tried", tried)
		}
		got = h.first(b, 10)
		if slices.Contains(got, 1) || slices.Contains(got, 2) || !slices.Contains(got, 4) {
			t.Errorf("where the near ones rest requests begin at %v", got)
		}
	})
}

// BenchmarkBegin: what it costs to choose, by how many endpoints there are.
func BenchmarkBegin(b *testing.B) {
	for name, numbers := range map[string][]byte{"1": {1}, "3": {1, 2, 3}, "30": make([]byte, 30)} {
		for i := range numbers {
			numbers[i] = byte(i + 1)
		}
		b.Run(name, func(b *testing.B) {
			h := newHouse(b, 0)
			backend := h.publish(numbers...)
			req, now, turn := get(), time.Now(), new(Turn)
			b.ReportAllocs()
			for b.Loop() {
				*turn = Turn{}
				req.ConnectTimeout = 0
				turn.Begin(backend, req, now)
				turn.Answered()
				turn.End()
			}
		})
	}
}
