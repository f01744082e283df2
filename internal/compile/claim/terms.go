package claim

import (
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Terms are what is said of a host, in a form that can be compared. The zero
// value is what holds where nothing is said.
type Terms struct {
	// Rule is the rule, where Ruled; else it is the class's. Report counts and
	// logs what that would refuse, and serves it.
	Ruled  bool
	Rule   hostmap.Rule
	Report bool
	// NoRedirect leaves a host in cleartext that has certificates,
	// ForceRedirect sends one to https that has none.
	NoRedirect, ForceRedirect bool
	// HSTS is the value of Strict-Transport-Security, "" for none.
	HSTS string
	// Server is what else holds for all of its requests.
	Server ServerTerms
}

// ServerTerms are the terms of a site that its routes may have too: answers,
// fields of responses and source ranges.
type ServerTerms hostmap.Terms

// Says is what an object says of all its hosts.
type Says struct {
	// All is what it says beside client authentication, each thing once. Of
	// several objects of a host the oldest is heard.
	All []Saying
	// ClientAuth is what it asks of clients. If anyone asks everyone's clients
	// are asked, and nobody can take that back.
	ClientAuth ClientAuth
}

// ClientAuth is how client certificates are asked for.
type ClientAuth struct {
	// Asked tells that they are: as Policy says, or where it is nil in a way
	// that cannot be resolved.
	Asked  bool
	Policy *hostmap.TLSPolicy
}

// Saying is one thing that an object says of its hosts.
type Saying struct {
	// Key tells things apart.
	Key string
	// Name and Value are how it is spelled. Value has been read without error.
	Name, Value string
	// Set sets what the value says, whatever was set before.
	Set func(t *Terms, value string) error
	// Protects tells that it keeps somebody out, so that the object's routes are
	// closed on a host where it is not heard.
	Protects bool

	by *Claimant
}

// of says it of a host.
func (s *Saying) of(t *Terms) { _ = s.Set(t, s.Value) }

// lost tells whether a host on which other terms are heard lacks what is said,
// and whether somebody comes in by that.
func (s *Saying) lost(heard *Terms) (lost, open bool) {
	own := *heard
	s.of(&own)
	lost = own != *heard
	// Fields of responses keep nobody out.
	own.Server.ResponseFields = heard.Server.ResponseFields
	return lost, s.Protects && own != *heard
}

// unless returns what is said beside what others say that protects. It changes
// neither slice.
func unless(all, others []Saying) []Saying {
	for i := range others {
		if o := &others[i]; o.Protects && indexOf(all, o.Key) >= 0 {
			all = slices.DeleteFunc(slices.Clone(all), func(s Saying) bool { return s.Key == o.Key })
		}
	}
	return all
}

// anything tells whether anything is said.
func (s *Says) anything() bool { return s.ClientAuth.Asked || len(s.All) != 0 }

// oldest returns what the oldest says of each thing. It changes neither slice.
func oldest(all, others []Saying) []Saying {
	switch {
	case len(all) == 0:
		return others
	case len(others) == 0:
		return all
	}
	all = slices.Clone(all)
	for _, o := range others {
		i := indexOf(all, o.Key)
		switch {
		case i < 0:
			all = append(all, o)
		case o.by.age < all[i].by.age:
			all[i] = o
		}
	}
	return all
}

func indexOf(all []Saying, key string) int {
	return slices.IndexFunc(all, func(s Saying) bool { return s.Key == key })
}

// rule is the rule of a site: what is said of it, else its class's.
func (t *Terms) rule(class *hostmap.Class) (rule hostmap.Rule, report bool) {
	if t.Ruled {
		return t.Rule, class.Report
	}
	return class.Rule, class.Report || t.Report
}

// site are the terms of a site. entered tells that certificates are named for
// it: cleartext requests are then sent to https, even while a Secret is missing,
// because whoever wants TLS must not be served without it.
func (t *Terms) site(entered bool) hostmap.Terms {
	return hostmap.Terms{
		HTTPSRedirect:  t.ForceRedirect || entered && !t.NoRedirect,
		HSTS:           t.HSTS,
		Answers:        t.Server.Answers,
		ResponseFields: t.Server.ResponseFields,
		Allow:          t.Server.Allow,
		Deny:           t.Server.Deny,
	}
}
