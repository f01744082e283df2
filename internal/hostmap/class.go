package hostmap

import (
	"crypto/tls"
	"net/netip"
)

// Rule is what a site asks of a request beyond its TLS policy. Steps 4 and 5
// of [Judge] read it.
type Rule uint8

const (
	// RuleCertificate asks that the certificate the connection was served
	// covers the host: what RFC 9110 section 7.4 asks.
	RuleCertificate Rule = iota
	// RuleSameCertificate asks moreover that it is one of the site's own
	// certificates, or of the same Secret as one of them.
	RuleSameCertificate
	// RuleServerName asks moreover that the host is the server name of the
	// handshake.
	RuleServerName
	// RuleOff asks nothing. The TLS policy is still asked for.
	RuleOff
)

var ruleNames = [...]string{"certificate", "same-certificate", "server-name", "off"}

func (r Rule) String() string { return ruleNames[r] }

// OriginMode says when an ORIGIN frame (RFC 8336) is sent.
type OriginMode uint8

const (
	// OriginAuto sends one where some host that the certificate covers would
	// be refused on the connection.
	OriginAuto OriginMode = iota
	// OriginAlways sends one on every HTTP/2 connection over TLS.
	OriginAlways
	// OriginNever sends none.
	OriginNever
)

// Class is what the sites of one IngressClass have in common. It is immutable.
type Class struct {
	// Name is the IngressClass's name, "" for the built-in defaults.
	Name string
	// Unresolved tells that the class has options and that they are not known.
	// Its sites' TLS policies are unresolved, so that none is served on milder
	// terms than its class asks.
	Unresolved bool
	// Claims say which namespaces may claim which hosts, sorted by host. They
	// hold for the Ingresses of all classes.
	Claims []Claim
	// Rule judges sites whose Ingresses name no rule.
	Rule Rule
	// Report counts and logs what steps 4 and 5 would refuse, and serves it.
	Report bool
	// UnservedMisdirected answers 421 instead of 404 to unserved authorities.
	UnservedMisdirected bool
	// CloseOnMisdirected closes the connection after a 421.
	CloseOnMisdirected bool
	// ShareCertificates lets the certificates of any namespace vouch for the
	// hosts of the class, not those of the host's own namespace alone.
	ShareCertificates bool
	// DefaultCertificate is the Secret of the class's default certificate, or
	// of the command line's; zero where there is none. What is in it now or was
	// before vouches for every host of the class.
	DefaultCertificate SecretRef
	// Origin says when ORIGIN frames are sent.
	Origin OriginMode
	// NginxAnnotations says what becomes of ingress-nginx's annotations: "off",
	// "strict" or "lenient"; "" where the command line says it.
	NginxAnnotations string
	// TrustedGateways are the addresses of immediate peers that terminate TLS
	// themselves and reuse their connections for any host.
	TrustedGateways []netip.Prefix
	// MinVersion is the lowest TLS version, as in crypto/tls.
	MinVersion uint16
	// Limits bound the connections of the class.
	Limits Limits
	// Guarded is the ingress controller that serves the class behind us; zero
	// where we serve it ourselves.
	Guarded Guarded
}

// Guarded is an ingress controller that requests go on to once they are judged,
// whatever the backends that its objects name.
type Guarded struct {
	// Namespace, Service and Port are as in [Backend].
	Namespace, Service, Port string
	// Protocol is what that port speaks.
	Protocol Protocol
}

// Claim says that a host may be claimed by some namespaces and by nobody else.
type Claim struct {
	// Host is a canonical host, or a "*." pattern for all hosts below.
	Host string
	// Namespaces are sorted. None: nobody may claim the host.
	Namespaces []string
}

// BuiltinClass returns the defaults that hold where no class says otherwise:
// the rule certificate, enforced; TLS 1.2; nobody trusted.
func BuiltinClass() *Class { return &Class{MinVersion: tls.VersionTLS12} }

// Trusts tells whether a peer is a trusted gateway of the class.
func (c *Class) Trusts(peer netip.Addr) bool {
	if len(c.TrustedGateways) == 0 {
		return false
	}
	// A prefix contains no address with a zone, which link-local peers have.
	peer = peer.Unmap().WithZone("")
	for _, p := range c.TrustedGateways {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}
