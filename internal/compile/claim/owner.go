package claim

import (
	"maps"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/compile/problem"
)

// assign finds the owner of each host, drops what is not the owner's, and
// forgets hosts of which nothing is left. A host is looked at after the
// wildcard over it, which the order of the list sees to.
func (b *builder) assign(hs *hosts) {
	kept := hs.list[:0]
	for _, h := range hs.list {
		if b.own(hs, h) {
			kept = append(kept, h)
		} else {
			delete(hs.byName, h.name)
		}
	}
	hs.list = kept
	b.close(hs)
}

// own gives a host to its owner, and tells whether it has one.
//
// The namespace that has the host keeps it for as long as it claims it, so that
// nobody takes one by adding it to an old object. A new host goes to the
// oldest claim. Who is being deleted yields to all who are not.
func (b *builder) own(hs *hosts, h *host) bool {
	may, reserved := b.reserved.of(h.name)
	if reserved {
		h.parts = slices.DeleteFunc(h.parts, func(p *part) bool {
			if slices.Contains(may, p.by.Namespace) {
				return false
			}
			h.contested = true
			hs.withheld[h.name] = true
			b.Problems.Add(p.by.Object, problem.HostConflict, "Host %s is kept for other namespaces (spec.claims of an AuthorityPolicy); nothing of %s is served for it. Name another host, or have this namespace added there.", problem.Host(h.name), p.by.kind())
			return true
		})
		if len(h.parts) == 0 {
			return false
		}
	}
	first := h.parts[0]
	if p := b.holding(h); p != nil {
		first, h.held = p, true
	}
	if len(hs.withheld) != 0 && hs.withheld[wildcardName(h.name)] {
		h.contested = true // A policy may be gone after a restart, and its claims with it.
	}
	h.namespace, h.class = first.by.Namespace, first.by.Class
	if over := hs.wildcardOver(h); over != nil && over.namespace != h.namespace {
		if h.held || reserved && !slices.Contains(may, over.namespace) || !over.precedes(first) {
			h.contested = true
		} else if !b.yieldTo(h, over) {
			return false
		}
	}
	b.dismiss(h)
	return len(h.parts) != 0
}

// holding returns the oldest part of the namespace that has the host already,
// nil where it is new: what is recorded of it is what all replicas go by, then
// the previous map. Who is being deleted holds nothing against who is not.
func (b *builder) holding(h *host) *part {
	var before string
	if old := b.Previous.Site(h.name); old != nil && old.Host == h.name {
		before = old.Namespace
	}
	for _, holder := range []string{b.Owners[h.name], before} {
		for _, p := range h.parts {
			if p.by.Namespace == holder && (!p.by.Yields || h.parts[0].by.Yields) {
				return p
			}
		}
	}
	return nil
}

// precedes tells whether a wildcard was there before a host below it, which is
// new and whose oldest part is first, and so has a right to its requests.
func (h *host) precedes(first *part) bool {
	oldest := h.parts[0].by
	return h.held && (!oldest.Yields || first.by.Yields) || oldest.age < first.by.age
}

// yieldTo makes a host the wildcard's that is over it, and tells whether anybody
// has part in it then. Where hosts may be shared others are its guests, on the
// wildcard's terms: what that asks of clients holds for them too.
func (b *builder) yieldTo(h, over *host) bool {
	h.namespace, h.class = over.namespace, over.class
	if own := slices.IndexFunc(h.parts, func(p *part) bool { return p.by.Namespace == h.namespace }); own >= 0 {
		h.class = h.parts[own].by.Class
		return true
	}
	h.contested, over.contested = true, true
	if b.AllowShared {
		h.wildcard = over
		return true
	}
	for _, p := range h.parts {
		b.Problems.Add(p.by.Object, problem.HostConflict, "Host %s is below a wildcard of another namespace; nothing of %s is served for it. Name another host, or have that namespace give it up.", problem.Host(h.name), p.by.kind())
	}
	return false
}

