package source

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile"
)

const (
	// refresh is how often a name is looked up: the system's resolver does not
	// say for how long an answer holds.
	refresh = 30 * time.Second
	// lookupTime bounds a lookup, lookups how many are done at a time, and
	// maxNames how many names there may be: whoever may create a Service asks
	// for one.
	lookupTime = 5 * time.Second
	lookups    = 8
	maxNames   = 1000
)

// names are the DNS names that Services of type ExternalName stand for, with
// what was found of each when it was last looked up.
type names struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	log    *slog.Logger
	// wake is called when something else was found than before. ask tells that
	// there are fresh names.
	wake func()
	ask  chan struct{} // holds one

	mu      sync.Mutex
	found   map[string][]netip.Addr // sorted, by name; guarded by mu, as are the next
	fresh   map[string]struct{}     // those of found that were never looked up
	changed bool                    // since add was called last

	// made are the EndpointSlices of the last add, by Service, which the loop
	// alone calls: what has not changed is the same object.
	made map[types.NamespacedName]madeSlice
}

type madeSlice struct {
	addresses []netip.Addr
	slice     *discoveryv1.EndpointSlice
}

func newNames(log *slog.Logger, wake func()) *names {
	return &names{
		lookup: net.DefaultResolver.LookupNetIP, log: log, wake: wake, ask: make(chan struct{}, 1),
		found: make(map[string][]netip.Addr), fresh: make(map[string]struct{}), made: make(map[types.NamespacedName]madeSlice),
	}
}

// add adds to a state the addresses of its Services of type ExternalName, as
// EndpointSlices, and notes which names are to be looked up. It tells whether
// something else was found since it was called last.
func (n *names) add(in *compile.Input) (changed bool) {
	made := make(map[types.NamespacedName]madeSlice)
	wanted := make(map[string]bool)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, service := range in.Services {
		if service.Spec.Type != corev1.ServiceTypeExternalName {
			continue
		}
		name := service.Spec.ExternalName
		if _, known := n.found[name]; !known {
			if len(n.found) >= maxNames {
				continue
			}
			n.found[name] = nil
			n.fresh[name] = struct{}{}
			select {
			case n.ask <- struct{}{}:
			default:
			}
		}
		wanted[name] = true
		key := types.NamespacedName{Namespace: service.Namespace, Name: service.Name}
		m := n.made[key]
		if addresses := n.found[name]; m.slice == nil || !slices.Equal(m.addresses, addresses) {
			m = madeSlice{addresses, compile.ExternalEndpoints(service, addresses)}
		}
		made[key] = m
	}
	for name := range n.found {
		if !wanted[name] {
			delete(n.found, name)
			delete(n.fresh, name)
		}
	}
	if len(made) != 0 {
		in.EndpointSlices = slices.Clone(in.EndpointSlices)
		for _, m := range made {
			in.EndpointSlices = append(in.EndpointSlices, m.slice)
		}
	}
	n.made = made
	changed, n.changed = n.changed, false
	return changed
}

// run looks names up until ctx is done: new ones at once, all of them after each
// refresh.
func (n *names) run(ctx context.Context) {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.ask:
			n.lookUp(ctx, n.takeFresh())
		case <-tick.C:
			n.lookUp(ctx, n.all())
		}
	}
}

// takeFresh returns the names that were never looked up.
func (n *names) takeFresh() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := slices.Collect(maps.Keys(n.fresh))
	clear(n.fresh)
	return fresh
}

func (n *names) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.found))
}

// lookUp looks up names, and wakes the loop if something else is found. Of those
// that cannot be looked up one is logged: anybody may have written them.
func (n *names) lookUp(ctx context.Context, some []string) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, lookups)
	failures := make([]error, len(some))
	for i, name := range some {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			failures[i] = n.lookUpOne(ctx, name)
		})
	}
	wg.Wait()
	failures = slices.DeleteFunc(failures, func(err error) bool { return err == nil })
	if len(failures) != 0 && ctx.Err() == nil {
		n.log.Warn("cannot look up names of Services of type ExternalName", "names", len(failures), "effect", "the last addresses stay", "error", failures[0])
	}
	n.mu.Lock()
	changed := n.changed
	n.mu.Unlock()
	if changed {
		n.wake()
	}
}

func (n *names) lookUpOne(ctx context.Context, name string) error {
	within, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	// The name is whole: no search domain is tried.
	addresses, err := n.lookup(within, "ip", strings.TrimSuffix(name, ".")+".")
	if gone := (*net.DNSError)(nil); err != nil && !(errors.As(err, &gone) && gone.IsNotFound) {
		return err // which has the name
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	addresses = slices.Compact(addresses)
	n.mu.Lock()
	defer n.mu.Unlock()
	if before, wanted := n.found[name]; wanted && !slices.Equal(before, addresses) {
		n.found[name], n.changed = addresses, true
	}
	return nil
}
