package compile

import (
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/guarded"
	"github.com/ingress421/ingress421/internal/compile/ingress"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Build makes the host map of a state. What did not change since the previous
// map, which may be nil, is taken over from it by pointer; so are last good
// certificates. Where nothing changed at all the previous map itself is
// returned. The problems are sorted. next is when to build again although no
// object has changed (a certificate begins or ceases to be valid); zero:
// never.
func Build(previous *hostmap.Map, in Input) (m *hostmap.Map, problems []hostmap.Problem, next time.Time) {
	first := previous == nil
	if first {
		previous = new(hostmap.Map)
	}
	collected := new(problem.List)
	secrets := object.NewSecrets(in.Secrets, previous, in.Now, collected)
	classes := class.Resolve(Ours(&in), class.Input{
		Policies:           in.Policies,
		Previous:           previous,
		DefaultCertificate: hostmap.SecretRef{Namespace: in.DefaultCertificate.Namespace, Name: in.DefaultCertificate.Name},
		Guarded:            in.Guard,
		Secrets:            secrets,
		Problems:           collected,
	})
	services := object.NewServices(object.Input{
		Services:       in.Services,
		EndpointSlices: in.EndpointSlices,
		Previous:       previous,
		AllowLoopback:  in.AllowLoopback,
		ExternalNames:  in.ExternalNames,
		Self:           in.Self,
		Zone:           in.Zone,
		Problems:       collected,
	})
	claimants := ingress.Read(ingress.Input{
		Ingresses:             in.Ingresses,
		TerminatingNamespaces: in.TerminatingNamespaces,
		Classes:               classes,
		Previous:              previous,
		Nginx:                 in.Nginx,
		Secrets:               secrets,
		Services:              services,
		Problems:              collected,
	})
	claimants = append(claimants, guarded.Read(guarded.Input{
		Gateways: in.Gateways, TerminatingNamespaces: in.TerminatingNamespaces,
		Hosts:    in.GuardHosts,
		Classes:  classes,
		Secrets:  secrets,
		Services: services,
		Problems: collected,
	})...)
	sites := claim.Sites(claim.Input{
		Claimants:   claimants,
		Previous:    previous,
		Owners:      in.Owners,
		Reserved:    classes.Reserved(),
		AllowShared: in.AllowSharedHosts,
		Secrets:     secrets,
		Services:    services,
		Problems:    collected,
	})
	unserved := classes.Unserved()
	spec := hostmap.Spec{
		Sites:        sites,
		Class:        unserved.Class,
		Classes:      classes.All(),
		Defaults:     unserved.Defaults,
		Certificates: secrets.Certificates(),
		Parsed:       secrets.Parsed(),
	}
	if !first && same(previous, &spec) {
		m = previous
	} else {
		m = hostmap.New(spec)
	}
	return m, collected.Sorted(), secrets.NextChange()
}

// Ours are the classes of this controller, those that it guards among them.
func Ours(in *Input) class.Ours {
	return class.Find(in.Classes, class.Selection{
		Controller: in.Controller, Named: in.ClassNames, Guarded: in.Guarded, Classless: in.Classless, Any: in.AnyClass,
	})
}

// Owned tells of Ingresses whether they are ours to report on: whether their
// class is one of ours, and served by no other controller behind us.
func Owned(in *Input) func(*networkingv1.Ingress) bool {
	ours := Ours(in)
	return func(object *networkingv1.Ingress) bool {
		name, ok := ours.Named(ingress.ClassName(object))
		return ok && !ours.Guards(name)
	}
}

// PolicyOf names the AuthorityPolicy that the parameters of a class are, where
// they are one.
func PolicyOf(ic *networkingv1.IngressClass) (types.NamespacedName, bool) { return class.PolicyOf(ic) }

// same tells whether a map is made of what a spec says.
func same(m *hostmap.Map, spec *hostmap.Spec) bool {
	return spec.Class == m.Class() &&
		slices.Equal(spec.Defaults, m.Defaults()) &&
		sameElements(spec.Classes, m.Classes()) &&
		sameElements(spec.Certificates, m.Certificates()) &&
		spec.Parsed.Equal(m.Parsed()) &&
		sameElements(spec.Sites, m.Sites())
}

// sameElements tells whether two slices without repetition hold the same
// pointers, in whatever order.
func sameElements[T any](a, b []*T) bool {
	if len(a) != len(b) {
		return false
	}
	in := make(map[*T]struct{}, len(b))
	for _, p := range b {
		in[p] = struct{}{}
	}
	for _, p := range a {
		if _, ok := in[p]; !ok {
			return false
		}
	}
	return true
}
