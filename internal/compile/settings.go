package compile

import (
	"cmp"
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// settings are what annotations say of a host rather than of rules: of one
// Ingress, or of several with the oldest heard first.
type settings struct {
	// all is what is said, by each annotation once.
	all []saying
	// asks tells that client certificates are asked for: as policy says, in a
	// way that is unresolved, or in several that are in conflict.
	asks, unresolved bool
	policy           said[*hostmap.TLSPolicy]
	// dissent is one that asks in another way than policy.
	dissent said[*hostmap.TLSPolicy]
	// blind is who asks in a way that is unresolved, where one does.
	blind *ingress
}

// hostTerms are what annotations say of a host, in a form that can be compared.
type hostTerms struct {
	// rule is the rule, where ruled; else it is the class's. report counts and
	// logs what that would refuse, and serves it.
	ruled  bool
	rule   hostmap.Rule
	report bool
	// noRedirect leaves a host in cleartext that a tls entry speaks of,
	// forceRedirect sends one to https of which none does.
	noRedirect, forceRedirect bool
}

// saying is an annotation and its value, which has been read without error.
type saying struct {
	row   *annotation
	name  string // as it is spelled
	value string
	by    *ingress
}

// of says it of a host.
func (s *saying) of(t *hostTerms) { _ = s.row.host(t, s.value) }

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
		all:        oldest(s.all, o.all),
		policy:     s.policy.or(o.policy),
		asks:       s.asks || o.asks,
		unresolved: s.unresolved || o.unresolved,
		blind:      cmp.Or(s.blind, o.blind),
	}
	for _, p := range []said[*hostmap.TLSPolicy]{s.policy, o.policy, s.dissent, o.dissent} {
		if p.by != nil && p.value.ID != out.policy.value.ID {
			out.dissent = p
			break
		}
	}
	return out
}

// oldest returns what the oldest says by each annotation. It changes neither
// slice.
func oldest(all, others []saying) []saying {
	switch {
	case len(all) == 0:
		return others
	case len(others) == 0:
		return all
	}
	all = slices.Clone(all)
	for _, o := range others {
		i := indexOf(all, o.row)
		switch {
		case i < 0:
			all = append(all, o)
		case o.by.age < all[i].by.age:
			all[i] = o
		}
	}
	return all
}

func indexOf(all []saying, row *annotation) int {
	return slices.IndexFunc(all, func(s saying) bool { return s.row == row })
}

// terms are what is said, taken together.
func (s *settings) terms() (t hostTerms) {
	for i := range s.all {
		s.all[i].of(&t)
	}
	return t
}

// conflict tells whether client certificates are asked for in several ways.
func (s *settings) conflict() bool { return s.dissent.by != nil }

// anything tells whether anything is said.
func (s *settings) anything() bool {
	return s.asks || len(s.all) != 0
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

// ruleOf is the rule of a site: what its Ingresses say, else its class.
func (t *hostTerms) ruleOf(class *hostmap.Class) (rule hostmap.Rule, report bool) {
	if t.ruled {
		return t.rule, class.Report
	}
	return class.Rule, class.Report || t.report
}

// redirect tells whether cleartext requests are sent to https: where a tls
// entry speaks of the host, even while its Secret is missing, because whoever
// wants TLS must not be served without it.
func (t *hostTerms) redirect(tlsEntry bool) bool {
	return t.forceRedirect || tlsEntry && !t.noRedirect
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
	heard := s.terms()
	for i := range says.all {
		mine, own := &says.all[i], heard
		if mine.of(&own); own != heard {
			by := s.all[indexOf(s.all, mine.row)].by
			b.problem(ing.subject, AnnotationConflict, "Annotation %s has no effect on host %s: %s says otherwise, and comes first. Say the same in both.", mine.name, hostName(h.name), by.to(ing))
		}
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
