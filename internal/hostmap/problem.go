package hostmap

import (
	"cmp"
	"strings"
)

// Problem says what is wrong with one Kubernetes object. It costs that object
// alone: whatever can still be served of the rest is.
type Problem struct {
	// Kind, Namespace and Name name the object. Namespace is "" for objects
	// of the cluster.
	Kind, Namespace, Name string
	// Reason is one CamelCase word, from a bounded set.
	Reason string
	// Message is one sentence: the field, what is wrong, what to do.
	Message string
}

func (p Problem) String() string {
	name := p.Name
	if p.Namespace != "" {
		name = p.Namespace + "/" + p.Name
	}
	return p.Kind + " " + name + ": " + p.Reason + ": " + p.Message
}

// Compare orders problems by object, then reason, then message.
func (p Problem) Compare(q Problem) int {
	return cmp.Or(
		strings.Compare(p.Kind, q.Kind),
		strings.Compare(p.Namespace, q.Namespace),
		strings.Compare(p.Name, q.Name),
		strings.Compare(p.Reason, q.Reason),
		strings.Compare(p.Message, q.Message),
	)
}
