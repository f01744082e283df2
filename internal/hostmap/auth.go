package hostmap

import (
	"fmt"
	"strings"
	"time"
	"unique"
)

// Auth asks a service whether a request is let in, before it is forwarded. The
// zero value asks nobody; two that ask alike are ==.
type Auth struct{ h unique.Handle[AuthTerms] }

// AuthTerms are what an Auth is made of.
type AuthTerms struct {
	// Host is the authority that is asked for, and Path the path with the query;
	// both may be templates. Where the terms have no AuthBackend the host must
	// be one that the same map serves to everybody.
	Host, Path string
	// Method is that of the question.
	Method string
	// Redirect, a template, is told to the service as where to lead back.
	Redirect string
	// SignIn, a template, is where a client is sent who gets a 401; "" sends it
	// nowhere.
	SignIn string
	// Fields are names in lower case, separated by commas: what the service says
	// in them the backend gets, in the place of what the client says.
	Fields string
	// AlwaysSetCookie passes the service's cookies on whatever the backend's
	// status, else for those of [AddsFields].
	AlwaysSetCookie bool
	// CacheKey, a template, is what tells clients apart whose answers are kept;
	// "" keeps none. Cache are statuses and how long their answers are kept:
	// lines of a status and a duration.
	CacheKey, Cache string
}

// NewAuth makes one.
func NewAuth(t AuthTerms) Auth { return Auth{unique.Make(t)} }

// Terms are what it is made of; nil where it asks nobody.
func (a Auth) Terms() *AuthTerms {
	if a == (Auth{}) {
		return nil
	}
	t := a.h.Value()
	return &t
}

// KeptFor is how long an answer of a status is kept.
func (t *AuthTerms) KeptFor(status int) time.Duration {
	for line := range strings.SplitSeq(t.Cache, "\n") {
		if d, ok := strings.CutPrefix(line, fmt.Sprint(status, " ")); ok && t.CacheKey != "" {
			kept, _ := time.ParseDuration(d)
			return kept
		}
	}
	return 0
}

func (a Auth) String() string {
	t := a.Terms()
	if t == nil {
		return ""
	}
	text := fmt.Sprintf("%s %q", t.Method, t.Host+t.Path)
	for _, p := range []struct{ name, value string }{{"redirect", t.Redirect}, {"sign-in", t.SignIn}, {"fields", t.Fields}, {"cache-key", t.CacheKey}, {"cache", t.Cache}} {
		if p.value != "" {
			text += fmt.Sprintf(" %s=%q", p.name, p.value)
		}
	}
	if t.AlwaysSetCookie {
		text += " always-set-cookie"
	}
	return text
}
