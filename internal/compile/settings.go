package compile

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// settings are what annotations say of a host rather than of rules: of one
// Ingress, or of several with the oldest heard first.
type settings struct {
	misdirected                   said[string]
	sslRedirect, forceSSLRedirect said[bool]
	// asks tells that client certificates are asked for: as policy says, or in
	// a way that is unresolved, or in several that are in conflict.
	asks, unresolved, conflict bool
	policy                     said[*hostmap.TLSPolicy]
}

// said is a value and the Ingress it comes from, nil where none has one.
type said[T any] struct {
	value T
	by    *ingress
}

// or returns what the older Ingress says.
func (s said[T]) or(other said[T]) said[T] {
	if s.by == nil || other.by != nil && other.by.age < s.by.age {
		return other
	}
	return s
}

// with joins what two say of one host. Of most the oldest is heard; client
// certificates are asked for if anyone asks, and nobody can take that back.
func (s settings) with(o settings) settings {
	return settings{
		misdirected:      s.misdirected.or(o.misdirected),
		sslRedirect:      s.sslRedirect.or(o.sslRedirect),
		forceSSLRedirect: s.forceSSLRedirect.or(o.forceSSLRedirect),
		policy:           s.policy.or(o.policy),
		asks:             s.asks || o.asks,
		unresolved:       s.unresolved || o.unresolved,
		conflict:         s.conflict || o.conflict || s.contradicts(&o),
	}
}

// contradicts tells whether two ask for client certificates in different ways.
func (s *settings) contradicts(o *settings) bool {
	return s.policy.by != nil && o.policy.by != nil && s.policy.value.ID != o.policy.value.ID
}

// anything tells whether anything is said.
func (s *settings) anything() bool {
	return s.asks || s.misdirected.by != nil || s.sslRedirect.by != nil || s.forceSSLRedirect.by != nil
}

// tlsPolicy is what a site asks of its clients. Who asks in a way that cannot
// be resolved, or differently from others, has everybody refused.
func (s *settings) tlsPolicy() hostmap.TLSPolicy {
	switch {
	case s.unresolved || s.conflict:
		return hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)
	case s.policy.by != nil:
		return *s.policy.value
	}
	return hostmap.TLSPolicy{}
}

// rule is the rule of a site: what its Ingresses say, else its class.
func (s *settings) rule(class *hostmap.Class) (rule hostmap.Rule, report bool) {
	switch value := s.misdirected.value; value {
	case "":
		return class.Rule, class.Report
	case v1alpha1.RuleReport:
		return class.Rule, true
	default:
		return rules[value], class.Report
	}
}

// redirect tells whether cleartext requests are sent to https: where a tls
// entry speaks of the host, even while its Secret is missing, because whoever
// wants TLS must not be served without it.
func (s *settings) redirect(tlsEntry bool) bool {
	if s.forceSSLRedirect.value {
		return true
	}
	return tlsEntry && (s.sslRedirect.by == nil || s.sslRedirect.value)
}

// settle joins what the Ingresses of a host say of it, and reports who is not
// heard. Of a host that is served by the rules of another one, all that is
// said of the other holds too, so that its rules are never served on milder
// terms.
func (b *builder) settle(h, over *host) settings {
	s := settings{unresolved: h.class.Unresolved}
	for _, p := range h.parts {
		if !p.guest {
			s = s.with(h.heard(p, over))
		}
	}
	if over != nil {
		if s.contradicts(&over.says) && !over.says.conflict {
			b.clientAuthConflict(over.says.policy.by, h)
		}
		s = s.with(over.says)
	}
	for _, p := range h.parts {
		if !p.guest {
			b.reportUnheard(h, p.ing, h.heard(p, over), &s)
		}
	}
	return s
}

// heard is what a part says of its host. An ACME solver comes for minutes and
// must not change the rule or the redirect of what else is served there; what
// it asks of clients holds all the same.
func (h *host) heard(p *part, over *host) settings {
	says := p.ing.notes.says
	if p.ruled && !p.rules() && (h.ruled || over != nil) {
		return settings{asks: says.asks, unresolved: says.unresolved, conflict: says.conflict, policy: says.policy}
	}
	return says
}

func (b *builder) reportUnheard(h *host, ing *ingress, says settings, s *settings) {
	outvoted := func(annotation string, by *ingress) {
		b.problem(ing.subject, AnnotationConflict, "Annotation %s: Ingress %s says otherwise for host %s, and comes first.", annotation, quote(by.object.Name), hostName(h.name))
	}
	if says.misdirected.by != nil && says.misdirected.value != s.misdirected.value {
		outvoted(v1alpha1.AnnotationMisdirected, s.misdirected.by)
	}
	if says.sslRedirect.by != nil && says.sslRedirect.value != s.sslRedirect.value {
		outvoted(v1alpha1.AnnotationSSLRedirect, s.sslRedirect.by)
	}
	if says.forceSSLRedirect.by != nil && says.forceSSLRedirect.value != s.forceSSLRedirect.value {
		outvoted(v1alpha1.AnnotationForceSSLRedirect, s.forceSSLRedirect.by)
	}
	switch {
	case says.policy.by == nil:
	case s.conflict:
		b.clientAuthConflict(ing, h)
	case s.unresolved && !h.class.Unresolved: // of which the class has a problem
		b.problem(ing.subject, ClientAuthUnresolved, "Another Ingress asks for client certificates of host %s in a way that cannot be resolved; it is refused.", hostName(h.name))
	}
}

func (b *builder) clientAuthConflict(ing *ingress, h *host) {
	b.problem(ing.subject, ClientAuthConflict, "Ingresses ask for client certificates of host %s in different ways; it is refused.", hostName(h.name))
}
