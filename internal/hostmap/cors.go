package hostmap

import (
	"fmt"
	"strings"
	"unique"
)

// CORS is what scripts of other origins may do at a route (Fetch, section 3.3).
// The zero value says nothing; two that say the same are ==.
type CORS struct{ h unique.Handle[CORSTerms] }

// CORSTerms are what a CORS is made of.
type CORSTerms struct {
	// Origins are those that are let in, in lower case and separated by commas:
	// "*" is all, and "https://*.example.com" is all hosts below, by https.
	Origins string
	// Methods, Headers and Expose are the values of the fields
	// Access-Control-Allow-Methods, -Allow-Headers and -Expose-Headers, "" for
	// none.
	Methods, Headers, Expose string
	// Credentials lets scripts send cookies and the like.
	Credentials bool
	// MaxAge is for how many seconds a browser may remember the answer to its
	// question, as a number; "" is none.
	MaxAge string
}

// NewCORS makes one.
func NewCORS(t CORSTerms) CORS { return CORS{unique.Make(t)} }

// Terms are what it is made of; nil where it says nothing.
func (c CORS) Terms() *CORSTerms {
	if c == (CORS{}) {
		return nil
	}
	t := c.h.Value()
	return &t
}

// Allows tells whether a script of an origin is let in, and what the field
// Access-Control-Allow-Origin says then. Where everybody is let in it does not
// name the origin: browsers would send cookies to what scripts of any site ask.
func (t *CORSTerms) Allows(origin string) (field string, ok bool) {
	if origin == "" {
		return "", false
	}
	for pattern := range strings.SplitSeq(t.Origins, ",") {
		switch {
		case pattern == "*":
			return "*", true
		case strings.EqualFold(pattern, origin), below(pattern, strings.ToLower(origin)):
			return origin, true
		}
	}
	return "", false
}

// below tells whether an origin is that of a host below the one of a pattern.
func below(pattern, origin string) bool {
	before, after, ok := strings.Cut(pattern, "*")
	if !ok || len(origin) <= len(before)+len(after) || !strings.HasPrefix(origin, before) || !strings.HasSuffix(origin, after) {
		return false
	}
	label := origin[len(before) : len(origin)-len(after)]
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

func (c CORS) String() string {
	t := c.Terms()
	if t == nil {
		return ""
	}
	text := fmt.Sprintf("%q methods=%q headers=%q", t.Origins, t.Methods, t.Headers)
	if t.Expose != "" {
		text += fmt.Sprintf(" expose=%q", t.Expose)
	}
	if t.Credentials {
		text += " credentials"
	}
	if t.MaxAge != "" {
		text += " max-age=" + t.MaxAge
	}
	return text
}
