package claim

import (
	"cmp"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// joined is what the claimants of a host say of it, taken together.
type joined struct {
	all []Saying
	// unresolved tells that client certificates are asked for in a way that
	// cannot be resolved, or that the host is refused for another reason.
	unresolved bool
	policy     policyOf
	// dissent is one that asks in another way than policy.
	dissent policyOf
	// blind is who asks in a way that is unresolved, where one does.
	blind *Claimant
}

// policyOf is a TLS policy and who asks for it, nil where nobody does.
type policyOf struct {
	*hostmap.TLSPolicy
	by *Claimant
}

// or returns what the older one asks.
func (p policyOf) or(other policyOf) policyOf {
	if p.by == nil || other.by != nil && other.by.age < p.by.age {
		return other
	}
	return p
}

// with joins what two say of one host. Of most things the oldest is heard;
// client certificates are asked for if anyone asks, and nobody can take that
// back.
func (s joined) with(o joined) joined {
	out := joined{
		all:        oldest(s.all, o.all),
		policy:     s.policy.or(o.policy),
		unresolved: s.unresolved || o.unresolved,
		blind:      cmp.Or(s.blind, o.blind),
	}
	for _, p := range []policyOf{s.policy, o.policy, s.dissent, o.dissent} {
		if p.by != nil && p.ID != out.policy.ID {
			out.dissent = p
			break
		}
	}
	return out
}

// conflict tells whether client certificates are asked for in several ways.
func (s *joined) conflict() bool { return s.dissent.by != nil }

// tlsPolicy is what a site asks of its clients. Who asks in a way that cannot
// be resolved, or differently from others, has everybody refused.
func (s *joined) tlsPolicy() hostmap.TLSPolicy {
	switch {
	case s.unresolved || s.conflict():
		return hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)
	case s.policy.by != nil:
		return *s.policy.TLSPolicy
	}
	return hostmap.TLSPolicy{}
}

// terms are what is said beside client authentication. Most hosts have nothing
// said of them, and cost nothing.
func (s *joined) terms() Terms {
	if len(s.all) == 0 {
		return Terms{}
	}
	t := new(Terms)
	for i := range s.all {
		s.all[i].of(t)
	}
	return *t
}

// join joins what the claimants of a host say of it, and reports who is not
// heard. Of a host that is served by the routes of another one, all that is
// said of the other holds too, so that its routes are never served on milder
// terms.
func (b *builder) join(h, over *host) joined {
	s := joined{unresolved: h.class.Unresolved}
	for _, p := range h.parts {
		if !p.guest {
			s = s.with(h.heard(p, over))
		}
	}
	if over != nil {
		own := s.policy
		// What protects the routes of the other one holds wherever they are.
		s.all = unless(s.all, over.says.all)
		s = s.with(over.says)
		if own.by != nil && s.conflict() && !over.says.conflict() && over.says.policy.by != nil {
			b.clientAuthConflict(over.says.policy.by, h, &s)
		}
	}
	if h.closed {
		s.unresolved = true
	}
	for _, p := range h.parts {
		if p.guest {
			b.shut(h, p, nil, &s)
			continue
		}
		says := h.heard(p, over)
		b.shut(h, p, says.all, &s)
		b.reportUnheard(h, p.by, says, &s)
	}
	return s
}

// heard is what a part says of its host. An ACME solver comes for minutes and
// must not change the terms of what else is served there; what it asks of
// clients holds all the same.
func (h *host) heard(p *part, over *host) (s joined) {
	says := &p.by.Says
	s.unresolved = p.refused
	switch {
	case !says.ClientAuth.Asked:
	case says.ClientAuth.Policy == nil:
		s.unresolved, s.blind = true, p.by
	default:
		s.policy = policyOf{says.ClientAuth.Policy, p.by}
	}
	if !p.ruled || p.rules() || !h.ruled && over == nil {
		s.all = says.All
	}
	return s
}

// shut closes the routes that a part has on a host where what protects them is
// not heard. Of all that the claimant says has is what may be.
func (b *builder) shut(h *host, p *part, has []Saying, s *joined) {
	var heard Terms
	for i := range p.by.Says.All {
		mine := &p.by.Says.All[i]
		if !mine.Protects {
			continue
		}
		if heard == (Terms{}) {
			heard = s.terms()
		}
		if _, open := mine.lost(&heard); !open {
			continue
		}
		p.shut = true
		why := "others decide what holds there"
		if len(has) != 0 {
			why = s.all[indexOf(s.all, mine.Key)].by.to(p.by) + " says otherwise, and comes first"
		}
		b.Problems.Add(p.by.Object, problem.AnnotationConflict, "Annotation %s cannot be honoured on host %s, and closes the paths of %s there (503): %s. Say the same in both.",
			mine.Name, problem.Host(h.name), p.by.kind(), why)
	}
}

func (b *builder) reportUnheard(h *host, by *Claimant, says joined, s *joined) {
	heard := s.terms()
	for i := range says.all {
		mine := &says.all[i]
		if lost, open := mine.lost(&heard); lost && !open {
			b.Problems.Add(by.Object, problem.AnnotationConflict, "Annotation %s has no effect on host %s: %s says otherwise, and comes first. Say the same in both.",
				mine.Name, problem.Host(h.name), s.all[indexOf(s.all, mine.Key)].by.to(by))
		}
	}
	switch {
	case says.policy.by == nil:
	case s.conflict():
		b.clientAuthConflict(by, h, s)
	case s.blind != nil:
		b.Problems.Add(by.Object, problem.ClientAuthUnresolved, "Host %s is refused: %s asks for its client certificates in a way that cannot be resolved. Mend that one.", problem.Host(h.name), s.blind.to(by))
	}
}

// clientAuthConflict reports to a claimant that it asks in another way than
// others.
func (b *builder) clientAuthConflict(by *Claimant, h *host, s *joined) {
	other := s.policy
	if other.ID == by.Says.ClientAuth.Policy.ID {
		other = s.dissent
	}
	b.Problems.Add(by.Object, problem.ClientAuthConflict, "Host %s is refused: %s and %s ask for its client certificates in different ways (mode, depth or CAs). Say the same in both.", problem.Host(h.name), by.kind(), other.by.to(by))
}
