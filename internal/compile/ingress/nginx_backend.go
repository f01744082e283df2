package ingress

import (
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/compile/snippet"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxBackendAnnotations say where requests go, and what backends are told.
var nginxBackendAnnotations = []nginxAnnotation{
	{
		name: "from-to-www-redirect", fate: near, idle: []string{"false"},
		remark: "308. Rules that another Ingress has for the other name go before. The certificate must cover both names.",
		note: func(n *notes, value string) (err error) {
			n.fromToWWW, err = strconv.ParseBool(value)
			return err
		},
	},
	{
		name: "x-forwarded-prefix", fate: near, idle: []string{""},
		remark: "Without rewrite-target too. A value with a group ($1) has no effect.",
		note: func(n *notes, value string) error {
			text, err := snippet.Text(value)
			if err == nil {
				n.terms.RequestFields = n.terms.RequestFields.Then(hostmap.NewFieldEdits(hostmap.FieldEdit{Name: "x-forwarded-prefix", Value: text}))
			}
			return err
		},
	},
	{
		name: "default-backend", fate: near, idle: []string{""},
		remark: "A Service of the Ingress's namespace, by its first port, where a Service has no endpoints.",
		note:   func(n *notes, value string) error { n.defaultBackend = value; return nil },
	},
}

// standIn is the backend that takes requests for one without endpoints, where the
// Ingress names one; else it is that itself.
func (r *reader) standIn(ing *ingress, of *hostmap.Backend) *hostmap.Backend {
	n := &ing.notes
	if n.defaultBackend == "" || len(of.Endpoints) != 0 || of.Missing == hostmap.MissingProtection || of.Missing == hostmap.MissingCA {
		return of
	}
	service := types.NamespacedName{Namespace: ing.object.Namespace, Name: n.defaultBackend}
	port, ok := r.services.FirstPort(service)
	if !ok {
		r.problems.Add(ing.claims.Object, problem.ServiceNotFound, "Annotation %q: Service %s does not exist, or has no TCP port; it stands in for nothing.", nginxPrefix+"default-backend", problem.Quote(service.String()))
		return of
	}
	if backend, _ := r.services.Backend(service, port, &n.upstream); len(backend.Endpoints) != 0 {
		return backend
	}
	return of
}
