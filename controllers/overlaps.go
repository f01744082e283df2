package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

const (
	// overlapsShare is how many times as long as it took to find overlaps is
	// rested after it, so that a hundredth of a processor goes there at most.
	overlapsShare = 100
	// overlapsLeast and overlapsMost bound that rest.
	overlapsLeast, overlapsMost = time.Second, time.Minute
)

// Overlaps are the hosts of one class that share certificates with other hosts.
type Overlaps struct {
	// Hosts counts them, Refused those whose requests are answered 421 on a
	// connection that was made for another host.
	Hosts, Refused int
	// First are some pairs, those that are refused first.
	First []v1alpha1.Overlap
}

// overlaps keeps what is known of the hosts that share certificates. Finding
// out takes a while for many hosts: run does it beside the writing of status,
// which never waits for it.
type overlaps struct {
	find     func(*hostmap.Map) map[string]Overlaps // nil: nothing is ever known
	outcomes *mailbox
	wake     chan<- struct{} // holds one
	last     atomic.Pointer[map[string]Overlaps]
}

// run finds overlaps of each outcome's map, or of the newest after a rest,
// until ctx ends.
func (s *overlaps) run(ctx context.Context) {
	if s.find == nil {
		return
	}
	var of *hostmap.Map
	for {
		var o source.Outcome
		select {
		case <-ctx.Done():
			return
		case o = <-s.outcomes.c:
		}
		if o.Map == of {
			continue
		}
		began := time.Now()
		found := s.find(o.Map)
		of = o.Map
		s.last.Store(&found)
		select {
		case s.wake <- struct{}{}:
		default:
		}
		rest := time.NewTimer(min(max(overlapsShare*time.Since(began), overlapsLeast), overlapsMost))
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// of are the overlaps of the hosts of some classes, and whether they are known
// yet.
func (s *overlaps) of(classes map[string]bool) (all Overlaps, known bool) {
	last := s.last.Load()
	if last == nil {
		return all, false
	}
	for _, refused := range []bool{true, false} { // which of two classes comes first matters less
		for _, class := range slices.Sorted(maps.Keys(classes)) {
			for _, o := range (*last)[class].First {
				if (o.Effect == v1alpha1.OverlapRefused) == refused && len(all.First) < v1alpha1.MaxStatusOverlaps {
					all.First = append(all.First, o)
				}
			}
		}
	}
	for class := range classes {
		all.Hosts += (*last)[class].Hosts
		all.Refused += (*last)[class].Refused
	}
	return all, true
}

// condition tells whether there are any.
func (o *Overlaps) condition(generation int64) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionOverlapping, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNoOverlap,
		Message: "No certificate invites requests for another host.", ObservedGeneration: generation,
	}
	if o.Hosts != 0 {
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonOverlap
		c.Message = fmt.Sprintf("Requests for %d of the hosts may come over connections that were made for another host; those for %d get 421 there. 'ingress421 audit' tells all.", o.Hosts, o.Refused)
	}
	return c
}
