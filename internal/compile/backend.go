package compile

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// upstream is how the backends of an Ingress are reached.
type upstream struct {
	protocol   hostmap.Protocol
	serverName string
	// verify tells that the backend's certificate is to be verified, with cas;
	// they are nil where they cannot be read.
	verify bool
	cas    *x509.CertPool
	caID   [sha256.Size]byte
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
func (b *builder) backend(ing *ingress, ref *networkingv1.IngressBackend) *hostmap.Backend {
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
		b.problem(ing.subject, BackendUnsupported, "A backend that is no Service cannot be served.")
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
		b.problem(ing.subject, found.reason, "%s", found.message)
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

// find returns the port of a Service. Ports of other protocols than TCP may
// have the same number.
func (p servicePort) find(s *corev1.Service) *corev1.ServicePort {
	for i := range s.Spec.Ports {
		port := &s.Spec.Ports[i]
		if port.Protocol != "" && port.Protocol != corev1.ProtocolTCP {
			continue
		}
		if p.port.Number != 0 && port.Port == p.port.Number {
			return port
		}
		if p.port.Number == 0 && p.port.Name != "" && port.Name == p.port.Name {
			return port
		}
	}
	return nil
}

func (p servicePort) String() string {
	if p.port.Number != 0 {
		return strconv.Itoa(int(p.port.Number))
	}
	return p.port.Name
}
