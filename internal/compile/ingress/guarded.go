package ingress

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/guarded"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// guarded is the backend that takes all requests of a class which another
// controller serves behind us, nil where we serve it ourselves.
func (r *reader) guarded(c *class.Class) *hostmap.Backend {
	if c.Guarded == (hostmap.Guarded{}) {
		return nil
	}
	known := r.behind[c.Name]
	if known == nil {
		known = guarded.Backend(c, r.services, r.problems)
		r.behind[c.Name] = known
	}
	return known
}

// restGuarded tells whether the controller behind us takes all requests of an
// Ingress's hosts, and knows which of its paths they meet. An ACME solver's are
// told apart, because it must not change what else is served there.
func (ing *ingress) restGuarded() bool {
	return ing.guarded != nil && len(ing.object.Spec.Rules) != 0 && !solves(ing.object.Spec.Rules)
}

// solves tells whether rules are for an ACME server alone.
func solves(rules []networkingv1.IngressRule) bool {
	return !slices.ContainsFunc(rules, func(rule networkingv1.IngressRule) bool {
		return rule.HTTP == nil || slices.ContainsFunc(rule.HTTP.Paths, func(p networkingv1.HTTPIngressPath) bool {
			return !(&hostmap.Route{Path: p.Path}).IsACME()
		})
	})
}

// What other controllers know as asking for client certificates, and as passing
// TLS through to the backend: the ends of their annotations' names, whatever
// the prefix (ingress-nginx, HAProxy Ingress, HAProxy's own, Traefik).
var (
	foreignClientAuth  = []string{"/auth-tls-secret", "/auth-tls-verify-client", "/router.tls.options", "/client-ca"}
	foreignPassthrough = []string{"/ssl-passthrough", "/router.tls.passthrough"}
)

// reportGuarded refuses the hosts of a guarded Ingress that asks its own
// controller for client certificates: the handshake is ours now, and that
// controller would never see one. It also reports TLS that was to be passed
// through.
func (r *reader) reportGuarded(ing *ingress) {
	if ing.guarded == nil {
		return
	}
	refused := false
	for _, name := range foreign(ing.object.Annotations, foreignClientAuth) {
		if ing.notes.says.ClientAuth.Asked {
			continue // By us, which is as good.
		}
		r.problems.Add(ing.claims.Object, problem.ClientAuthUnresolved, "Annotation %s asks for client certificates, and the controller behind the guard sees none. Its hosts are refused; say it by %s too.", problem.Quote(name), v1alpha1.AnnotationClientAuthSecret)
		refused = true
	}
	if ing.notes.closed || ing.notes.terms.Ranged() {
		// Which of the Ingresses of a host a request is for is known to the
		// controller alone.
		r.problems.Add(ing.claims.Object, problem.AnnotationInvalid, "Annotations %s and %s cannot be held to behind a guard, which does not know what path a request is for. Its hosts are refused; say it by the controller's own annotations.", v1alpha1.AnnotationAllowSourceRange, v1alpha1.AnnotationDenySourceRange)
		refused = true
	}
	if refused {
		ing.notes.says.ClientAuth = claim.ClientAuth{Asked: true}
	}
	for _, name := range foreign(ing.object.Annotations, foreignPassthrough) {
		if ing.object.Annotations[name] != "true" {
			continue
		}
		r.problems.Add(ing.claims.Object, problem.PassthroughGuarded, "Annotation %s: TLS ends at the guard and is not passed through. Leave these hosts to a Service of their own.", problem.Quote(name))
	}
}

// idleBehindGuard tells whether an annotation of ours asks for something that a
// guard leaves to the controller behind it: which backends there are and how
// they are reached, what paths mean, and whether cleartext is redirected.
func (ing *ingress) idleBehindGuard(row *annotation, value string) bool {
	switch {
	case ing.guarded == nil:
		return false
	case row.name == v1alpha1.AnnotationSSLRedirect:
		return value == "true" && ing.object.Annotations[v1alpha1.AnnotationForceSSLRedirect] != "true"
	case row.name == v1alpha1.AnnotationUseRegex:
		return value == "true" && ing.restGuarded()
	}
	return row.scope == ofBackends
}

func (r *reader) reportIdle(ing *ingress, row *annotation) {
	mend := "Say it by the controller's own annotation."
	if row.name == v1alpha1.AnnotationSSLRedirect {
		mend = "Say it by the controller's own annotation, or by " + v1alpha1.AnnotationForceSSLRedirect + "."
	}
	r.problems.Add(ing.claims.Object, problem.AnnotationInvalid, "Annotation %s has no effect behind a guard: it is the affair of the controller there. %s", row.name, mend)
}

// foreign returns the annotations whose names have one of some ends, in order.
func foreign(all map[string]string, ends []string) []string {
	var out []string
	for name := range all {
		if slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
