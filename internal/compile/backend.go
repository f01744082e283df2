package compile

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// upstream is how the backends of an Ingress are reached.
type upstream struct {
	protocol   hostmap.Protocol
	serverName string
	// verify tells that the backend's certificate is to be verified, with cas,
	// which caSecret holds; they are nil where they cannot be read.
	verify   bool
	caSecret string
	cas      *x509.CertPool
	caID     [sha256.Size]byte
}

// backendKey tells backends apart, whatever their endpoints.
type backendKey struct {
	namespace, service, port string
	protocol                 hostmap.Protocol
	serverName               string
	caID                     [sha256.Size]byte
	// blind tells that the CAs cannot be read.
	blind bool
}

func keyOf(k *hostmap.Backend) backendKey {
	return backendKey{k.Namespace, k.Service, k.Port, k.Protocol, k.ServerName, k.CAID, k.Missing == hostmap.MissingCA}
}

// backend resolves a backend of an Ingress. It is never nil: one that cannot
// be reached says why, so that its routes answer 503 and hide no other route.
func (b *builder) backend(ing *ingress, ref *networkingv1.IngressBackend, at place) *hostmap.Backend {
	u := &ing.notes.upstream
	key := backendKey{
		namespace: ing.object.Namespace, protocol: u.protocol, serverName: u.serverName,
		caID: u.caID, blind: u.verify && u.cas == nil,
	}
	backend := hostmap.Backend{
		Namespace: key.namespace, Protocol: key.protocol, ServerName: key.serverName,
		CAs: u.cas, CAID: u.caID,
	}
	if ref.Service == nil {
		what := "no Service"
		if r := ref.Resource; r != nil {
			what = "a resource, " + quote(r.Kind+" "+r.Name) + ", not a Service"
		}
		b.problem(ing.subject, BackendUnsupported, "%s: the backend is %s; requests are answered 503. Name a Service.", at.String(), what)
		backend.Missing = hostmap.UnsupportedBackend
		key.blind = false
		return b.keepBackend(key, &backend)
	}
	key.service, key.port = ref.Service.Name, ref.Service.Port.Name
	if ref.Service.Port.Number != 0 {
		key.port = strconv.Itoa(int(ref.Service.Port.Number))
	}
	service := types.NamespacedName{Namespace: key.namespace, Name: key.service}
	found := b.reach(servicePort{service, ref.Service.Port})
	if found.reason != "" {
		ing.uses.add(found, at)
	}
	if known := b.backends[key]; known != nil {
		return known
	}
	backend.Service, backend.Port, backend.Missing = key.service, key.port, found.missing
	if key.blind {
		backend.Missing = hostmap.MissingCA
	} else if found.missing == "" {
		backend.Endpoints = found.endpoints
	}
	return b.keepBackend(key, &backend)
}

// keepBackend returns the previous map's backend if it is equal.
func (b *builder) keepBackend(key backendKey, k *hostmap.Backend) *hostmap.Backend {
	if known := b.backends[key]; known != nil {
		return known
	}
	if old := b.lastGood.backends[key]; old != nil && old.Missing == k.Missing && slices.Equal(old.Endpoints, k.Endpoints) {
		k = old
	}
	b.backends[key] = k
	return k
}

// servicePort is a port of a Service as an Ingress spells it.
type servicePort struct {
	service types.NamespacedName
	port    networkingv1.ServiceBackendPort
}

func (p servicePort) String() string {
	if p.port.Number != 0 {
		return strconv.Itoa(int(p.port.Number))
	}
	return p.port.Name
}

// unreachable are the backends of an Ingress with which something is wrong,
// each with the places that name it: many paths lead to few Services, and each
// Service is one problem.
type unreachable struct {
	list []*unreachableUse
	by   map[*reachable]*unreachableUse
}

type unreachableUse struct {
	found *reachable
	first place
	more  int
}

func (u *unreachable) add(found *reachable, at place) {
	if use := u.by[found]; use != nil {
		use.more++
		return
	}
	use := &unreachableUse{found: found, first: at}
	if u.by == nil {
		u.by = make(map[*reachable]*unreachableUse)
	}
	u.by[found] = use
	u.list = append(u.list, use)
}

func (b *builder) reportUnreachable(ing *ingress) {
	for _, use := range ing.uses.list {
		where := use.first.String()
		if use.more != 0 {
			where += " and " + thousands(use.more) + " more"
		}
		b.problem(ing.subject, use.found.reason, "%s: %s", where, use.found.message)
	}
	ing.uses = unreachable{}
}
