package hostmap

import (
	"cmp"
	"strings"
)

// Object names a Kubernetes object, or a file in the place of one.
type Object struct {
	// Kind is the object's kind, as in "Ingress".
	Kind string
	// Namespace is "" for objects of the cluster.
	Namespace string
	Name      string
}

// NamespacedName is namespace/name, or the name alone where there is no namespace.
func (o Object) NamespacedName() string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

func (o Object) String() string { return o.Kind + " " + o.NamespacedName() }

// Compare orders objects by kind, namespace and name.
func (o Object) Compare(p Object) int {
	return cmp.Or(
		strings.Compare(o.Kind, p.Kind),
		strings.Compare(o.Namespace, p.Namespace),
		strings.Compare(o.Name, p.Name),
	)
}
