package claim

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Claimant is an object with all that it claims.
type Claimant struct {
	hostmap.Object
	// Created is when the object was, by which the oldest is found.
	Created time.Time
	// Yields tells that it, or its namespace, is being deleted, and leaves its
	// hosts to whoever waits for them.
	Yields bool
	// Class is the class by which it claims its hosts.
	Class *class.Class
	// Apart tells that it is to have no hosts: it is for those of others.
	Apart bool
	// Says is what it says of all its hosts.
	Says Says
	// Claims are its hosts. One may come repeatedly.
	Claims []Claim
	// Rest is the route for what no path of its hosts takes, nil without one.
	Rest *hostmap.Route
	// Certificates are those that it names.
	Certificates Certificates
	// Beyond are hosts that are over its bound and not claimed, as far as
	// somebody must know: where client certificates are asked for.
	Beyond []string
	// Field spells a field of the object for problems.
	Field func(f Field, index int) string

	age int // the place among all, from the oldest
	// served tells that a host is its own, or that it is a guest of one.
	served bool
}

// Claim is what an object claims of one host.
type Claim struct {
	// Host is canonical; "" is the default site.
	Host string
	// Ruled tells that the host is claimed for its requests, not for its
	// certificate alone.
	Ruled bool
	// Alias tells that the host is another name of those that Routes are of:
	// one slice for all aliases. AliasOf is the first of them, whose
	// certificates it has where none are named for it.
	Alias   bool
	AliasOf string
	// Refused tells that nobody is let in: what would be checked of clients is
	// not known here.
	Refused bool
	Routes  []*hostmap.Route
}

// Field is a field of an object that problems name.
type Field uint8

const (
	// FieldRoutes is where its routes stand.
	FieldRoutes Field = iota
	// FieldRest is where its route for the rest stands.
	FieldRest
	// FieldCertificates is where its certificates are named.
	FieldCertificates
	// FieldCertificate is where one certificate is named, by its index.
	FieldCertificate
)

// Certificates are the Secrets that an object names for its hosts. A host has
// those that are listed for it, else those that are for the wildcard over it,
// else those for every host.
type Certificates struct {
	// Listed are by host or "*." pattern. An index, because an object has room
	// for thousands of hosts.
	Listed map[string][]Certificate
	Every  []Certificate
}

// Certificate is a Secret of the object's namespace; "" is the default
// certificate of its class.
type Certificate struct {
	Secret string
	Index  int // of the field that names it first, for FieldCertificate
}

// of returns those of a host, none where it has no entry.
func (c *Certificates) of(host string) []Certificate {
	if names := c.Listed[host]; names != nil {
		return names
	}
	_, suffix, _ := strings.Cut(host, ".")
	if names := c.Listed["*."+suffix]; names != nil {
		return names
	}
	return c.Every
}

// Compare orders claimants from the oldest to the youngest, those that yield
// last.
func (c *Claimant) Compare(o *Claimant) int {
	return Compare(c.Yields, c.Created, c.Object, o.Yields, o.Created, o.Object)
}

// Compare orders objects as claimants are, before they are read.
func Compare(yields bool, created time.Time, a hostmap.Object, yieldsToo bool, createdToo time.Time, b hostmap.Object) int {
	if yields != yieldsToo {
		if yields {
			return 1
		}
		return -1
	}
	return cmp.Or(
		created.Compare(createdToo),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Kind, b.Kind),
	)
}

// kind is what the object is called in its own problems, "this Ingress".
func (c *Claimant) kind() string { return "this " + c.Kind }

// to names the object to the owner of another one. What belongs to another
// namespace is no business of his.
func (c *Claimant) to(other *Claimant) string { return objectTo(c.Object, other) }

func objectTo(o hostmap.Object, other *Claimant) string {
	switch {
	case o.Namespace != other.Namespace:
		article := "a "
		if strings.ContainsRune("AEIOU", rune(o.Kind[0])) {
			article = "an "
		}
		return article + o.Kind + " of another namespace"
	case o == other.Object:
		return other.kind()
	}
	return o.Kind + " " + problem.Quote(o.NamespacedName())
}

// certificates returns the Secrets that the claimant of a part names for its
// host.
func (p *part) certificates(host string) []Certificate {
	if names := p.by.Certificates.of(host); names != nil || !p.alias {
		return names
	}
	return p.by.Certificates.of(p.aliasOf)
}

// inOrder puts claimants in order and counts them.
func inOrder(all []*Claimant) []*Claimant {
	if !slices.IsSortedFunc(all, (*Claimant).Compare) {
		all = slices.Clone(all)
		slices.SortStableFunc(all, (*Claimant).Compare)
	}
	for age, c := range all {
		c.age, c.served = age, false
		for i := range c.Says.All {
			c.Says.All[i].by = c
		}
	}
	return all
}
