package compile

import (
	"crypto/sha256"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

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
	ingresses := b.readIngresses()
	hosts := b.claim(ingresses)
	b.refuseOver(hosts, ingresses)
	b.buildSites(hosts)
	class := b.unservedClass()
	certificates := b.usedCertificates()
	m = b.finish(hostmap.Spec{
		Sites:        sitesOf(hosts),
		Class:        class.Class,
		Classes:      b.usedClasses(),
		Defaults:     class.defaults,
		Certificates: certificates,
		Parsed:       b.parsed,
	})
	return m, b.problems.sorted(), nextChange(in.Now, certificates)
}

// builder is one run of Build.
type builder struct {
	in       *Input
	previous *hostmap.Map // never nil
	first    bool         // there was no previous map
	problems problems

	objects  objects
	owners   classes
	classes  map[string]*class // by name; "" is the built-in one
	lastGood lastGood
	reserved reserved

	keyPairs map[hostmap.SecretRef]*keyPair
	bundles  map[hostmap.SecretRef]*bundle
	// parsed is what this run has used, and the next one need not parse again.
	parsed    hostmap.Parsed
	policies  map[policyKey]hostmap.TLSPolicy
	backends  map[backendKey]*hostmap.Backend
	endpoints map[servicePort]*reachable
	services  map[types.NamespacedName]*service
}

func newBuilder(previous *hostmap.Map, in *Input) *builder {
	first := previous == nil
	if first {
		previous = new(hostmap.Map)
	}
	return &builder{
		in:       in,
		previous: previous,
		first:    first,
		objects:  newObjects(in),
		owners:   newClasses(in),
		classes:  make(map[string]*class),
		lastGood: newLastGood(previous),
		keyPairs: make(map[hostmap.SecretRef]*keyPair, len(previous.Certificates())),
		bundles:  make(map[hostmap.SecretRef]*bundle),
		parsed: hostmap.Parsed{
			Bundles:  make(map[[sha256.Size]byte]*hostmap.Bundle),
			Failures: make(map[[sha256.Size]byte]string),
		},
		policies:  make(map[policyKey]hostmap.TLSPolicy),
		backends:  make(map[backendKey]*hostmap.Backend, len(previous.Backends())),
		endpoints: make(map[servicePort]*reachable, len(previous.Backends())),
		services:  make(map[types.NamespacedName]*service, len(previous.Backends())),
	}
}

// finish makes the map, or returns the previous one if it is the same.
func (b *builder) finish(spec hostmap.Spec) *hostmap.Map {
	if !b.first && spec.Class == b.lastGood.unserved &&
		slices.Equal(spec.Defaults, b.previous.Defaults()) &&
		sameElements(spec.Classes, b.previous.Classes()) &&
		sameElements(spec.Certificates, b.previous.Certificates()) &&
		spec.Parsed.Equal(b.previous.Parsed()) &&
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
