package manifests

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/source"
)

// Config says which folder is read and who is told.
type Config struct {
	// Dir is the folder.
	Dir string
	source.Config
}

// all is the answer for scan when every file may have changed.
func all(string) bool { return true }

// state is what the folder holds. Nobody but who writes to it is behind it, and
// without a class of its own it is all ours.
func (f *folder) state() (state source.State) {
	in := &state.Input
	in.AnyClass, in.AllowLoopback = true, true
	var objects []object
	objects, state.Problems = f.objects()
	if f.once {
		state.Positions = positions(objects)
	}
	for _, o := range objects {
		switch v := o.value.(type) {
		case *networkingv1.Ingress:
			in.Ingresses = append(in.Ingresses, v)
		case *networkingv1.IngressClass:
			in.Classes = append(in.Classes, v)
		case *corev1.Secret:
			in.Secrets = append(in.Secrets, v)
		case *corev1.Service:
			in.Services = append(in.Services, v)
		case *discoveryv1.EndpointSlice:
			in.EndpointSlices = append(in.EndpointSlices, v)
		case *gatewayv1.Gateway:
			in.Gateways = append(in.Gateways, v)
		case *v1alpha1.AuthorityPolicy:
			in.Policies = append(in.Policies, v)
		}
	}
	return state
}
