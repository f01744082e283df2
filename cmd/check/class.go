package check

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/ingress"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// notOwned says why an Ingress is not ours, and whether somebody else's.
func (b *builder) notOwned(ing *networkingv1.Ingress) Finding {
	field, name := "spec.ingressClassName", ""
	switch {
	case ing.Spec.IngressClassName != nil:
		name = *ing.Spec.IngressClassName
	case ing.Annotations[ingress.AnnotationClass] != "":
		field, name = annotationField(ingress.AnnotationClass), ing.Annotations[ingress.AnnotationClass]
	default:
		return Finding{Word: Lost, Message: fmt.Sprintf("It names no class, and no class of %s is the default one; nothing of it is served. Set spec.ingressClassName%s, or run with --watch-ingress-without-class.", b.outcome.Input.Controller, b.oursToName())}
	}
	for _, class := range b.outcome.Input.Classes {
		if class.Name == name {
			return Finding{Word: NotOurs, Field: field, Message: fmt.Sprintf("Class %q belongs to the controller %q, not to %q; nothing of it is served here without --ingress-class %s.", name, class.Spec.Controller, b.outcome.Input.Controller, name)}
		}
	}
	return Finding{Word: Lost, Field: field, Message: fmt.Sprintf("There is no IngressClass %q; nothing of it is served. Correct the name%s.", name, b.oursToName())}
}

// Unowned says of the Ingresses with rules for an authority that are not ours
// why they are not, as problems that name the host.
func Unowned(o *source.Outcome, authority string) (found []hostmap.Problem) {
	host, _, err := hostmap.Authority(authority)
	if err != nil {
		return nil
	}
	_, parent, _ := strings.Cut(host, ".")
	asked := func(r networkingv1.IngressRule) bool {
		pattern, err := hostmap.Pattern(r.Host)
		return err == nil && (pattern == host || pattern == "*."+parent)
	}
	b := &builder{outcome: o, ours: compile.Ours(&o.Input)}
	for _, ing := range o.Input.Ingresses {
		if _, ours := b.ours.Named(ingress.ClassName(ing)); ours || !slices.ContainsFunc(ing.Spec.Rules, asked) {
			continue
		}
		object := hostmap.Object{Kind: "Ingress", Namespace: ing.Namespace, Name: ing.Name}
		if slices.ContainsFunc(o.Problems, func(p hostmap.Problem) bool {
			return p.Object == object && p.Reason == problem.ClassNotFound
		}) {
			continue // It says so itself.
		}
		f := b.notOwned(ing)
		field := ""
		if f.Field != "" {
			field = f.shown() + ": "
		}
		found = append(found, hostmap.Problem{
			Object: object, Reason: reasonNotOurs,
			Message: fmt.Sprintf("%s(host %s) %s", field, host, f.Message),
		})
	}
	return found
}

// reasonNotOurs is the reason of what [Unowned] finds.
const reasonNotOurs = "NotOurs"

// oursToName lists the classes that an Ingress could name to be served.
func (b *builder) oursToName() string {
	var names []string
	for _, class := range b.outcome.Input.Classes {
		if _, ours := b.ours.Named(&class.Name); ours && !b.ours.Guards(class.Name) {
			names = append(names, class.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf(" to a class whose spec.controller is %q, of which there is none", b.outcome.Input.Controller)
	}
	slices.Sort(names)
	return " to " + strings.Join(names, " or ")
}

// classAnnotation says whether the older way of naming a class is heard.
func (b *builder) classAnnotation(o *Object, ing *networkingv1.Ingress, value string) {
	f := Finding{Word: Honoured, Field: annotationField(ingress.AnnotationClass), Value: value}
	switch {
	case len(b.outcome.Input.Classes) == 0 && b.outcome.Input.AnyClass:
		f.Word, f.Message = NotNeeded, "There is no IngressClass, and every Ingress is served."
	case ing.Spec.IngressClassName != nil:
		f.Word, f.Message = NotNeeded, "The class is that of spec.ingressClassName."
	}
	o.add(f)
}

// class files whose a class is.
func (b *builder) class(class *networkingv1.IngressClass) {
	o := b.object(hostmap.Object{Kind: "IngressClass", Name: class.Name})
	if _, ours := b.ours.Named(&class.Name); !ours || b.ours.Guards(class.Name) {
		o.add(Finding{Word: NotOurs, Field: "spec.controller", Message: fmt.Sprintf("It belongs to the controller %q, not to %q.", class.Spec.Controller, b.outcome.Input.Controller)})
	}
}

// policy files whether a policy is any class's.
func (b *builder) policy(policy *v1alpha1.AuthorityPolicy) {
	o := b.object(hostmap.Object{Kind: v1alpha1.AuthorityPolicyKind, Namespace: policy.Namespace, Name: policy.Name})
	name := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
	for _, class := range b.outcome.Input.Classes {
		_, ours := b.ours.Named(&class.Name)
		if named, ok := compile.PolicyOf(class); ok && ours && named == name {
			return
		}
	}
	o.add(Finding{Word: Lost, Message: fmt.Sprintf("No IngressClass of %s names it in spec.parameters; it has no effect.", b.outcome.Input.Controller)})
}
