package compile

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// reachable is what became of a Service port.
type reachable struct {
	endpoints []netip.AddrPort
	// missing is why there are none (see hostmap.Backend), with the problem
	// that it makes for every Ingress which names the port.
	missing, reason, message string
}

// reach finds the endpoints of a Service port, each once in a run.
func (b *builder) reach(p servicePort) *reachable {
	if r := b.endpoints[p]; r != nil {
		return r
	}
	r := b.findEndpoints(p)
	b.endpoints[p] = r
	return r
}

func (b *builder) findEndpoints(p servicePort) *reachable {
	service := b.objects.services[p.service]
	if service == nil {
		return &reachable{
			missing: hostmap.MissingService, reason: ServiceNotFound,
			message: "Service " + quote(p.service.String()) + " does not exist.",
		}
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		// Whoever may create a Service could have any address in the cluster
		// served (CVE-2021-32783).
		return &reachable{
			missing: hostmap.UnsupportedBackend, reason: BackendUnsupported,
			message: "Service " + quote(p.service.String()) + " is of type ExternalName, which is not served.",
		}
	}
	port := p.find(service)
	if port == nil {
		return &reachable{
			missing: hostmap.MissingPort, reason: PortNotFound,
			message: "Service " + quote(p.service.String()) + " has no TCP port " + quote(p.String()) + ".",
		}
	}
	// Slices tell the port by the Service port's name; its number there is the
	// pods' own, which the Service's targetPort need not say.
	var ready, draining []netip.AddrPort
	for _, slice := range b.objects.slices[p.service] {
		if slice.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, number := range portsNamed(slice, port.Name) {
			for i := range slice.Endpoints {
				e := &slice.Endpoints[i]
				to := &ready
				if !isTrue(e.Conditions.Ready, true) {
					if !isTrue(e.Conditions.Serving, false) || !isTrue(e.Conditions.Terminating, false) {
						continue
					}
					to = &draining
				}
				*to = b.addAddresses(*to, slice, e.Addresses, number)
			}
		}
	}
	if len(ready) == 0 {
		// Every pod is on its way out (KEP-1669): those that still serve are
		// better than none.
		ready = draining
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return &reachable{endpoints: slices.Compact(ready)}
}

// portsNamed returns the TCP ports of a slice that have a name.
func portsNamed(slice *discoveryv1.EndpointSlice, name string) []uint16 {
	var out []uint16
	for _, p := range slice.Ports {
		if p.Port == nil || *p.Port < 1 || *p.Port > 65535 {
			continue
		}
		if p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			continue
		}
		if p.Name == nil && name == "" || p.Name != nil && *p.Name == name {
			out = append(out, uint16(*p.Port))
		}
	}
	return out
}

func (b *builder) addAddresses(to []netip.AddrPort, slice *discoveryv1.EndpointSlice, addresses []string, port uint16) []netip.AddrPort {
	on := subject{"EndpointSlice", slice.Namespace, slice.Name}
	for _, s := range addresses {
		a, err := netip.ParseAddr(s)
		switch e := netip.AddrPortFrom(a.Unmap(), port); {
		case err != nil || !b.mayForwardTo(a):
			b.problem(on, EndpointRefused, "Nothing is forwarded to the address %s.", quote(s))
		case b.in.Self.Is(e):
			b.problem(on, EndpointRefused, "Nothing is forwarded to the address %s at port %d, where this ingress controller itself listens.", quote(s), port)
		default:
			to = append(to, e)
		}
	}
	return to
}

// mayForwardTo refuses addresses that would trust us more than whoever may write
// an EndpointSlice, which is anyone who may write Services: those of the node
// and of the cloud's metadata services. Behind loopback ones are our own ports
// and the node's; they need [Input.AllowLoopback].
func (b *builder) mayForwardTo(a netip.Addr) bool {
	return hostmap.Forwardable(a) && (b.in.AllowLoopback || !a.Unmap().IsLoopback())
}

func isTrue(p *bool, otherwise bool) bool {
	if p == nil {
		return otherwise
	}
	return *p
}
