package hostmap

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
)

// Protocol is what is spoken to a backend's endpoints.
type Protocol uint8

const (
	// HTTP is HTTP/1.1 without TLS.
	HTTP Protocol = iota
	// HTTPS is HTTP/1.1 or HTTP/2 over TLS, as the endpoint chooses.
	HTTPS
	// H2C is HTTP/2 without TLS, by prior knowledge.
	H2C
	// GRPC is H2C for gRPC.
	GRPC
	// GRPCS is HTTP/2 over TLS for gRPC.
	GRPCS
)

var protocolNames = [...]string{"HTTP", "HTTPS", "H2C", "GRPC", "GRPCS"}

func (p Protocol) String() string { return protocolNames[p] }

// TLS tells whether the protocol runs over TLS.
func (p Protocol) TLS() bool { return p == HTTPS || p == GRPCS }

// OnlyHTTP2 tells whether the protocol is HTTP/2 and never HTTP/1.1.
func (p Protocol) OnlyHTTP2() bool { return p == H2C || p == GRPC || p == GRPCS }

// Why a backend cannot be reached, whatever its endpoints. Requests for it are
// answered 503.
const (
	// MissingService: the Service does not exist.
	MissingService = "service_not_found"
	// MissingPort: the Service has no such port.
	MissingPort = "port_not_found"
	// UnsupportedBackend: a resource backend, or a Service of type ExternalName.
	UnsupportedBackend = "unsupported"
	// MissingCA: the CAs to verify the backend with cannot be read.
	MissingCA = "ca_not_found"
	// MissingProtection: what is to keep some clients out cannot be read, so
	// that nobody is let in.
	MissingProtection = "protection_unresolved"
)

// Backend is a Service port. It is immutable.
type Backend struct {
	// Namespace and Service name the Service, Port its port as the Ingress
	// spells it: a name or a number.
	Namespace, Service, Port string
	// Protocol is what the endpoints speak.
	Protocol Protocol
	// ServerName is the host that the backend is asked for, in the Host header
	// and in its TLS handshake; "" is the request's own.
	ServerName string
	// CAs verify the backend's certificate; nil: it is not verified.
	CAs *x509.CertPool
	// CAID identifies the content of CAs.
	CAID [sha256.Size]byte
	// Endpoints are the addresses that take requests, those that are near first,
	// each of the two kinds sorted.
	Endpoints []netip.AddrPort
	// Near is how many of them are meant for the zone of this node, and take
	// requests before the rest; 0: no difference is made.
	Near int
	// UID is the Service's in the cluster, "" where it has none. Clients do not
	// know it.
	UID string
	// Missing is why there can be no endpoints, "" where there can.
	Missing string
}

// text appends the backend as texts of host maps have it.
func (k *Backend) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s %s/%s:%s", k.Protocol, k.Namespace, k.Service, k.Port)
	if k.ServerName != "" {
		fmt.Fprintf(b, " host=%s", k.ServerName)
	}
	if k.CAs != nil {
		fmt.Fprintf(b, " ca=%x", k.CAID[:8])
	}
	switch {
	case k.Missing != "":
		fmt.Fprintf(b, " missing=%s", k.Missing)
	case len(k.Endpoints) == 0:
		b.WriteString(" endpoints=none")
	default:
		b.WriteString(" endpoints=")
		for i, e := range k.Endpoints {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(e.String())
		}
	}
	if k.Near != 0 {
		fmt.Fprintf(b, " near=%d", k.Near)
	}
}
