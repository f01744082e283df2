package source

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

const (
	// again is the time until a list that failed is asked for again.
	again = time.Second
	// alarm bounds the sleep until the time that the compiler asked for,
	// because clocks are set.
	alarm = time.Hour
)

// Loop makes and publishes host maps. Make one with [New].
type Loop struct {
	Config
	list List
	wake chan struct{} // holds one
	// names is nil unless Services of type ExternalName are served.
	names *names

	// What follows is owned by Run.
	live   *hostmap.Map // nil before the first
	next   time.Time    // when to build although nothing has changed; zero: never
	rested time.Time    // when the next turn may begin, at the earliest
}

// New makes a loop over what list lists.
func New(c Config, list List) *Loop {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	l := &Loop{Config: c, list: list, wake: make(chan struct{}, 1)}
	if c.ExternalNames {
		l.names = newNames(c.Log, l.Wake)
	}
	return l
}

// Wake tells the loop that something may have changed. It never waits and may
// be called from any goroutine, before Run too.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run publishes the first map at once, and another one after each change, until
// ctx is done.
func (l *Loop) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { l.GuardHosts.Watch(ctx, l.Wake) })
	if l.names != nil {
		wg.Go(func() { l.names.run(ctx) })
	}
	for ctx.Err() == nil {
		l.turn(ctx)
		l.sleep(ctx)
	}
}

// turn publishes the map of the state as it is now, unless that is the same
// and nothing is due.
func (l *Loop) turn(ctx context.Context) {
	select {
	case <-l.wake: // What woke it is in the list.
	default:
	}
	began := time.Now()
	first := l.live == nil
	l.rested = began.Add(gap(0))
	state, err := l.list(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.Log.Error("cannot read the state", "effect", Effect(!first), "error", err)
		}
		l.next, l.rested = began.Add(again), began.Add(again)
		return
	}
	if l.names != nil && l.names.add(&state.Input) {
		state.Same = false
	}
	if state.Same && !first && !l.due() && !l.GuardHosts.Changed() {
		return
	}
	o, next := l.compile(l.live, state)
	l.live, l.next = o.Map, next
	l.Publish(o.Map)
	o.Took = time.Since(began)
	if l.Report != nil {
		l.Report(o)
	}
	if !first { // which parses what none after it parses again
		l.rested = began.Add(gap(time.Since(began)))
	}
}

// due tells whether the map is to be made again although nothing has changed.
func (l *Loop) due() bool { return !l.next.IsZero() && !time.Now().Before(l.next) }

// sleep waits until something changes or is due, and until the loop is rested.
func (l *Loop) sleep(ctx context.Context) {
	for woken := false; !woken && !l.due(); {
		wait := alarm
		if !l.next.IsZero() {
			wait = min(time.Until(l.next), alarm)
		}
		woken = l.wait(ctx, wait, l.wake)
		if ctx.Err() != nil {
			return
		}
	}
	l.wait(ctx, time.Until(l.rested), nil)
}

// wait waits for as long as d, and tells whether it was woken before.
func (l *Loop) wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
		return true
	}
	return false
}

// Effect says what it means for clients that a source cannot be read, before
// the first host map is live and after.
func Effect(live bool) string {
	if live {
		return "the last host map stays"
	}
	return "nothing is served yet"
}
