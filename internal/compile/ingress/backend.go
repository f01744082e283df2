package ingress

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// backend resolves a backend of an Ingress. It is never nil: one that cannot
// be reached says why, so that its routes answer 503 and hide no other route.
func (r *reader) backend(ing *ingress, ref *networkingv1.IngressBackend, at place) *hostmap.Backend {
	namespace, upstream := ing.object.Namespace, &ing.notes.upstream
	if ing.guarded != nil {
		return ing.guarded
	}
	if ref.Service == nil {
		what := "no Service"
		if r := ref.Resource; r != nil {
			what = "a resource, " + problem.Quote(r.Kind+" "+r.Name) + ", not a Service"
		}
		r.problems.Add(ing.claims.Object, problem.BackendUnsupported, "%s: the backend is %s; requests are answered 503. Name a Service.", at.String(), what)
		return r.services.Unsupported(namespace, upstream)
	}
	service := types.NamespacedName{Namespace: namespace, Name: ref.Service.Name}
	port := object.Port{Number: ref.Service.Port.Number, Name: ref.Service.Port.Name}
	backend, found := r.services.Backend(service, port, upstream)
	if found.Reason != "" {
		ing.uses.add(found, at)
	}
	return r.standIn(ing, backend)
}

// unreachable are the backends of an Ingress with which something is wrong,
// each with the places that name it: many paths lead to few Services, and each
// Service is one problem.
type unreachable struct {
	list []*unreachableUse
	by   map[*object.Endpoints]*unreachableUse
}

type unreachableUse struct {
	found *object.Endpoints
	first place
	more  int
}

func (u *unreachable) add(found *object.Endpoints, at place) {
	if use := u.by[found]; use != nil {
		use.more++
		return
	}
	use := &unreachableUse{found: found, first: at}
	if u.by == nil {
		u.by = make(map[*object.Endpoints]*unreachableUse)
	}
	u.by[found] = use
	u.list = append(u.list, use)
}

func (r *reader) reportUnreachable(ing *ingress) {
	for _, use := range ing.uses.list {
		where := use.first.String()
		if use.more != 0 {
			where += " and " + problem.Thousands(use.more) + " more"
		}
		r.problems.Add(ing.claims.Object, use.found.Reason, "%s: %s", where, use.found.Message)
	}
}
