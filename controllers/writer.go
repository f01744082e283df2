package controllers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingress421/ingress421/internal/source"
)

const (
	// pace is the least time between two rounds of writing.
	pace = 200 * time.Millisecond
	// retry is the time until a round in which something failed is repeated.
	retry = 5 * time.Second
)

// mailbox holds the newest outcome. It is safe for one sender and one reader.
type mailbox struct{ c chan source.Outcome }

func newMailbox() *mailbox { return &mailbox{make(chan source.Outcome, 1)} }

// put replaces what nobody has taken. It never waits.
func (m *mailbox) put(o source.Outcome) {
	select {
	case <-m.c:
	default:
	}
	m.c <- o
}

// writer writes status, events and the record of owners. Its run is called by the leader only, and
// not twice at once.
type writer struct {
	*Config
	client   client.Client // reads from the caches
	outcomes *mailbox
	wake     chan struct{} // a status has changed, ours or not; holds one
	events   *events
	overlaps *overlaps
	record   bool // the record of owners can be read

	last      *source.Outcome                  // the newest that was taken
	addressed map[types.NamespacedName]written // Ingresses whose status is ours
	complaint string                           // the last one about our addresses
}

func newWriter(c *Config, mgr manager.Manager) (*writer, error) {
	events, err := newEvents(c.Log, mgr.GetConfig(), mgr.GetScheme())
	if err != nil {
		return nil, err
	}
	wake := make(chan struct{}, 1)
	return &writer{
		Config:    c,
		client:    mgr.GetClient(),
		outcomes:  newMailbox(),
		wake:      wake,
		events:    events,
		overlaps:  &overlaps{find: c.Overlaps, outcomes: newMailbox(), wake: wake},
		addressed: make(map[types.NamespacedName]written),
	}, nil
}

// run writes about each outcome until ctx ends.
func (w *writer) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { w.events.run(ctx) })
	wg.Go(func() { w.overlaps.run(ctx) })
	if w.last != nil {
		w.pass(*w.last)
	}
	timer := time.NewTimer(0) // A new leader begins with what it knows.
	defer timer.Stop()
	var paced time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-w.outcomes.c:
			w.last = &o
			w.pass(o)
			timer.Reset(max(0, time.Until(paced)))
		case <-w.wake:
			timer.Reset(max(0, time.Until(paced)))
		case <-timer.C:
			if w.last == nil {
				continue
			}
			paced = time.Now().Add(pace)
			if wait := w.write(ctx, w.last); wait > 0 {
				timer.Reset(wait)
			}
		}
	}
}

// pass hands an outcome on to those who work beside the writing of status.
func (w *writer) pass(o source.Outcome) {
	w.events.outcomes.put(o)
	w.overlaps.outcomes.put(o)
}

// write writes what differs and returns when to do so again, 0 for never.
func (w *writer) write(ctx context.Context, o *source.Outcome) time.Duration {
	again := w.writeAddresses(ctx, o)
	for _, failed := range []bool{w.writePolicies(ctx, o), w.writeOwners(ctx, o)} {
		if failed {
			again = sooner(again, retry)
		}
	}
	return again
}

// sooner is the lesser of two waits, of which 0 is one without end.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// failed logs what could not be written, and tells whether to try again. An
// object that is gone needs no status.
func (w *writer) failed(kind string, name types.NamespacedName, err error) bool {
	if client.IgnoreNotFound(err) == nil {
		return false
	}
	w.Log.Warn("cannot write", slog.String("kind", kind), slog.String("namespace", name.Namespace),
		slog.String("name", name.Name), slog.Any("error", err))
	return true
}