// dismiss drops the parts of a host that are not its owner's, but for those of
// guests, which come last: nobody's age puts a guest's rule before the owner's.
func (b *builder) dismiss(h *host) {
	owner := h.parts[0].by
	for _, p := range h.parts {
		if p.by.Namespace == h.namespace && p.by.Class == h.class {
			owner = p.by
			break
		}
	}
	own := h.parts[:0]
	var guests []*part
	for _, p := range h.parts {
		p.guest = p.by.Namespace != h.namespace
		if p.guest {
			h.contested = true
			if !b.admit(h, p) {
				continue
			}
		}
		if p.by.Class != h.class {
			b.classConflict(h, p, owner)
			continue
		}
		p.by.served = true
		if p.guest {
			guests = append(guests, p)
			continue
		}
		h.ruled = h.ruled || p.rules()
		own = append(own, p)
	}
	h.parts = append(own, guests...)
}

// classConflict reports a part of another class than the host's, which is the
// one of the owner's oldest object.
func (b *builder) classConflict(h *host, p *part, owner *Claimant) {
	if p.guest {
		b.Problems.Add(p.by.Object, problem.ClassConflict, "Host %s belongs to class %s; nothing is served of it for class %s.", problem.Host(h.name), problem.Quote(h.class.Name), problem.Quote(p.by.Class.Name))
		return
	}
	b.Problems.Add(p.by.Object, problem.ClassConflict, "Host %s belongs to class %s by %s %s; nothing is served of it for class %s.", problem.Host(h.name), problem.Quote(h.class.Name), owner.Kind, problem.Quote(owner.Name), problem.Quote(p.by.Class.Name))
}

// admit tells whether rules of another namespace may join a host.
func (b *builder) admit(h *host, p *part) bool {
	by := p.by
	switch {
	case !b.AllowShared:
		b.Problems.Add(by.Object, problem.HostConflict, "Host %s belongs to another namespace; nothing of %s is served for it. Name another host, or have that namespace give it up.", problem.Host(h.name), p.by.kind())
		return false
	case by.Says.ClientAuth.Asked:
		// Its rules must not be served without what it asks of clients, and
		// what it asks must not shut the owner's clients out.
		b.Problems.Add(by.Object, problem.HostConflict, "Host %s belongs to another namespace, which says what is asked of clients; the rules of %s, which asks for client certificates, are not served.", problem.Host(h.name), by.kind())
		return false
	case !p.ruled:
		b.Problems.Add(by.Object, problem.HostConflict, "Host %s belongs to another namespace, which says what certificate it has.", problem.Host(h.name))
		return false
	case by.Says.anything():
		b.Problems.Add(by.Object, problem.HostConflict, "Host %s belongs to another namespace; of %s's annotations those about hosts have no effect on it.", problem.Host(h.name), by.kind())
	}
	if len(p.certificates(h.name)) != 0 {
		b.Problems.Add(by.Object, problem.HostConflict, "Host %s belongs to another namespace, which says what certificate it has.", problem.Host(h.name))
	}
	return true
}

// close adds the hosts that are kept for namespaces which do not claim them,
// where somebody else's wildcard or default site would take their requests.
func (b *builder) close(hs *hosts) {
	for _, name := range slices.Sorted(maps.Keys(b.reserved)) {
		if hs.byName[name] != nil {
			continue
		}
		h := &host{name: name}
		over := hs.wildcardOver(h)
		if over == nil {
			over = hs.byName[""]
		}
		if over == nil || over.namespace == "" || slices.Contains(b.reserved[name], over.namespace) {
			continue
		}
		h.class, h.ruled = over.class, true
		hs.byName[name] = h
		hs.list = append(hs.list, h)
	}
	slices.SortFunc(hs.list, byName)
}

// reserved are the hosts that may be claimed by some namespaces only, by
// canonical host or "*." pattern.
type reserved map[string][]string

// of returns the namespaces that may claim a host, and whether it is reserved
// at all. Of several claims that speak of it the narrowest holds.
func (r reserved) of(host string) (namespaces []string, ok bool) {
	if len(r) == 0 || host == "" {
		return nil, false
	}
	if namespaces, ok = r[host]; ok {
		return namespaces, true
	}
	for _, parent, _ := strings.Cut(host, "."); parent != ""; _, parent, _ = strings.Cut(parent, ".") {
		if namespaces, ok = r["*."+parent]; ok {
			return namespaces, true
		}
	}
	return nil, false
}
