package gate

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// taker takes out of a quota at times since its start.
func taker(t *testing.T, quota hostmap.Quota) func(client string, at time.Duration) (held, bool) {
	t.Helper()
	q := newQuotas()
	route := &hostmap.Route{Terms: hostmap.Terms{Quota: quota}}
	return func(client string, at time.Duration) (held, bool) {
		return q.take(route, netip.MustParseAddr(client), q.began.Add(at))
	}
}

func TestQuotaComesBackEvenly(t *testing.T) {
	take := taker(t, hostmap.Quota{PerSecond: 2, Burst: 1})
	for i, step := range []struct {
		at time.Duration
		ok bool
	}{
		{0, true}, {0, true}, {0, true}, {0, false}, // one and the burst of two
		{499 * time.Millisecond, false}, {500 * time.Millisecond, true}, {500 * time.Millisecond, false},
		{10 * time.Second, true}, {10 * time.Second, true}, {10 * time.Second, true}, {10 * time.Second, false},
	} {
		if _, ok := take("192.0.2.1", step.at); ok != step.ok {
			t.Errorf("step %d, at %v: %v, want %v", i, step.at, ok, step.ok)
		}
	}
	if _, ok := take("192.0.2.2", 10*time.Second); !ok {
		t.Error("another client has not had any")
	}
}

func TestQuotaOfAHostIsThatOfItsNetwork(t *testing.T) {
	take := taker(t, hostmap.Quota{PerMinute: 1})
	for client, ok := range map[string]bool{"2001:db8::1": true, "2001:db8:0:1::1": true, "192.0.2.1": true} {
		if _, got := take(client, 0); got != ok {
			t.Errorf("%s: %v, want %v", client, got, ok)
		}
	}
	for _, client := range []string{"2001:db8::2", "2001:db8:0:1:ffff::", "::ffff:192.0.2.1"} {
		if _, ok := take(client, 0); ok {
			t.Errorf("%s has a quota of its own", client)
		}
	}
}

func TestQuotaAtOnce(t *testing.T) {
	take := taker(t, hostmap.Quota{Concurrent: 2})
	first, _ := take("192.0.2.1", 0)
	if _, ok := take("192.0.2.1", 0); !ok {
		t.Fatal("two at once are refused")
	}
	if _, ok := take("192.0.2.1", time.Hour); ok {
		t.Error("three at once are not refused")
	}
	first.release()
	if _, ok := take("192.0.2.1", time.Hour); !ok {
		t.Error("refused after one was over")
	}
}

// Whoever has many addresses takes no memory with each, and nobody who is under
// way is forgotten.
func TestQuotasAreBounded(t *testing.T) {
	q := newQuotas()
	route := &hostmap.Route{Terms: hostmap.Terms{Quota: hostmap.Quota{PerMinute: 1, Concurrent: 1}}}
	busy := netip.MustParseAddr("192.0.2.1")
	if _, ok := q.take(route, busy, q.began); !ok {
		t.Fatal("the first request is refused")
	}
	for i := range uint32(3 * maxTallies * 16) {
		h, ok := q.take(route, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i|1<<31))), q.began)
		if !ok {
			t.Fatalf("client %d is refused", i)
		}
		h.release()
	}
	n := 0
	for i := range q.shards {
		n += len(q.shards[i].tally)
	}
	if n > maxTallies*16 {
		t.Errorf("%d clients are remembered", n)
	}
	if _, ok := q.take(route, busy, q.began.Add(time.Hour)); ok {
		t.Error("a client under way was forgotten")
	}
}
