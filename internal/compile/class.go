package compile

import (
	"cmp"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// annotationClass names an Ingress's class where its spec does not.
const annotationClass = "kubernetes.io/ingress.class"

// Owned tells whether an Ingress is served, and reported on, by us: whether
// its class is one of ours.
func Owned(in *Input, ingress *networkingv1.Ingress) bool {
	_, ours := newClasses(in).of(ingress)
	return ours
}

// classes answers which class an Ingress belongs to.
type classes struct {
	ours map[string]*networkingv1.IngressClass
	// defaultClass takes Ingresses that name no class. It is nil where there
	// is none, or where it is another controller's.
	defaultClass *networkingv1.IngressClass
	any          bool
}

func newClasses(in *Input) classes {
	c := classes{
		ours: make(map[string]*networkingv1.IngressClass),
		any:  in.AnyClass && len(in.Classes) == 0,
	}
	for _, ic := range in.Classes {
		if ic.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" && newer(ic, c.defaultClass) {
			c.defaultClass = ic
		}
		if ic.Spec.Controller == in.Controller {
			c.ours[ic.Name] = ic
		}
	}
	if c.defaultClass != nil && c.ours[c.defaultClass.Name] != c.defaultClass {
		c.defaultClass = nil
	}
	return c
}

// newer tells which of several default classes holds: the newest, as the
// admission plugin DefaultIngressClass has it, and the first name of equals.
func newer(a, b *networkingv1.IngressClass) bool {
	if b == nil {
		return true
	}
	return cmp.Or(
		b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
		strings.Compare(a.Name, b.Name),
	) < 0
}

// of returns the class of an Ingress, nil for the built-in one, and whether
// the Ingress is ours.
func (c classes) of(ingress *networkingv1.Ingress) (*networkingv1.IngressClass, bool) {
	if c.any {
		return nil, true
	}
	var ic *networkingv1.IngressClass
	if name := ingress.Spec.IngressClassName; name != nil {
		ic = c.ours[*name]
	} else if name, ok := ingress.Annotations[annotationClass]; ok {
		ic = c.ours[name]
	} else {
		ic = c.defaultClass
	}
	return ic, ic != nil
}
