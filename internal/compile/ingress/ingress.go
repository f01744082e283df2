package ingress

import (
	"slices"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const kind = "Ingress"

// Input is what [Read] takes.
type Input struct {
	Ingresses []*networkingv1.Ingress
	// TerminatingNamespaces are those that are being deleted.
	TerminatingNamespaces map[string]bool
	Classes               *class.Classes
	Secrets               *object.Secrets
	Services              *object.Services
	// Previous is the previous map, whose regular expressions are kept.
	Previous *hostmap.Map
	// Nginx says what becomes of ingress-nginx's annotations where the class
	// does not.
	Nginx    Nginx
	Problems *problem.List
}

// reader is one run of Read.
type reader struct {
	terminating map[string]bool
	classes     *class.Classes
	secrets     *object.Secrets
	services    *object.Services
	problems    *problem.List
	// policies remembers TLS policies: many Ingresses ask for the same.
	policies map[policyKey]*hostmap.TLSPolicy
	// behind are the backends of guarded classes, by the class's name.
	behind map[string]*hostmap.Backend
	// reading is the Ingress that is being read.
	reading ingress
	// previous is the previous map, regexes are those that it and this run have,
	// made when the first is asked for.
	previous *hostmap.Map
	regexes  map[string]*hostmap.PathRegex
	nginx    Nginx
	// regexHosts are the hosts, by namespace, of which ingress-nginx takes all
	// paths for regular expressions.
	regexHosts map[string]bool
	// canaries are by what they have in common with those whose requests they get.
	canaries map[canaryKey]*canary
}

// ingress is an Ingress of ours that is being read.
type ingress struct {
	object *networkingv1.Ingress
	// claims is what becomes of it.
	claims *claim.Claimant
	notes  notes
	// guarded takes all requests where the class is another controller's; nil
	// where it is not.
	guarded *hostmap.Backend
	// nginx says what becomes of ingress-nginx's annotations.
	nginx Nginx
	// limit bounds the hosts.
	limit hostLimit
	// uses are the backends that cannot be reached as they should.
	uses unreachable
}

// Read reads all Ingresses of ours, each by itself: whatever others say comes
// later. They come from the oldest to the youngest, and then those that yield.
func Read(in Input) []*claim.Claimant {
	r := &reader{
		terminating: in.TerminatingNamespaces,
		classes:     in.Classes,
		secrets:     in.Secrets,
		services:    in.Services,
		problems:    in.Problems,
		previous:    in.Previous,
		nginx:       in.Nginx,
		policies:    make(map[policyKey]*hostmap.TLSPolicy),
		behind:      make(map[string]*hostmap.Backend),
	}
	out := make([]*claim.Claimant, 0, len(in.Ingresses))
	r.findRegexHosts(in.Ingresses)
	sorted := r.sorted(in.Ingresses)
	r.findCanaries(sorted)
	for _, object := range sorted {
		if c := r.classes.Of(ClassName(object)); c != nil {
			out = append(out, r.read(object, c))
		} else {
			r.reportUnowned(object)
		}
	}
	r.reportCanaries()
	return out
}

func (r *reader) read(object *networkingv1.Ingress, c *class.Class) *claim.Claimant {
	ing := &r.reading
	*ing = ingress{object: object, nginx: r.nginx.Of(c.Class), claims: &claim.Claimant{
		Object:  hostmap.Object{Kind: kind, Namespace: object.Namespace, Name: object.Name},
		Created: object.CreationTimestamp.Time,
		Yields:  r.yields(object),
		Class:   c,
		Field:   field,
	}}
	ing.guarded = r.guarded(c)
	r.readAnnotations(ing)
	r.reportGuarded(ing)
	if !ing.notes.canary.on {
		ing.limit.begin(ing)
		r.readRules(ing)
		r.readTLS(ing)
		r.addAliases(ing)
		r.addWWW(ing)
		ing.yieldRest()
		r.reportUnreachable(ing)
	}
	ing.claims.Apart = ing.notes.canary.on
	ing.claims.Says, ing.claims.Beyond = ing.notes.says, ing.limit.over
	return ing.claims
}

// yieldRest leaves the default site, where the Ingress is being deleted, even to
// nobody: it would go on answering for all hosts that nobody serves, for as long
// as its namespace takes to go, and without pods, which go first.
func (ing *ingress) yieldRest() {
	if ing.claims.Yields {
		ing.claims.Claims = slices.DeleteFunc(ing.claims.Claims, func(c claim.Claim) bool { return c.Host == "" })
	}
}

// AnnotationClass names an Ingress's class where its spec does not.
const AnnotationClass = "kubernetes.io/ingress.class"

// ClassName is the name of the class that an Ingress names, nil without one.
func ClassName(object *networkingv1.Ingress) *string {
	if name := object.Spec.IngressClassName; name != nil {
		return name
	}
	if name, ok := object.Annotations[AnnotationClass]; ok {
		return &name
	}
	return nil
}

// yields tells whether an Ingress goes soon and leaves its hosts to whoever
// waits for them.
func (r *reader) yields(object *networkingv1.Ingress) bool {
	return object.DeletionTimestamp != nil || r.terminating[object.Namespace]
}

// sorted returns Ingresses in the order of their claims, which decides too what
// is left out where a Service has too many endpoints.
func (r *reader) sorted(ingresses []*networkingv1.Ingress) []*networkingv1.Ingress {
	ingresses = slices.Clone(ingresses)
	of := func(object *networkingv1.Ingress) hostmap.Object {
		return hostmap.Object{Namespace: object.Namespace, Name: object.Name}
	}
	slices.SortStableFunc(ingresses, func(a, b *networkingv1.Ingress) int {
		return claim.Compare(r.yields(a), a.CreationTimestamp.Time, of(a), r.yields(b), b.CreationTimestamp.Time, of(b))
	})
	return ingresses
}

// field spells a field for problems.
func field(f claim.Field, index int) string {
	switch f {
	case claim.FieldRoutes:
		return "spec.rules"
	case claim.FieldRest:
		return "spec.defaultBackend"
	case claim.FieldCertificates:
		return "spec.tls"
	}
	return "spec.tls[" + strconv.Itoa(index) + "].secretName"
}
