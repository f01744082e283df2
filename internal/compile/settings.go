package compile

import (
	"cmp"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// settings are what annotations say of a host rather than of rules: of one
// Ingress, or of several with the oldest heard first.
type settings struct {
	misdirected                   said[string]
	sslRedirect, forceSSLRedirect said[bool]
	// asks tells that client certificates are asked for: as policy says, in a
	// way that is unresolved, or in several that are in conflict.
	asks, unresolved bool
	policy           said[*hostmap.TLSPolicy]
	// dissent is one that asks in another way than policy.
	dissent said[*hostmap.TLSPolicy]
	// blind is who asks in a way that is unresolved, where one does.
	blind *ingress
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
	out := settings{
		misdirected:      s.misdirected.or(o.misdirected),
		sslRedirect:      s.sslRedirect.or(o.sslRedirect),
		forceSSLRedirect: s.forceSSLRedirect.or(o.forceSSLRedirect),
		policy:           s.policy.or(o.policy),
		asks:             s.asks || o.asks,
		unresolved:       s.unresolved || o.unresolved,
		blind:            cmp.Or(s.blind, o.blind),
	}
	for _, p := range []said[*hostmap.TLSPolicy]{s.policy, o.policy, s.dissent, o.dissent} {
		if p.by != nil && p.value.ID != out.policy.value.ID {
			out.dissent = p
			break
		}
	}
	return out
}

// conflict tells whether client certificates are asked for in several ways.
func (s *settings) conflict() bool { return s.dissent.by != nil }

// anything tells whether anything is said.
func (s *settings) anything() bool {
	return s.asks || s.misdirected.by != nil || s.sslRedirect.by != nil || s.forceSSLRedirect.by != nil
}

// tlsPolicy is what a site asks of its clients. Who asks in a way that cannot
// be resolved, or differently from others, has everybody refused.
func (s *settings) tlsPolicy() hostmap.TLSPolicy {
	switch {
	case s.unresolved || s.conflict():
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
		own := s.policy
		s = s.with(over.says)
		if own.by != nil && s.conflict() && !over.says.conflict() && over.says.policy.by != nil {
			b.clientAuthConflict(over.says.policy.by, h, &s)
		}
	}
	if h.closed {
		s.asks, s.unresolved = true, true
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
		return settings{asks: says.asks, unresolved: says.unresolved, blind: says.blind, policy: says.policy}
	}
	return says
}

func (b *builder) reportUnheard(h *host, ing *ingress, says settings, s *settings) {
	outvoted := func(annotation string, by *ingress) {
		b.problem(ing.subject, AnnotationConflict, "Annotation %s has no effect on host %s: %s says otherwise, and comes first. Say the same in both.", annotation, hostName(h.name), by.to(ing))
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
	case s.conflict():
		b.clientAuthConflict(ing, h, s)
	case s.blind != nil:
		b.problem(ing.subject, ClientAuthUnresolved, "Host %s is refused: %s asks for its client certificates in a way that cannot be resolved. Mend that one.", hostName(h.name), s.blind.to(ing))
	}
}

// clientAuthConflict reports to an Ingress that it asks in another way than
// others.
func (b *builder) clientAuthConflict(ing *ingress, h *host, s *settings) {
	other := s.policy
	if other.value.ID == ing.notes.says.policy.value.ID {
		other = s.dissent
	}
	b.problem(ing.subject, ClientAuthConflict, "Host %s is refused: this Ingress and %s ask for its client certificates in different ways (mode, depth or CAs). Say the same in both.", hostName(h.name), other.by.to(ing))
}
