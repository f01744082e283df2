package hostmap

import (
	"crypto/sha256"
	"crypto/x509"
)

// ClientAuth is what a site asks of its clients in the TLS handshake.
type ClientAuth uint8

const (
	// ClientAuthNone asks for no client certificate.
	ClientAuthNone ClientAuth = iota
	// ClientAuthOptional asks for one and takes none; a bad one still fails
	// the handshake.
	ClientAuthOptional
	// ClientAuthRequire refuses the handshake without one.
	ClientAuthRequire
)

func (m ClientAuth) String() string {
	switch m {
	case ClientAuthOptional:
		return "optional"
	case ClientAuthRequire:
		return "require"
	default:
		return "none"
	}
}

// PolicyID identifies a TLS policy by its content: mode, depth and the set of
// CA certificates. Two Ingresses that name different Secrets with the same CAs
// have the same policy. The zero value is the policy that asks for nothing.
type PolicyID [sha256.Size]byte

// TLSPolicy is what a site asks of client certificates. The zero value asks
// for none. It is immutable.
type TLSPolicy struct {
	// Mode says whether a client certificate is asked for.
	Mode ClientAuth
	// Depth is how many CA certificates a client's chain may hold at most.
	Depth int
	// CAs verify client certificates. It is nil where Mode is ClientAuthNone
	// or the policy is unresolved.
	CAs *x509.CertPool
	// ID identifies the content.
	ID PolicyID
	// Unresolved tells that the site asks for client certificates and that how
	// to verify them is not known: a CA Secret that is missing or broken, or
	// Ingresses that contradict each other. Such a site refuses every
	// handshake and every request.
	Unresolved bool
}

// DefaultClientAuthDepth is the depth of a TLS policy that names none: a
// client certificate issued directly by one of the CAs.
const DefaultClientAuthDepth = 1

// UnresolvedTLSPolicy is the policy of a site that asks for client
// certificates in a way that cannot be resolved.
func UnresolvedTLSPolicy(mode ClientAuth) TLSPolicy {
	return TLSPolicy{Mode: mode, Unresolved: true}
}

// asks tells whether a connection must have been made under this very policy.
func (p *TLSPolicy) asks() bool { return p.Mode != ClientAuthNone || p.Unresolved }
