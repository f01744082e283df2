package compile

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/hostmap"
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

// class is an IngressClass of ours with its options resolved.
type class struct {
	*hostmap.Class
	// defaults are served where a site has no certificates of its own.
	defaults []*hostmap.Certificate
}

// readClasses resolves every class of ours, used or not, so that what is wrong
// with it is known before the first Ingress needs it.
func (b *builder) readClasses() {
	b.classes[""] = &class{
		Class:    b.keepClass(b.builtinClass()),
		defaults: b.flagDefaults(),
	}
	for name, ic := range b.owners.ours {
		b.classes[name] = b.resolveClass(ic)
	}
}

// builtinClass is the class that holds where no policy says otherwise: the
// built-in options, and the default certificate of the command line.
func (b *builder) builtinClass() *hostmap.Class {
	c := hostmap.BuiltinClass()
	if name := b.in.DefaultCertificate; name.Name != "" {
		c.DefaultCertificate = hostmap.SecretRef{Namespace: name.Namespace, Name: name.Name}
	}
	return c
}

// classOf returns the resolved class of an Ingress, nil where the Ingress is
// not ours.
func (b *builder) classOf(ingress *networkingv1.Ingress) *class {
	ic, ours := b.owners.of(ingress)
	switch {
	case !ours:
		return nil
	case ic == nil:
		return b.classes[""]
	default:
		return b.classes[ic.Name]
	}
}

// unservedClass is the class that judges authorities no site serves, and whose
// default certificate they meet: the only class of ours, else the default
// class. Where several are ours and none is the default no one of them can
// speak for all, and the built-in one holds.
func (b *builder) unservedClass() *class {
	if len(b.owners.ours) == 1 {
		for name := range b.owners.ours {
			return b.classes[name]
		}
	}
	if ic := b.owners.defaultClass; ic != nil {
		return b.classes[ic.Name]
	}
	return b.classes[""]
}

// usedClasses are all classes of ours, used or not.
func (b *builder) usedClasses() []*hostmap.Class {
	out := make([]*hostmap.Class, 0, len(b.classes))
	for _, c := range b.classes {
		out = append(out, c.Class)
	}
	return out
}

// keepClass returns the previous map's class if it is equal.
func (b *builder) keepClass(c *hostmap.Class) *hostmap.Class {
	if old := b.lastGood.classes[c.Name]; old != nil && sameClass(old, c) {
		return old
	}
	return c
}

func sameClaim(a, b hostmap.Claim) bool {
	return a.Host == b.Host && slices.Equal(a.Namespaces, b.Namespaces)
}

func sameClass(a, b *hostmap.Class) bool {
	return a.Name == b.Name &&
		a.Unresolved == b.Unresolved &&
		slices.EqualFunc(a.Claims, b.Claims, sameClaim) &&
		a.Rule == b.Rule &&
		a.Report == b.Report &&
		a.UnservedMisdirected == b.UnservedMisdirected &&
		a.CloseOnMisdirected == b.CloseOnMisdirected &&
		a.ShareCertificates == b.ShareCertificates &&
		a.DefaultCertificate == b.DefaultCertificate &&
		a.Origin == b.Origin &&
		a.MinVersion == b.MinVersion &&
		a.Limits == b.Limits &&
		slices.Equal(a.TrustedGateways, b.TrustedGateways)
}
