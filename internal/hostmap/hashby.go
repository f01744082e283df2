package hostmap

import (
	"fmt"
	"strings"
	"unique"
)

// HashBy has requests that are alike in something go to one endpoint, and spreads
// few of them anew when endpoints come and go. The zero value does not; two that
// say the same are ==.
type HashBy struct{ h unique.Handle[HashByTerms] }

// HashByTerms are what a HashBy is made of.
type HashByTerms struct {
	// Key is a text with variables ([HashKeyParts]).
	Key string
	// Among is how many endpoints the requests of one key are spread over, 1 at
	// least.
	Among int
}

// NewHashBy makes one.
func NewHashBy(t HashByTerms) HashBy { return HashBy{unique.Make(t)} }

// Terms are what it is made of. ok: it says something.
func (h HashBy) Terms() (t HashByTerms, ok bool) {
	if h == (HashBy{}) {
		return t, false
	}
	return h.h.Value(), true
}

func (h HashBy) String() string {
	t, ok := h.Terms()
	if !ok {
		return ""
	}
	if t.Among > 1 {
		return fmt.Sprintf("%q among=%d", t.Key, t.Among)
	}
	return fmt.Sprintf("%q", t.Key)
}

// HashVariable is what a variable of a key stands for.
type HashVariable uint8

const (
	// HashLiteral is text that stands for itself.
	HashLiteral HashVariable = iota
	// HashRequestURI is path and query as the client sent them.
	HashRequestURI
	// HashRemoteAddr is the client's address.
	HashRemoteAddr
	// HashHost is the host.
	HashHost
	// HashField is a field of the request, HashCookie a cookie, HashArgument an
	// argument of the query, each by its name.
	HashField
	HashCookie
	HashArgument
	// HashUnknown is a variable that is none of these.
	HashUnknown
)

// HashKeyParts yields the parts of a key: what each is, and its name or, of a
// literal, its text. Variables are spelled $name or ${name}; names of fields are
// yielded with hyphens. It does not allocate, but for such names.
func HashKeyParts(key string) func(yield func(HashVariable, string) bool) {
	return func(yield func(HashVariable, string) bool) {
		for key != "" {
			literal, rest, found := strings.Cut(key, "$")
			if literal != "" && !yield(HashLiteral, literal) || !found {
				return
			}
			var name string
			name, key = cutVariable(rest)
			if !yield(hashVariable(name)) {
				return
			}
		}
	}
}

// cutVariable splits the name of a variable off what follows a "$".
func cutVariable(s string) (name, rest string) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		if name, rest, ok = strings.Cut(inner, "}"); ok {
			return name, rest
		}
		return "", ""
	}
	n := 0
	for n < len(s) && (s[n] == '_' || '0' <= s[n] && s[n] <= '9' || 'a' <= s[n]|0x20 && s[n]|0x20 <= 'z') {
		n++
	}
	return s[:n], s[n:]
}

func hashVariable(name string) (HashVariable, string) {
	switch name {
	case "request_uri":
		return HashRequestURI, name
	case "remote_addr", "binary_remote_addr":
		return HashRemoteAddr, name
	case "host":
		return HashHost, name
	}
	for _, p := range [...]struct {
		prefix string
		is     HashVariable
	}{{"http_", HashField}, {"cookie_", HashCookie}, {"arg_", HashArgument}} {
		if rest, ok := strings.CutPrefix(name, p.prefix); ok && rest != "" {
			if p.is == HashField {
				rest = strings.ReplaceAll(strings.ToLower(rest), "_", "-")
			}
			return p.is, rest
		}
	}
	return HashUnknown, name
}
