package object

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// managedBy is what an EndpointSlice of [ExternalEndpoints] says of its maker.
const managedBy = "external-name.ingress421.dev"

// ExternalEndpoints is an EndpointSlice with what was found under the name that
// a Service of type ExternalName stands for. No such object is in the cluster.
func ExternalEndpoints(s *corev1.Service, addresses []netip.Addr) *discoveryv1.EndpointSlice {
	// It has a port for the form: which one is meant says who names the Service.
	name, port := "", int32(1)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: s.Name + "." + managedBy,
			Labels: map[string]string{discoveryv1.LabelServiceName: s.Name, discoveryv1.LabelManagedBy: managedBy},
		},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for _, a := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{a.String()}})
	}
	return slice
}
