package class

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Ours are the IngressClasses of this controller.
type Ours struct {
	byName map[string]*networkingv1.IngressClass
	// standard takes objects that name no class. It is nil where there is none,
	// or where it is another controller's.
	standard *networkingv1.IngressClass
	// classless lets objects that name no class be ours whatever is standard.
	classless bool
	any       bool
	// others are the names of the classes that are not ours.
	others map[string]bool
	// guarded are the names of the classes that another controller serves
	// behind us.
	guarded []string
}

// Selection says which classes are ours.
type Selection struct {
	// Controller is the spec.controller of ours.
	Controller string
	// Named and Guarded are ours whoever's they are, and where there is no such
	// object: controllers of old have classes that are but a name in an
	// annotation. The guarded ones another controller serves behind us.
	Named, Guarded []string
	// Classless lets objects that name no class be ours whatever the default
	// class is.
	Classless bool
	// Any lets every object be ours where there is no IngressClass at all.
	Any bool
}

// Find finds ours among all IngressClasses: the default class may be another
// controller's.
func Find(all []*networkingv1.IngressClass, s Selection) Ours {
	c := Ours{
		byName:    make(map[string]*networkingv1.IngressClass),
		others:    make(map[string]bool),
		classless: s.Classless,
		any:       s.Any && len(all) == 0 && len(s.Guarded) == 0 && len(s.Named) == 0,
		guarded:   s.Guarded,
	}
	names := slices.Concat(s.Named, s.Guarded)
	for _, name := range names {
		c.byName[name] = &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	for _, ic := range all {
		if ic.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" && newer(ic, c.standard) {
			c.standard = ic
		}
		if ic.Spec.Controller == s.Controller || slices.Contains(names, ic.Name) {
			c.byName[ic.Name] = ic
		} else {
			c.others[ic.Name] = true
		}
	}
	if c.standard != nil && c.byName[c.standard.Name] != c.standard {
		c.standard = nil
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

// Named returns the name of a class that an object names, by a pointer that is
// nil where it names none, and whether that is one of ours. "" is the built-in
// class.
func (c *Ours) Named(name *string) (string, bool) {
	var ic *networkingv1.IngressClass
	switch {
	case c.any:
		return "", true
	case name != nil:
		ic = c.byName[*name]
	case c.standard == nil && c.classless:
		return c.speaker(), true
	default:
		ic = c.standard
	}
	if ic == nil {
		return "", false
	}
	return ic.Name, true
}

// speaker is the class that holds where nothing names one: the only class of
// ours, else the default class. Where several are ours and none is the default
// no one of them can speak for all, and the built-in one holds.
func (c *Ours) speaker() string {
	if len(c.byName) == 1 {
		for name := range c.byName {
			return name
		}
	}
	if c.standard != nil {
		return c.standard.Name
	}
	return ""
}

// Exists tells whether there is a class of a name, ours or not.
func (c *Ours) Exists(name string) bool { return c.byName[name] != nil || c.others[name] }

// Names are those of ours, in any order.
func (c *Ours) Names() iter.Seq[string] { return maps.Keys(c.byName) }

// Guards tells whether a class is another controller's, which serves it behind
// us.
func (c *Ours) Guards(name string) bool { return slices.Contains(c.guarded, name) }

// FirstGuarded is the first of the guarded classes, nil where there is none.
func (c *Classes) FirstGuarded() *Class {
	if len(c.guarded) == 0 {
		return nil
	}
	return c.byName[c.guarded[0]]
}

// Class is an IngressClass of ours with its options resolved.
type Class struct {
	*hostmap.Class
	// Defaults are served where a site has no certificates of its own.
	Defaults []*hostmap.Certificate
}

// Classes are those of ours, resolved.
type Classes struct {
	Ours
	byName map[string]*Class // "" is the built-in one
}

// Input is what [Resolve] takes.
type Input struct {
	Policies []*v1alpha1.AuthorityPolicy
	// Previous is the previous map, which has the options of classes whose
	// policies are gone.
	Previous *hostmap.Map
	// DefaultCertificate is the Secret of the command line's, zero without one.
	DefaultCertificate hostmap.SecretRef
	// Guarded is who serves the guarded classes.
	Guarded  hostmap.Guarded
	Secrets  *object.Secrets
	Problems *problem.List
}

// resolver is the state of Resolve.
type resolver struct {
	*Input
	classes  Classes
	policies map[types.NamespacedName]*v1alpha1.AuthorityPolicy
	before   map[string]*hostmap.Class
}

// Resolve resolves every class of ours, used or not, so that what is wrong with
// it is known before the first object needs it.
func Resolve(ours Ours, in Input) *Classes {
	r := resolver{
		Input:    &in,
		classes:  Classes{Ours: ours, byName: make(map[string]*Class)},
		policies: make(map[types.NamespacedName]*v1alpha1.AuthorityPolicy, len(in.Policies)),
		before:   make(map[string]*hostmap.Class),
	}
	for _, p := range in.Policies {
		r.policies[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	}
	for _, c := range in.Previous.Classes() {
		r.before[c.Name] = c
	}
	r.classes.byName[""] = &Class{Class: r.keep(r.builtin()), Defaults: r.flagDefaults()}
	for name, ic := range ours.byName {
		r.classes.byName[name] = r.resolve(ic)
	}
	return &r.classes
}

// builtin is the class that holds where no policy says otherwise: the
// built-in options, and the default certificate of the command line.
func (r *resolver) builtin() *hostmap.Class {
	c := hostmap.BuiltinClass()
	c.DefaultCertificate = r.DefaultCertificate
	return c
}

// Of returns the class by which an object claims its hosts, nil where that is
// not ours.
func (c *Classes) Of(name *string) *Class {
	own, ours := c.Named(name)
	if !ours {
		return nil
	}
	return c.byName[own]
}

// Unserved is the class that judges authorities no site serves, and whose
// default certificate they meet.
func (c *Classes) Unserved() *Class { return c.byName[c.speaker()] }

// All are all classes of ours, used or not.
func (c *Classes) All() []*hostmap.Class {
	out := make([]*hostmap.Class, 0, len(c.byName))
	for _, k := range c.byName {
		out = append(out, k.Class)
	}
	return out
}

// Reserved gathers the claims of all classes of ours, by canonical host or "*."
// pattern: who may claim a host does not depend on the class by which it is
// claimed.
func (c *Classes) Reserved() map[string][]string {
	reserved := make(map[string][]string)
	for _, k := range c.byName {
		for _, claim := range k.Claims {
			reserved[claim.Host] = append(reserved[claim.Host], claim.Namespaces...)
		}
	}
	return reserved
}

// flagDefaults returns the default certificates of the command line.
func (r *resolver) flagDefaults() []*hostmap.Certificate {
	ref := r.DefaultCertificate
	if ref.Name == "" {
		return nil
	}
	return r.defaults(hostmap.Object{Kind: "Secret", Namespace: ref.Namespace, Name: ref.Name}, "--default-certificate", ref)
}

// defaults returns the default certificates that one Secret makes.
func (r *resolver) defaults(on hostmap.Object, field string, ref hostmap.SecretRef) []*hostmap.Certificate {
	if c := r.Secrets.Certificate(on, func() string { return field }, ref); c != nil {
		return []*hostmap.Certificate{c}
	}
	return nil
}

// keepDefaults returns the default certificates of the previous map, each as
// its Secret is now. The Secrets were named by a policy that is gone; what is
// wrong with them is nobody's problem.
func (r *resolver) keepDefaults() []*hostmap.Certificate {
	var out []*hostmap.Certificate
	for _, old := range r.Previous.Defaults() {
		if c := r.Secrets.KeyPair(old.Secret).Certificate; c != nil {
			out = append(out, c)
		}
	}
	return out
}

// keep returns the previous map's class if it is equal.
func (r *resolver) keep(c *hostmap.Class) *hostmap.Class {
	if old := r.before[c.Name]; old != nil && sameClass(old, c) {
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
		a.NginxAnnotations == b.NginxAnnotations &&
		a.MinVersion == b.MinVersion &&
		a.Limits == b.Limits &&
		a.Guarded == b.Guarded &&
		slices.Equal(a.TrustedGateways, b.TrustedGateways)
}
