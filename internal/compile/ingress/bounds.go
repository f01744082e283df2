package ingress

import (
	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/problem"
)

// hostLimit counts the hosts of an Ingress that may have too many, more than
// claim.MaxHosts. Each counts once, wherever it stands; aliases first, then
// rules, then tls entries. What is no host counts each time.
type hostLimit struct {
	// known are the hosts that count; nil where nothing needs to be counted.
	known map[string]struct{}
	bad   int // names that are no host
	// over are the hosts that are not claimed, as far as somebody must know:
	// where client certificates are asked for. They may come repeatedly.
	over []string
}

// beyond is what one field has over the bound.
type beyond struct {
	n     int
	place string // of the first
}

// begin begins to count, where an Ingress is so large that it matters.
func (l *hostLimit) begin(ing *ingress) {
	if ing.names() <= claim.MaxHosts {
		return
	}
	l.known = make(map[string]struct{}, claim.MaxHosts)
	for _, name := range ing.notes.aliases {
		l.known[name] = struct{}{}
	}
}

// names is how many names an Ingress has, whatever they are.
func (ing *ingress) names() int {
	spec := &ing.object.Spec
	n := len(ing.notes.aliases) + len(spec.Rules)
	for i := range spec.TLS {
		n += len(spec.TLS[i].Hosts)
	}
	return n
}

// full tells whether no further host is claimed.
func (l *hostLimit) full() bool { return l.known != nil && len(l.known)+l.bad >= claim.MaxHosts }

// takes tells whether a host is claimed, and counts it.
func (l *hostLimit) takes(host string) bool {
	if l.known == nil {
		return true
	}
	if _, ok := l.known[host]; ok {
		return true
	}
	if l.full() {
		return false
	}
	l.known[host] = struct{}{}
	return true
}

// takes tells whether an Ingress claims a host that a field names. Of one that
// it does not nothing is read.
func (ing *ingress) takes(host string, field *beyond, place func() string) bool {
	if ing.limit.takes(host) {
		return true
	}
	if field.n++; field.n == 1 {
		field.place = place()
	}
	if ing.notes.says.ClientAuth.Asked {
		ing.limit.over = append(ing.limit.over, host)
	}
	return false
}

func (r *reader) reportBeyond(ing *ingress, field *beyond) {
	if field.n == 0 {
		return
	}
	effect := "they are not served because of this Ingress"
	if ing.notes.says.ClientAuth.Asked {
		effect = "where the namespace serves them otherwise they are refused, because this Ingress asks for client certificates"
	}
	r.problems.Add(ing.claims.Object, problem.TooManyHosts, "%s and after it: %s hosts are more than the %s that one Ingress may have; %s. Divide the Ingress.",
		field.place, problem.Thousands(field.n), problem.Thousands(claim.MaxHosts), effect)
}
