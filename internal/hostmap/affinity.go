package hostmap

import (
	"fmt"
	"strings"
	"time"
	"unique"
)

// Affinity has the requests of one client go to one endpoint, by a cookie. The
// zero value does not; two that say the same are ==.
type Affinity struct{ h unique.Handle[AffinityTerms] }

// AffinityTerms are what an Affinity is made of.
type AffinityTerms struct {
	// Cookie is the cookie's name, Path and Domain are its attributes; a Domain
	// of "" is none.
	Cookie, Path, Domain string
	// MaxAge is its attribute in seconds, "" for none; Expires is the one of
	// that name, as a time from now, 0 for none.
	MaxAge  string
	Expires time.Duration
	// SameSite is Strict, Lax, None or "". Conditional leaves a None out for
	// clients that take it for Strict.
	SameSite    string
	Conditional bool
	// Secure is "true", "false", or "" for what the request came by.
	Secure string
	// Persistent keeps a client at its endpoint when others come; else sessions
	// are spread anew, as few as can be.
	Persistent bool
	// ChangeOnFailure has a client whose endpoint has failed stay at the one
	// that took its request instead.
	ChangeOnFailure bool
	// CanaryAside leaves it to each request whether it is for a canary; else
	// the cookie holds for that too.
	CanaryAside bool
}

// NewAffinity makes one.
func NewAffinity(t AffinityTerms) Affinity { return Affinity{unique.Make(t)} }

// Terms are what it is made of. ok: it says something.
func (a Affinity) Terms() (t AffinityTerms, ok bool) {
	if a == (Affinity{}) {
		return t, false
	}
	return a.h.Value(), true
}

func (a Affinity) String() string {
	t, ok := a.Terms()
	if !ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s path=%q", t.Cookie, t.Path)
	for _, p := range []struct{ name, value string }{
		{"domain", t.Domain},
		{"max-age", t.MaxAge},
		{"same-site", t.SameSite},
		{"secure", t.Secure},
	} {
		if p.value != "" {
			fmt.Fprintf(&b, " %s=%s", p.name, p.value)
		}
	}
	if t.Expires != 0 {
		fmt.Fprintf(&b, " expires=%s", t.Expires)
	}
	for _, p := range []struct {
		on   bool
		name string
	}{
		{t.Conditional, "conditional"},
		{t.Persistent, "persistent"},
		{t.ChangeOnFailure, "change-on-failure"},
		{t.CanaryAside, "canary-aside"},
	} {
		if p.on {
			b.WriteString(" " + p.name)
		}
	}
	return b.String()
}
