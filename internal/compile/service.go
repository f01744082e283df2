package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// service is a Service with its EndpointSlices, read once in a run: it may have
// thousands of ports, and slices as many.
type service struct {
	object *corev1.Service // nil where it does not exist
	// byNumber and byName find ports where there are many.
	byNumber map[int32]*corev1.ServicePort
	byName   map[string]*corev1.ServicePort

	// ports are the TCP ports of the slices, byPort the same by name where
	// there are many.
	ports  []slicePort
	byPort map[string][]slicePort
	// slices is how many slices there are, addresses how many addresses they
	// have, in whatever condition.
	slices, addresses int
	// names tells that a slice holds DNS names, refused that some address is
	// never forwarded to.
	names, refused bool
	// endpoints are those of the ports that were named so far.
	endpoints int
}

// slicePort is a port of a slice.
type slicePort struct {
	*sliceAddresses
	name   string
	number uint16
}

// sliceAddresses are the addresses of a slice that may be forwarded to.
type sliceAddresses struct {
	slice           *discoveryv1.EndpointSlice
	ready, draining []netip.Addr
}

// service reads a Service, each once in a run.
func (b *builder) service(name types.NamespacedName) *service {
	if s := b.services[name]; s != nil {
		return s
	}
	s := &service{object: b.objects.services[name]}
	b.services[name] = s
	if s.object == nil {
		return s
	}
	s.indexPorts()
	all := b.objects.slices[name]
	addresses := make([]sliceAddresses, len(all))
	for i, slice := range all {
		b.readSlice(s, &addresses[i], slice)
	}
	if len(s.ports) > fewPorts {
		s.byPort = make(map[string][]slicePort)
		for _, p := range s.ports {
			s.byPort[p.name] = append(s.byPort[p.name], p)
		}
	}
	return s
}

// portsNamed returns the ports of the slices that have a name.
func (s *service) portsNamed(name string) []slicePort {
	if s.byPort != nil {
		return s.byPort[name]
	}
	if !slices.ContainsFunc(s.ports, func(p slicePort) bool { return p.name != name }) {
		return s.ports
	}
	var out []slicePort
	for _, p := range s.ports {
		if p.name == name {
			out = append(out, p)
		}
	}
	return out
}

// fewPorts are looked through.
const fewPorts = 16

func (s *service) indexPorts() {
	ports := s.object.Spec.Ports
	if len(ports) <= fewPorts {
		return
	}
	s.byNumber = make(map[int32]*corev1.ServicePort, len(ports))
	s.byName = make(map[string]*corev1.ServicePort, len(ports))
	for i := range slices.Backward(ports) { // the first of equals
		if isTCP(ports[i].Protocol) {
			s.byNumber[ports[i].Port] = &ports[i]
			s.byName[ports[i].Name] = &ports[i]
		}
	}
}

// Ports of other protocols than TCP may have the same number.
func isTCP(p corev1.Protocol) bool { return p == "" || p == corev1.ProtocolTCP }

// find returns the TCP port that an Ingress names, nil where there is none.
func (s *service) find(p networkingv1.ServiceBackendPort) *corev1.ServicePort {
	if p.Number == 0 && p.Name == "" {
		return nil
	}
	if s.byNumber != nil {
		if p.Number != 0 {
			return s.byNumber[p.Number]
		}
		return s.byName[p.Name]
	}
	for i := range s.object.Spec.Ports {
		port := &s.object.Spec.Ports[i]
		if isTCP(port.Protocol) && (p.Number != 0 && port.Port == p.Number || p.Number == 0 && port.Name == p.Name) {
			return port
		}
	}
	return nil
}

// has lists the TCP ports of the Service for messages.
func (s *service) has() string {
	var out []string
	for i := range s.object.Spec.Ports {
		if port := &s.object.Spec.Ports[i]; isTCP(port.Protocol) && len(out) <= maxListed {
			out = append(out, portText(port.Name, port.Port))
		}
	}
	return list(out)
}

// slicesHave lists the TCP ports of the slices for messages.
func (s *service) slicesHave() string {
	var out []string
	for _, p := range s.ports {
		out = append(out, portText(p.name, int32(p.number)))
	}
	slices.Sort(out)
	return list(slices.Compact(out))
}

func portText(name string, number int32) string {
	if name == "" {
		return strconv.Itoa(int(number))
	}
	return fmt.Sprintf("%s (%d)", plain(name), number)
}

// plain is the name of a port in messages, quoted where it is none.
func plain(name string) string {
	for i := range len(name) {
		if c := name[i] | 0x20; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') || i == maxQuoted {
			return quote(name)
		}
	}
	return name
}

func (b *builder) readSlice(s *service, addresses *sliceAddresses, slice *discoveryv1.EndpointSlice) {
	s.slices++
	addresses.slice = slice
	if slice.AddressType == discoveryv1.AddressTypeFQDN {
		s.names = true
		return
	}
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		s.addresses += len(e.Addresses)
		to := &addresses.ready
		if !isTrue(e.Conditions.Ready, true) {
			if !isTrue(e.Conditions.Serving, false) || !isTrue(e.Conditions.Terminating, false) {
				continue
			}
			to = &addresses.draining
		}
		n := len(*to)
		*to = b.addAddresses(*to, slice, e.Addresses)
		s.refused = s.refused || len(*to)-n != len(e.Addresses)
	}
	for _, p := range slice.Ports {
		if p.Port == nil || *p.Port < 1 || *p.Port > 65535 || p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			continue
		}
		name := ""
		if p.Name != nil {
			name = *p.Name
		}
		s.ports = append(s.ports, slicePort{addresses, name, uint16(*p.Port)})
	}
}

func (b *builder) addAddresses(to []netip.Addr, slice *discoveryv1.EndpointSlice, addresses []string) []netip.Addr {
	for _, s := range addresses {
		a, err := netip.ParseAddr(s)
		if err != nil || !b.mayForwardTo(a) {
			b.problem(subjectOf(slice), EndpointRefused, "Nothing is forwarded to the address %s.", quote(s))
			continue
		}
		to = append(to, a.Unmap())
	}
	return to
}

func subjectOf(slice *discoveryv1.EndpointSlice) subject {
	return subject{"EndpointSlice", slice.Namespace, slice.Name}
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
