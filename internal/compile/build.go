package compile

import (
	"fmt"
	"slices"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Build makes the host map of a state. What did not change since the previous
// map, which may be nil, is taken over from it by pointer; so are last good
// certificates. Where nothing changed at all the previous map itself is
// returned. The problems are sorted. next is when to build again although no
// object has changed (a certificate begins or ceases to be valid); zero:
// never.
func Build(previous *hostmap.Map, in Input) (m *hostmap.Map, problems []hostmap.Problem, next time.Time) {
	b := newBuilder(previous, &in)
	b.readClasses()
	b.reserve()
	hosts := b.claim(b.readIngresses())
	b.buildSites(hosts)
	class := b.unservedClass()
	certificates := b.usedCertificates()
	m = b.finish(hostmap.Spec{
		Sites:        sitesOf(hosts),
		Class:        class.Class,
		Classes:      b.usedClasses(),
		Defaults:     class.defaults,
		Certificates: certificates,
	})
	slices.SortFunc(b.problems, hostmap.Problem.Compare)
	return m, slices.Compact(b.problems), nextChange(in.Now, certificates)
}

// builder is one run of Build.
type builder struct {
	in       *Input
	previous *hostmap.Map // never nil
	first    bool         // there was no previous map
	problems []hostmap.Problem

	objects  objects
	owners   classes
	classes  map[string]*class // by name; "" is the built-in one
	lastGood lastGood
	reserved reserved

	keyPairs  map[hostmap.SecretRef]*keyPair
	bundles   map[hostmap.SecretRef]*bundle
	policies  map[policyKey]hostmap.TLSPolicy
	backends  map[backendKey]*hostmap.Backend
	endpoints map[servicePort]*reachable
}

func newBuilder(previous *hostmap.Map, in *Input) *builder {
	first := previous == nil
	if first {
		previous = new(hostmap.Map)
	}
	return &builder{
		in:        in,
		previous:  previous,
		first:     first,
		objects:   newObjects(in),
		owners:    newClasses(in),
		classes:   make(map[string]*class),
		lastGood:  newLastGood(previous),
		keyPairs:  make(map[hostmap.SecretRef]*keyPair, len(previous.Certificates())),
		bundles:   make(map[hostmap.SecretRef]*bundle),
		policies:  make(map[policyKey]hostmap.TLSPolicy),
		backends:  make(map[backendKey]*hostmap.Backend, len(previous.Backends())),
		endpoints: make(map[servicePort]*reachable, len(previous.Backends())),
	}
}

// finish makes the map, or returns the previous one if it is the same.
func (b *builder) finish(spec hostmap.Spec) *hostmap.Map {
	if !b.first && spec.Class == b.lastGood.unserved &&
		slices.Equal(spec.Defaults, b.previous.Defaults()) &&
		sameElements(spec.Classes, b.previous.Classes()) &&
		sameElements(spec.Certificates, b.previous.Certificates()) &&
		sameElements(spec.Sites, b.previous.Sites()) {
		return b.previous
	}
	return hostmap.New(spec)
}

// sameElements tells whether two slices without repetition hold the same
// pointers, in whatever order.
func sameElements[T any](a, b []*T) bool {
	if len(a) != len(b) {
		return false
	}
	in := make(map[*T]struct{}, len(b))
	for _, p := range b {
		in[p] = struct{}{}
	}
	for _, p := range a {
		if _, ok := in[p]; !ok {
			return false
		}
	}
	return true
}

// subject names the object that a problem is about.
type subject struct {
	kind, namespace, name string
}

func (b *builder) problem(on subject, reason, format string, args ...any) {
	b.problems = append(b.problems, hostmap.Problem{
		Kind: on.kind, Namespace: on.namespace, Name: on.name,
		Reason: reason, Message: fmt.Sprintf(format, args...),
	})
}

// maxQuoted bounds what a problem repeats of a tenant's text, in octets: an
// annotation may have 256 KiB.
const maxQuoted = 100

// quote makes a tenant's text fit for messages and logs.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q...", s[:maxQuoted])
	}
	return fmt.Sprintf("%q", s)
}
