package ingress

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var protocols = map[string]hostmap.Protocol{
	v1alpha1.BackendProtocolHTTP:  hostmap.HTTP,
	v1alpha1.BackendProtocolHTTPS: hostmap.HTTPS,
	v1alpha1.BackendProtocolH2C:   hostmap.H2C,
	v1alpha1.BackendProtocolGRPC:  hostmap.GRPC,
	v1alpha1.BackendProtocolGRPCS: hostmap.GRPCS,
}

var backendAnnotations = []annotation{{
	name:   v1alpha1.AnnotationBackendProtocol,
	scope:  ofBackends,
	values: "HTTP, HTTPS, H2C, GRPC or GRPCS",
	unset:  "`HTTP`",
	does:   "Says what the backends speak: `H2C` and `GRPC` are HTTP/2 without TLS, `HTTPS` and `GRPCS` are over TLS.",
	note: func(n *notes, value string) error {
		protocol, ok := protocols[value]
		if !ok {
			return errUnlisted
		}
		n.upstream.Protocol = protocol
		return nil
	},
}, {
	name:   v1alpha1.AnnotationBackendCASecret,
	scope:  ofBackends,
	values: "the name of a Secret",
	unset:  "none",
	does:   "Names a Secret of the Ingress's namespace whose `ca.crt` verifies the backends' certificates; needs `HTTPS` or `GRPCS`. **Without it they are not verified.**",
	bad:    costBackends,
	note: func(n *notes, value string) error {
		n.caSecret, n.verify = value, true
		return nil
	},
}, {
	name:   v1alpha1.AnnotationUpstreamHost,
	scope:  ofBackends,
	values: "a host",
	unset:  "the request's",
	does:   "Is the Host that the backends get, and the server name (SNI) in their TLS handshakes.",
	note: func(n *notes, value string) error {
		host, err := hostmap.Host(value)
		if err == nil {
			n.upstream.ServerName = host
		}
		return err
	},
}}

// readBackendCAs finds the CAs that backends are verified with. Without them
// the backends are not reached at all: whoever asks for verification must not
// be given less.
func (r *reader) readBackendCAs(ing *ingress) {
	n := &ing.notes
	if !n.verify {
		return
	}
	n.upstream.Verify = true
	if !n.upstream.Protocol.TLS() {
		r.problems.Add(ing.claims.Object, problem.AnnotationInvalid, "Annotation %s needs %s HTTPS or GRPCS. Its backends are not reached.", v1alpha1.AnnotationBackendCASecret, v1alpha1.AnnotationBackendProtocol)
		return
	}
	r.readCAs(ing, v1alpha1.AnnotationBackendCASecret, n.caSecret)
}

// readCAs reads those of a Secret that an annotation names.
func (r *reader) readCAs(ing *ingress, annotation, secret string) {
	c := r.secrets.Bundle(hostmap.SecretRef{Namespace: ing.object.Namespace, Name: secret})
	if c.Bundle == nil {
		r.problems.Add(ing.claims.Object, c.Reason, "Annotation %s: %s Its backends are not reached.", annotation, c.Message)
		return
	}
	if c.Reason != "" {
		r.problems.Add(ing.claims.Object, c.Reason, "Annotation %s: %s", annotation, c.Message)
	}
	ing.notes.upstream.CAs, ing.notes.upstream.CAID = c.Pool, c.Sum
}
