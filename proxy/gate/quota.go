package gate

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// quotas count what clients have had of objects whose routes have a quota. They
// outlive host maps, and are bounded whatever the number of clients.
type quotas struct {
	began  time.Time
	seed   maphash.Seed
	shards [16]quotaShard
}

type quotaShard struct {
	mu    sync.Mutex
	tally map[quotaKey]*tally // guarded by mu, as is what is in it
}

// maxTallies bounds the clients of a shard.
const maxTallies = 4096

// quotaKey is one client at one object.
type quotaKey struct {
	object hostmap.Object
	client netip.Addr
}

// tally is what one client has had. It is the generic cell rate algorithm: of
// each rate the time at which all that was had would have been had evenly.
type tally struct {
	second, minute time.Duration // since quotas began
	under          int32         // requests under way
}

// idle tells whether a tally says no more than none does.
func (t *tally) idle(now time.Duration) bool {
	return t.under == 0 && t.second <= now && t.minute <= now
}

func newQuotas() *quotas {
	q := &quotas{began: time.Now(), seed: maphash.MakeSeed()}
	for i := range q.shards {
		q.shards[i].tally = make(map[quotaKey]*tally)
	}
	return q
}

// held is a request that counts as one under way until release.
type held struct {
	shard *quotaShard
	tally *tally
}

func (h held) release() {
	if h.tally == nil {
		return
	}
	h.shard.mu.Lock()
	defer h.shard.mu.Unlock()
	h.tally.under--
}

// take takes one request out of a client's quota at a route's object. Without
// ok there is none left.
func (q *quotas) take(route *hostmap.Route, client netip.Addr, at time.Time) (h held, ok bool) {
	t := &route.Terms.Quota
	if t.Except.Contains(client) {
		return held{}, true
	}
	key := quotaKey{route.From, clientOf(client)}
	shard := &q.shards[maphash.Comparable(q.seed, key)%uint64(len(q.shards))]
	now := at.Sub(q.began)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	had := shard.of(key, now)
	if had == nil || t.Concurrent != 0 && had.under >= t.Concurrent {
		return held{}, false
	}
	second, minute := had.second, had.minute
	if !spend(&second, now, time.Second, t.PerSecond, t.Burst) || !spend(&minute, now, time.Minute, t.PerMinute, t.Burst) {
		return held{}, false
	}
	had.second, had.minute = second, minute
	had.under++
	return held{shard, had}, true
}

// spend takes one of so many in a period, of which burst times as many may come
// at once. 0 is no bound.
func spend(had *time.Duration, now, period time.Duration, many, burst int32) bool {
	if many == 0 {
		return true
	}
	each := period / time.Duration(many)
	next := max(*had, now) + each
	// One more than the burst: the first of an even stream is none of it.
	if next-now > each*(time.Duration(many)*time.Duration(burst)+1) {
		return false
	}
	*had = next
	return true
}

// of returns a client's tally. Where there are too many a client that is new
// takes the place of one without requests under way; nil is none.
func (s *quotaShard) of(key quotaKey, now time.Duration) *tally {
	if t := s.tally[key]; t != nil {
		return t
	}
	if len(s.tally) >= maxTallies && !s.makeRoom(now) {
		return nil
	}
	t := new(tally)
	s.tally[key] = t
	return t
}

// makeRoom forgets those of a few tallies that are idle, else one of them that
// can be. To look at all of them would make each new client dear.
func (s *quotaShard) makeRoom(now time.Duration) bool {
	var other *quotaKey
	before, looked := len(s.tally), 0
	for key, t := range s.tally {
		switch {
		case t.idle(now):
			delete(s.tally, key)
		case t.under == 0 && other == nil:
			other = &key
		}
		if looked++; looked == fewTallies {
			break
		}
	}
	if len(s.tally) == before && other != nil {
		delete(s.tally, *other)
	}
	return len(s.tally) < before
}

// fewTallies are looked at for room.
const fewTallies = 16

// clientOf is what counts as one client: an IPv6 host has all of a /64.
func clientOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil { // of an address that is not valid
		return a
	}
	return p.Addr()
}
