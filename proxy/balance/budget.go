package balance

import (
	"sync"
	"time"
)

const (
	// retryShare is how many tokens a request earns: the share of retries.
	retryShare = 0.2
	// retryFloor is how many a second does.
	retryFloor = 1.0
	// retryBurst is what can be saved by a backend without requests, and is there
	// at the start; retrySpan is how long the earnings of requests are kept.
	retryBurst = 20.0
	retrySpan  = 10 * time.Second
)

// budget bounds the retries of a backend. It looks at the number of requests when
// a retry is asked for, so that requests cost it nothing.
type budget struct {
	mu       sync.Mutex
	tokens   float64 // guarded by mu; to spend
	at       int64   // guarded by mu; up to when they are counted, ns
	requests uint64  // guarded by mu; up to which one

	rate       float64 // guarded by mu; requests a second between the last two samples
	sampled    int64   // guarded by mu; when the last was taken, ns
	sampledFor uint64  // guarded by mu; how many requests there were then
}

// start fills an empty budget.
func (b *budget) start(now int64) { b.tokens, b.at, b.sampled = retryBurst, now, now }

// take spends a token, if there is one. requests is how many the backend has had.
func (b *budget) take(now int64, requests uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := time.Duration(now - b.sampled); d >= time.Second {
		b.rate = float64(requests-b.sampledFor) / d.Seconds()
		b.sampled, b.sampledFor = now, requests
	}
	b.tokens += retryShare*float64(requests-b.requests) + retryFloor*time.Duration(now-b.at).Seconds()
	b.tokens = min(b.tokens, retryBurst+retryShare*b.rate*retrySpan.Seconds())
	b.at, b.requests = now, requests
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
