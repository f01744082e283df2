package object

import (
	"net/netip"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Endpoints are what became of a Service port.
type Endpoints struct {
	addresses []netip.AddrPort
	// near is how many of them, the first, are for this node's zone (see
	// hostmap.Backend).
	near int
	// missing is why there can be none (see hostmap.Backend).
	missing string
	// Reason and Message are the problem that it makes for every object which
	// names the port, "" where there is none.
	Reason, Message string
}

// reach finds the endpoints of a Service port, each once in a run.
func (all *Services) reach(p servicePort) *Endpoints {
	return all.endpoints.get(p, all.findEndpoints)
}

func (all *Services) findEndpoints(p servicePort) *Endpoints {
	s := all.service(p.service)
	if s.object == nil {
		return &Endpoints{
			missing: hostmap.MissingService, Reason: problem.ServiceNotFound,
			Message: p.title() + " (port " + plain(p.String()) + ") does not exist; create it or correct the name.",
		}
	}
	if s.object.Spec.Type == corev1.ServiceTypeExternalName {
		return all.external(s, p)
	}
	port := s.find(p.port)
	if port == nil {
		return &Endpoints{
			missing: hostmap.MissingPort, Reason: problem.PortNotFound,
			Message: p.title() + " has no TCP port " + plain(p.String()) + "; it has: " + s.has() + ".",
		}
	}
	// Slices tell the port by the Service port's name; its number there is the
	// pods' own, which the Service's targetPort need not say.
	ports := s.portsNamed(port.Name)
	for _, sp := range ports {
		s.endpoints += len(sp.ready) + len(sp.draining)
	}
	if s.endpoints > maxServiceEndpoints {
		return &Endpoints{
			missing: hostmap.UnsupportedBackend, Reason: problem.TooManyEndpoints,
			Message: p.title() + " has with port " + plain(p.String()) + " more than " + problem.Thousands(maxServiceEndpoints) + " endpoints, those of all its ports together that Ingresses name; this port and further ones are not served. Divide the Service.",
		}
	}
	r := &Endpoints{addresses: all.endpointsOf(s, ports, readyOnes)}
	if len(r.addresses) == 0 {
		// Every pod is on its way out (KEP-1669): those that still serve are
		// better than none.
		r.addresses = all.endpointsOf(s, ports, drainingOnes)
	} else {
		r.nearFirst(all.nearOf(s, ports))
	}
	if len(r.addresses) == 0 {
		r.Reason, r.Message = s.whyNone(p.title(), port)
	}
	return r
}

// external finds the endpoints of a port of a Service of type ExternalName. It
// need not list the port, as ingress-nginx has it: nothing stands behind its
// ports but their numbers.
func (all *Services) external(s *service, p servicePort) *Endpoints {
	if !all.externalNames {
		// Whoever may create a Service could have any address in the cluster
		// served (CVE-2021-32783).
		return &Endpoints{
			missing: hostmap.UnsupportedBackend, Reason: problem.BackendUnsupported,
			Message: p.title() + " is of type ExternalName, which is not served without --allow-external-names; name a Service with endpoints.",
		}
	}
	number := p.port.Number
	if port := s.find(p.port); port != nil {
		if number = port.TargetPort.IntVal; number == 0 {
			number = port.Port
		}
	}
	if number < 1 || number > 65535 {
		return &Endpoints{
			missing: hostmap.MissingPort, Reason: problem.PortNotFound,
			Message: p.title() + " has no TCP port " + plain(p.String()) + "; it has: " + s.has() + ".",
		}
	}
	var ports []slicePort
	for _, sp := range s.ports {
		if sp.slice.Labels[discoveryv1.LabelManagedBy] == managedBy {
			sp.number = uint16(number)
			ports = append(ports, sp)
		}
	}
	r := &Endpoints{addresses: all.endpointsOf(s, ports, readyOnes)}
	if len(r.addresses) == 0 {
		r.Reason = problem.NoEndpoints
		r.Message = p.title() + " is of type ExternalName, and the name " + problem.Quote(s.object.Spec.ExternalName) + " has no address that may be forwarded to. Requests are answered 503."
	}
	return r
}

// title names the Service in messages.
func (p servicePort) title() string { return "Service " + problem.Quote(p.service.String()) }

// nearOf returns the endpoints that are for this node's zone; none where all are
// for everybody. As for kube-proxy, hints count if every endpoint that is ready
// has some: while they are being written a few must not get all (KEP-2433).
func (all *Services) nearOf(s *service, ports []slicePort) []netip.AddrPort {
	if all.zone == "" || slices.ContainsFunc(ports, func(p slicePort) bool { return p.unhinted }) {
		return nil
	}
	return all.endpointsOf(s, ports, nearOnes)
}

// nearFirst puts some of the endpoints before the others.
func (r *Endpoints) nearFirst(near []netip.AddrPort) {
	if len(near) == 0 || len(near) == len(r.addresses) {
		return
	}
	rest := slices.DeleteFunc(r.addresses, func(e netip.AddrPort) bool {
		_, found := slices.BinarySearchFunc(near, e, netip.AddrPort.Compare)
		return found
	})
	r.addresses, r.near = slices.Concat(near, rest), len(near)
}

// Which addresses of a slice are looked for.
func readyOnes(a *sliceAddresses) []netip.Addr    { return a.ready }
func drainingOnes(a *sliceAddresses) []netip.Addr { return a.draining }
func nearOnes(a *sliceAddresses) []netip.Addr     { return a.near }

// endpointsOf returns the endpoints of some ports of slices, sorted. None is
// this process.
func (all *Services) endpointsOf(s *service, ports []slicePort, of func(*sliceAddresses) []netip.Addr) []netip.AddrPort {
	n := 0
	for _, p := range ports {
		n += len(of(p.sliceAddresses))
	}
	if n == 0 {
		return nil
	}
	out := make([]netip.AddrPort, 0, n)
	for _, p := range ports {
		for _, a := range of(p.sliceAddresses) {
			e := netip.AddrPortFrom(a, p.number)
			if all.self.Is(e) {
				all.problems.Add(objectOf(p.slice), problem.EndpointRefused, "Nothing is forwarded to the address %q at port %d, where this ingress controller itself listens.", a, p.number)
				s.refused = true
				continue
			}
			out = append(out, e)
		}
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return slices.Compact(out)
}

// whyNone tells why a port has no endpoints. It counts nothing, so that what it
// says is the same from the first moment to the last, and one event.
func (s *service) whyNone(name string, port *corev1.ServicePort) (reason, message string) {
	const effect = " Requests are answered 503."
	label := "the label kubernetes.io/service-name: " + s.object.Name
	selects := len(s.object.Spec.Selector) != 0
	switch {
	case s.slices == 0 && selects:
		return problem.NoEndpoints, name + " has no EndpointSlice; none of its namespace has " + label + "." + effect
	case s.slices == 0:
		return problem.NoEndpoints, name + " has no selector, and no EndpointSlice of its namespace has " + label + "." + effect
	case s.addresses == 0 && s.names:
		return problem.NoEndpoints, name + " has EndpointSlices of the addressType FQDN alone, which are not served." + effect
	case s.addresses == 0 && selects:
		return problem.NoEndpoints, name + " has no endpoints: its selector matches no pod, or it is scaled to zero." + effect
	case s.addresses == 0:
		return problem.NoEndpoints, name + " has no endpoints: its EndpointSlices hold none." + effect
	case len(s.portsNamed(port.Name)) == 0:
		return problem.EndpointPortNotFound, name + ": its EndpointSlices have no TCP port " + s.sliceName(port) + "; they have: " + s.slicesHave() + "." + effect
	case s.refused:
		return problem.NoEndpoints, name + " has no endpoint that is ready and that may be forwarded to; its EndpointSlices have problems." + effect
	}
	return problem.NoEndpoints, name + " has endpoints of which none is ready." + effect
}

// sliceName says which port of slices is looked for, and why.
func (s *service) sliceName(port *corev1.ServicePort) string {
	text := "without a name"
	if port.Name != "" {
		text = "named " + problem.Quote(port.Name)
	}
	text += ", as port " + strconv.Itoa(int(port.Port)) + " of the Service is"
	if t := port.TargetPort; t.Type == intstr.String && t.StrVal != "" {
		text += " (targetPort " + problem.Quote(t.StrVal) + ")"
	}
	return text
}

// maxServiceEndpoints bounds the endpoints of a Service, those of all its ports
// that Ingresses name taken together: 1,000 pods and 10,000 ports fit into two
// small objects, and their product is never built.
const maxServiceEndpoints = 50_000
