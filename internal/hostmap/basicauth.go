package hostmap

import (
	"crypto/sha256"
	"fmt"
	"unique"
)

// BasicAuth asks clients for a name and a password (RFC 7617). The zero value
// asks for none; two that ask for the same are ==.
type BasicAuth struct{ h unique.Handle[BasicAuthTerms] }

// BasicAuthTerms are what a BasicAuth is made of.
type BasicAuthTerms struct {
	// Realm is what clients show to people.
	Realm string
	// Users are lines of a name and a hash, as Apache's htpasswd writes them.
	Users string
}

// NewBasicAuth makes one.
func NewBasicAuth(t BasicAuthTerms) BasicAuth { return BasicAuth{unique.Make(t)} }

// Terms are what it is made of; nil where it asks for none.
func (a BasicAuth) Terms() *BasicAuthTerms {
	if a == (BasicAuth{}) {
		return nil
	}
	t := a.h.Value()
	return &t
}

// String never shows a hash: it tells users apart by theirs.
func (a BasicAuth) String() string {
	t := a.Terms()
	if t == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(t.Users))
	return fmt.Sprintf("%q users=%x", t.Realm, sum[:8])
}
