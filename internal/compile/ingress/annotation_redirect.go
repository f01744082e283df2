package ingress

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/claim"
)

var redirectAnnotations = []annotation{{
	name:   v1alpha1.AnnotationSSLRedirect,
	scope:  ofHosts,
	values: booleans,
	unset:  "`\"true\"`",
	does:   "Answers http with 308 to https where a tls entry speaks of the host. Paths of ACME (`/.well-known/acme-challenge/`) are left out.",
	host: func(t *claim.Terms, value string) error {
		var on bool
		err := boolean(&on, value)
		t.NoRedirect = !on
		return err
	},
}, {
	name:   v1alpha1.AnnotationForceSSLRedirect,
	scope:  ofHosts,
	values: booleans,
	unset:  "`\"false\"`",
	does:   "Does so even where no tls entry speaks of the host (TLS ends in front of us).",
	host:   func(t *claim.Terms, value string) error { return boolean(&t.ForceRedirect, value) },
}}
