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
	note:   func(n *notes, value string) error { n.clientAuth.asked, n.clientAuth.secret = true, value; return nil },
}, {
	name:   v1alpha1.AnnotationClientAuth,
	scope:  ofHosts,
	values: "require or optional",
	unset:  "`require`",
	does:   "Says whether a client must send one. With `optional` none is fine, and a bad one still fails the handshake.",
	bad:    costHosts,
	note:   func(n *notes, value string) error { n.clientAuth.asked, n.clientAuth.mode = true, &value; return nil },
}, {
	name:   v1alpha1.AnnotationClientAuthDepth,
	scope:  ofHosts,
	values: "a number from 1 to 255",
	unset:  "`1`",
	does:   "Bounds the CA certificates that a client's chain may have.",
	bad:    costHosts,
	note:   func(n *notes, value string) error { n.clientAuth.asked, n.clientAuth.depth = true, &value; return nil },
}}

// clientAuthNotes tell how client certificates are asked for.
type clientAuthNotes struct {
	// asked: by annotations that are read; misspelt: by others.
	asked, misspelt bool
	secret          string
	mode, depth     *string // nil where nothing is said
	// foreign tells that the annotations are ingress-nginx's, where the secret
	// is namespace/name; off that they ask for nothing after all.
	foreign, off bool
}

// names are those of the annotations that are read.
func (n *clientAuthNotes) names() (secret, mode, depth string) {
	if n.foreign {
		return nginxPrefix + "auth-tls-secret", nginxPrefix + "auth-tls-verify-client", nginxPrefix + "auth-tls-verify-depth"
	}
	return v1alpha1.AnnotationClientAuthSecret, v1alpha1.AnnotationClientAuth, v1alpha1.AnnotationClientAuthDepth
}

// readClientAuth says of the hosts of an Ingress what is asked of their
// clients.
func (r *reader) readClientAuth(ing *ingress) {
	n := &ing.notes
	switch {
	case n.clientAuth.misspelt:
		n.says.ClientAuth.Asked = true
	case n.clientAuth.asked && !(n.clientAuth.foreign && n.clientAuth.off):
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
	n := &ing.notes.clientAuth
	ofSecret, ofMode, ofDepth := n.names()
	mode := hostmap.ClientAuthRequire
	fail := func(format string, args ...any) *hostmap.TLSPolicy {
		r.problems.Add(ing.claims.Object, problem.ClientAuthUnresolved, format+" Its hosts are refused.", args...)
		return nil
	}
	switch {
	case n.mode == nil, *n.mode == v1alpha1.ClientAuthRequire:
	case *n.mode == v1alpha1.ClientAuthOptional:
		mode = hostmap.ClientAuthOptional
	default:
		return fail("Annotation %s: %s is not require or optional.", ofMode, problem.Quote(*n.mode))
	}
	depth := hostmap.DefaultClientAuthDepth
	if n.depth != nil {
		number, err := strconv.ParseUint(*n.depth, 10, 8)
		if err != nil || number < 1 {
			return fail("Annotation %s: %s is not a number from 1 to 255.", ofDepth, problem.Quote(*n.depth))
		}
		depth = int(number)
	}
	name := n.secret
	if n.foreign {
		var ok bool
		if name, ok = ownSecret(ing, n.secret); !ok {
			return fail("Annotation %s: %s is not namespace/name of a Secret of this namespace.", ofSecret, problem.Quote(n.secret))
		}
	}
	if name == "" {
		return fail("Annotation %s names no Secret.", ofSecret)
	}
	key := policyKey{hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name}, mode, depth}
	c := r.secrets.Bundle(key.secret)
	if c.Bundle == nil {
		return fail("Annotation %s: %s", ofSecret, c.Message)
	}
	if c.Reason != "" {
		r.problems.Add(ing.claims.Object, c.Reason, "Annotation %s: %s", ofSecret, c.Message)
	}
	policy := r.policies[key]
	if policy == nil {
		p := c.Policy(mode, depth)
		policy = &p
		r.policies[key] = policy
	}
	return policy
}
