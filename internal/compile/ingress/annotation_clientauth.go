package ingress

import (
	"strconv"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var clientAuthAnnotations = []annotation{{
	name:   v1alpha1.AnnotationClientAuthSecret,
	scope:  ofHosts,
	values: "the name of a Secret",
	unset:  "none",
	does:   "Asks clients for a certificate signed by one of the CAs in `ca.crt` of a Secret of the Ingress's namespace.",
	stems:  []string{"clientauth"},
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
func (r *reader) readClientAuth(ing *ingress) {
	n := &ing.notes
	switch {
	case n.clientAuth.misspelt:
		n.says.ClientAuth.Asked = true
	case n.clientAuth.asked:
		n.says.ClientAuth = claim.ClientAuth{Asked: true, Policy: r.clientAuth(ing)}
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
// It returns nil for what cannot be read, which refuses everybody.
func (r *reader) clientAuth(ing *ingress) *hostmap.TLSPolicy {
	notes := ing.object.Annotations
	mode := hostmap.ClientAuthRequire
	fail := func(format string, args ...any) *hostmap.TLSPolicy {
		r.problems.Add(ing.claims.Object, problem.ClientAuthUnresolved, format+" Its hosts are refused.", args...)
		return nil
	}
	switch value, ok := notes[v1alpha1.AnnotationClientAuth]; {
	case !ok, value == v1alpha1.ClientAuthRequire:
	case value == v1alpha1.ClientAuthOptional:
		mode = hostmap.ClientAuthOptional
	default:
		return fail("Annotation %s: %s is not require or optional.", v1alpha1.AnnotationClientAuth, problem.Quote(value))
	}
	depth := hostmap.DefaultClientAuthDepth
	if value, ok := notes[v1alpha1.AnnotationClientAuthDepth]; ok {
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n < 1 {
			return fail("Annotation %s: %s is not a number from 1 to 255.", v1alpha1.AnnotationClientAuthDepth, problem.Quote(value))
		}
		depth = int(n)
	}
	name := notes[v1alpha1.AnnotationClientAuthSecret]
	if name == "" {
		return fail("Annotation %s names no Secret.", v1alpha1.AnnotationClientAuthSecret)
	}
	key := policyKey{hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name}, mode, depth}
	c := r.secrets.Bundle(key.secret)
	if c.Bundle == nil {
		return fail("Annotation %s: %s", v1alpha1.AnnotationClientAuthSecret, c.Message)
	}
	if c.Reason != "" {
		r.problems.Add(ing.claims.Object, c.Reason, "Annotation %s: %s", v1alpha1.AnnotationClientAuthSecret, c.Message)
	}
	policy := r.policies[key]
	if policy == nil {
		p := c.Policy(mode, depth)
		policy = &p
		r.policies[key] = policy
	}
	return policy
}
