package hostmap

import (
	"cmp"
	"strings"
)

// Problem says what is wrong with one Kubernetes object. It costs that object
// alone: whatever can still be served of the rest is.
type Problem struct {
	// Object is what it is wrong with.
	Object
	// Reason is one CamelCase word, from a bounded set.
	Reason string
	// Message is one sentence: the field, what is wrong, what to do.
	Message string
}

func (p Problem) String() string {
	return p.Object.String() + ": " + p.Reason + ": " + p.Message
}

// Compare orders problems by object, then reason, then message.
func (p Problem) Compare(q Problem) int {
	return cmp.Or(
		p.Object.Compare(q.Object),
		strings.Compare(p.Reason, q.Reason),
		strings.Compare(p.Message, q.Message),
	)
}
