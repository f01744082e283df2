package compile

import (
	"strconv"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var clientAuthAnnotations = []annotation{{
	name:   v1alpha1.AnnotationClientAuthSecret,
	scope:  ofHosts,
	values: "the name of a Secret",
	unset:  "none",
	does:   "Asks clients for a certificate signed by one of the CAs in `ca.crt` of a Secret of the Ingress's namespace.",
	stem:   "clientauth",
	bad:    costHosts,
	note:   func(n *notes, value string) error { n.clientAuth.asked = true; return nil },
}, {
	name:   v1alpha1.AnnotationClientAuth,
	scope:  ofHosts,
	values: "require or optional",
	unset:  "`require`",
	does:   "Says whether a client must send one. With `optional` none is fine, and a bad one still fails the handshake.",
	bad:    costHosts,
	note:   func(n *notes, value string) error { n.clientAuth.asked = true; return nil },
}, {
	name:   v1alpha1.AnnotationClientAuthDepth,
	scope:  ofHosts,
	values: "a number from 1 to 255",
	unset:  "`1`",
	does:   "Bounds the CA certificates that a client's chain may have.",
	bad:    costHosts,
	note:   func(n *notes, value string) error { n.clientAuth.asked = true; return nil },
}}

// clientAuthNotes tell that client certificates are asked for: by annotations
// that are read, by others that are misspelt.
type clientAuthNotes struct{ asked, misspelt bool }

// readClientAuth says of the hosts of an Ingress what is asked of their
// clients.
func (b *builder) readClientAuth(ing *ingress) {
	n := &ing.notes
	switch {
	case n.clientAuth.misspelt:
		n.says.asks, n.says.unresolved, n.says.blind = true, true, ing
	case n.clientAuth.asked:
		policy := b.clientAuth(ing)
		n.says.asks = true
		if policy.Unresolved {
			n.says.unresolved, n.says.blind = true, ing
		} else {
			n.says.policy = said[*hostmap.TLSPolicy]{policy, ing}
		}
	}
}

// policyKey remembers TLS policies within a run: many Ingresses ask for the
// same.
type policyKey struct {
	secret hostmap.SecretRef
	mode   hostmap.ClientAuth
	depth  int
}

// clientAuth resolves the three annotations that ask for client certificates.
// What cannot be read leaves an unresolved policy, which refuses everybody.
func (b *builder) clientAuth(ing *ingress) *hostmap.TLSPolicy {
	notes := ing.object.Annotations
	mode := hostmap.ClientAuthRequire
	fail := func(format string, args ...any) *hostmap.TLSPolicy {
		b.problem(ing.subject, ClientAuthUnresolved, format+" Its hosts are refused.", args...)
		p := hostmap.UnresolvedTLSPolicy(mode)
		return &p
	}
	switch value, ok := notes[v1alpha1.AnnotationClientAuth]; {
	case !ok, value == v1alpha1.ClientAuthRequire:
	case value == v1alpha1.ClientAuthOptional:
		mode = hostmap.ClientAuthOptional
	default:
		return fail("Annotation %s: %s is not require or optional.", v1alpha1.AnnotationClientAuth, quote(value))
	}
	depth := hostmap.DefaultClientAuthDepth
	if value, ok := notes[v1alpha1.AnnotationClientAuthDepth]; ok {
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n < 1 {
			return fail("Annotation %s: %s is not a number from 1 to 255.", v1alpha1.AnnotationClientAuthDepth, quote(value))
		}
		depth = int(n)
	}
	name := notes[v1alpha1.AnnotationClientAuthSecret]
	if name == "" {
		return fail("Annotation %s names no Secret.", v1alpha1.AnnotationClientAuthSecret)
	}
	key := policyKey{hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name}, mode, depth}
	c := b.bundle(key.secret)
	if c.Bundle == nil {
		return fail("Annotation %s: %s", v1alpha1.AnnotationClientAuthSecret, c.message)
	}
	if c.reason != "" {
		b.problem(ing.subject, c.reason, "Annotation %s: %s", v1alpha1.AnnotationClientAuthSecret, c.message)
	}
	policy, ok := b.policies[key]
	if !ok {
		policy = c.Policy(mode, depth)
		b.policies[key] = policy
	}
	return &policy
}
