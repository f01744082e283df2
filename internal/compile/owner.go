package compile

import (
	"maps"
	"slices"
	"strings"
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
// nobody takes one by adding it to an old Ingress. A new host goes to the
// oldest claim. Who is being deleted yields to all who are not.
func (b *builder) own(hs *hosts, h *host) bool {
	may, reserved := b.reserved.of(h.name)
	if reserved {
		h.parts = slices.DeleteFunc(h.parts, func(p *part) bool {
			if slices.Contains(may, p.ing.object.Namespace) {
				return false
			}
			h.contested = true
			hs.withheld[h.name] = true
			b.problem(p.ing.subject, HostConflict, "Host %s is kept for other namespaces (spec.claims of an AuthorityPolicy); nothing of this Ingress is served for it.", hostName(h.name))
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
	h.namespace, h.class = first.ing.object.Namespace, first.ing.class
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
	if old := b.previous.Site(h.name); old != nil && old.Host == h.name {
		before = old.Namespace
	}
	for _, holder := range []string{b.in.Owners[h.name], before} {
		for _, p := range h.parts {
			if p.ing.object.Namespace == holder && (!p.ing.yields || h.parts[0].ing.yields) {
				return p
			}
		}
	}
	return nil
}

// precedes tells whether a wildcard was there before a host below it, which is
// new and whose oldest part is first, and so has a right to its requests.
func (h *host) precedes(first *part) bool {
	oldest := h.parts[0].ing
	return h.held && (!oldest.yields || first.ing.yields) || oldest.age < first.ing.age
}

// yieldTo makes a host the wildcard's that is over it, and tells whether anybody
// has part in it then. Where hosts may be shared others are its guests, on the
// wildcard's terms: what that asks of clients holds for them too.
func (b *builder) yieldTo(h, over *host) bool {
	h.namespace, h.class = over.namespace, over.class
	if own := slices.IndexFunc(h.parts, func(p *part) bool { return p.ing.object.Namespace == h.namespace }); own >= 0 {
		h.class = h.parts[own].ing.class
		return true
	}
	h.contested, over.contested = true, true
	if b.in.AllowSharedHosts {
		h.wildcard = over
		return true
	}
	for _, p := range h.parts {
		b.problem(p.ing.subject, HostConflict, "Host %s is below a wildcard of another namespace; nothing of this Ingress is served for it.", hostName(h.name))
	}
	return false
}

// dismiss drops the parts of a host that are not its owner's, but for those of
// guests, which come last: nobody's age puts a guest's rule before the owner's.
func (b *builder) dismiss(h *host) {
	owner := h.parts[0].ing
	for _, p := range h.parts {
		if p.ing.object.Namespace == h.namespace && p.ing.class == h.class {
			owner = p.ing
			break
		}
	}
	own := h.parts[:0]
	var guests []*part
	for _, p := range h.parts {
		p.guest = p.ing.object.Namespace != h.namespace
		if p.guest {
			h.contested = true
			if !b.admit(h, p) {
				continue
			}
		}
		if p.ing.class != h.class {
			b.classConflict(h, p, owner)
			continue
		}
		p.ing.served = true
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
// one of the owner's oldest Ingress.
func (b *builder) classConflict(h *host, p *part, owner *ingress) {
	if p.guest {
		b.problem(p.ing.subject, ClassConflict, "Host %s belongs to class %s; nothing is served of it for class %s.", hostName(h.name), quote(h.class.Name), quote(p.ing.class.Name))
		return
	}
	b.problem(p.ing.subject, ClassConflict, "Host %s belongs to class %s by Ingress %s; nothing is served of it for class %s.", hostName(h.name), quote(h.class.Name), quote(owner.object.Name), quote(p.ing.class.Name))
}

// admit tells whether rules of another namespace may join a host.
func (b *builder) admit(h *host, p *part) bool {
	ing := p.ing
	switch {
	case !b.in.AllowSharedHosts:
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace; nothing of this Ingress is served for it.", hostName(h.name))
		return false
	case ing.notes.says.asks:
		// Its rules must not be served without what it asks of clients, and
		// what it asks must not shut the owner's clients out.
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace, which says what is asked of clients; the rules of this Ingress, which asks for client certificates, are not served.", hostName(h.name))
		return false
	case !p.ruled:
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace, which says what certificate it has.", hostName(h.name))
		return false
	case ing.notes.says.anything():
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace; of this Ingress's annotations those about hosts have no effect on it.", hostName(h.name))
	}
	if len(ing.secrets(h.name)) != 0 {
		b.problem(ing.subject, HostConflict, "Host %s belongs to another namespace, which says what certificate it has.", hostName(h.name))
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

// reserve gathers the claims of all classes of ours: who may claim a host does
// not depend on the class by which it is claimed.
func (b *builder) reserve() {
	b.reserved = make(reserved)
	for _, c := range b.classes {
		for _, k := range c.Claims {
			b.reserved[k.Host] = append(b.reserved[k.Host], k.Namespaces...)
		}
	}
}

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
