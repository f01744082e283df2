package object

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Upstream is how backends are reached. The zero value is HTTP/1.1 without TLS
// for the request's own host.
type Upstream struct {
	Protocol   hostmap.Protocol
	ServerName string
	// Verify tells that the backend's certificate is to be verified, with CAs,
	// which CAID identifies; they are nil where they cannot be read.
	Verify bool
	CAs    *x509.CertPool
	CAID   [sha256.Size]byte
	// Closed lets nobody through: what is to keep some clients out cannot be
	// read.
	Closed bool
}

// missing is why backends cannot be reached, whatever their Services.
func (u *Upstream) missing() string {
	switch {
	case u.Closed:
		return hostmap.MissingProtection
	case u.Verify && u.CAs == nil:
		return hostmap.MissingCA
	}
	return ""
}

// backendKey tells backends apart, whatever their endpoints.
type backendKey struct {
	namespace, service, port string
	protocol                 hostmap.Protocol
	serverName               string
	caID                     [sha256.Size]byte
	// missing is that of Upstream.
	missing string
}

func keyOf(k *hostmap.Backend) backendKey {
	key := backendKey{k.Namespace, k.Service, k.Port, k.Protocol, k.ServerName, k.CAID, ""}
	if k.Missing == hostmap.MissingCA || k.Missing == hostmap.MissingProtection {
		key.missing = k.Missing
	}
	return key
}

// Port is a port of a Service as an object spells it: by number, or by name
// where that is 0.
type Port struct {
	Number int32
	Name   string
}

func (p Port) String() string {
	if p.Number != 0 {
		return strconv.Itoa(int(p.Number))
	}
	return p.Name
}

// servicePort is a port of a Service.
type servicePort struct {
	service types.NamespacedName
	port    Port
}

func (p servicePort) String() string { return p.port.String() }

// Backend is the backend of a Service port. It is never nil: one that cannot be
// reached says why, so that its routes answer 503 and hide no other route. The
// endpoints say what is wrong with it.
func (all *Services) Backend(service types.NamespacedName, port Port, to *Upstream) (*hostmap.Backend, *Endpoints) {
	key := backendKey{
		namespace: service.Namespace, service: service.Name, port: port.String(),
		protocol: to.Protocol, serverName: to.ServerName,
		caID: to.CAID, missing: to.missing(),
	}
	found := all.reach(servicePort{service, port})
	if known := all.backends[key]; known != nil {
		return known, found
	}
	backend := hostmap.Backend{
		Namespace: key.namespace, Service: key.service, Port: key.port,
		Protocol: key.protocol, ServerName: key.serverName,
		CAs: to.CAs, CAID: to.CAID, Missing: found.missing,
	}
	if s := all.objects[service]; s != nil {
		backend.UID = string(s.UID)
	}
	if key.missing != "" {
		backend.Missing = key.missing
	} else if found.missing == "" {
		backend.Endpoints, backend.Near = found.addresses, found.near
	}
	return all.keepBackend(key, &backend), found
}

// Unsupported is the backend of what is no Service.
func (all *Services) Unsupported(namespace string, to *Upstream) *hostmap.Backend {
	key := backendKey{namespace: namespace, protocol: to.Protocol, serverName: to.ServerName, caID: to.CAID}
	return all.keepBackend(key, &hostmap.Backend{
		Namespace: namespace, Protocol: to.Protocol, ServerName: to.ServerName,
		CAs: to.CAs, CAID: to.CAID, Missing: hostmap.UnsupportedBackend,
	})
}

// Closed is a backend that lets nobody through, in the place of another one.
func (all *Services) Closed(k *hostmap.Backend) *hostmap.Backend {
	key := keyOf(k)
	key.missing = hostmap.MissingProtection
	return all.keepBackend(key, &hostmap.Backend{
		Namespace: k.Namespace, Service: k.Service, Port: k.Port,
		Protocol: k.Protocol, ServerName: k.ServerName,
		CAs: k.CAs, CAID: k.CAID, Missing: hostmap.MissingProtection,
	})
}

// keepBackend returns the previous map's backend if it is equal.
func (all *Services) keepBackend(key backendKey, k *hostmap.Backend) *hostmap.Backend {
	if known := all.backends[key]; known != nil {
		return known
	}
	if old := all.before[key]; old != nil && old.Missing == k.Missing && old.Near == k.Near && old.UID == k.UID && slices.Equal(old.Endpoints, k.Endpoints) {
		k = old
	}
	all.backends[key] = k
	return k
}
