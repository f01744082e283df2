package hostmap

import (
	"fmt"
	"strings"
	"unique"
)

// Canary sends some of a route's requests to another backend. The route and its
// terms hold for them all the same. The zero value sends none; two that say the
// same are ==.
type Canary struct{ h unique.Handle[CanaryTerms] }

// CanaryTerms are what a Canary is made of.
type CanaryTerms struct {
	// Backend takes its requests, and speaks what the route's own does.
	Backend *Backend
	// Header, in lower case, is the field by which a request asks for it: by
	// Value, else by Pattern, else by "always"; "never" asks for
	// the route's own then. "" is no field.
	Header, Value string
	Pattern       *PathRegex
	// Cookie is the cookie that does so, by "always" and "never"; "" is none.
	Cookie string
	// Weight of Total requests are its own where they do not ask.
	Weight, Total uint32
	// From is the object that asks for it.
	From Object
}

// NewCanary makes one.
func NewCanary(t CanaryTerms) Canary { return Canary{unique.Make(t)} }

// Terms are what it is made of. ok: it sends some.
func (c Canary) Terms() (t CanaryTerms, ok bool) {
	if c == (Canary{}) {
		return t, false
	}
	return c.h.Value(), true
}

// Takes tells whether a request is the canary's, as ingress-nginx has it: by
// header, then by cookie, then by lot, a number below Total. Empty ones are none.
func (t *CanaryTerms) Takes(header, cookie string, lot uint32) bool {
	if t.Header != "" && header != "" {
		switch {
		case t.Value != "":
			if header == t.Value {
				return true
			}
		case t.Pattern != nil:
			if t.Pattern.matches(header) {
				return true
			}
		case header == canaryAlways:
			return true
		case header == canaryNever:
			return false
		}
	}
	if t.Cookie != "" {
		switch cookie {
		case canaryAlways:
			return true
		case canaryNever:
			return false
		}
	}
	return lot < t.Weight
}

const (
	canaryAlways = "always"
	canaryNever  = "never"
)

func (c Canary) String() string {
	t, ok := c.Terms()
	if !ok {
		return ""
	}
	var b strings.Builder
	t.Backend.text(&b)
	switch {
	case t.Header == "":
	case t.Value != "":
		fmt.Fprintf(&b, " header=%s:%q", t.Header, t.Value)
	case t.Pattern != nil:
		fmt.Fprintf(&b, " header=%s~%q", t.Header, t.Pattern)
	default:
		fmt.Fprintf(&b, " header=%s", t.Header)
	}
	if t.Cookie != "" {
		fmt.Fprintf(&b, " cookie=%s", t.Cookie)
	}
	if t.Weight != 0 {
		fmt.Fprintf(&b, " weight=%d/%d", t.Weight, t.Total)
	}
	fmt.Fprintf(&b, " %s=%s", strings.ToLower(t.From.Kind), t.From.NamespacedName())
	return b.String()
}
