package object

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile/problem"
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
	// near are those of ready that hints say are for this node's zone; unhinted
	// tells that some say nothing.
	near     []netip.Addr
	unhinted bool
}

// Services are those of a state with their EndpointSlices, read when they are
// named.
type Services struct {
	problems *problem.List
	objects  map[types.NamespacedName]*corev1.Service
	// slices are by their Service, which the label kubernetes.io/service-name
	// tells; the name of a slice means nothing.
	slices map[types.NamespacedName][]*discoveryv1.EndpointSlice
	// allowLoopback lets endpoints be loopback addresses, self is this process,
	// to which nothing is forwarded.
	allowLoopback bool
	self          hostmap.Self
	zone          string
	// externalNames serves Services of type ExternalName.
	externalNames bool

	services  read[types.NamespacedName, service]
	endpoints read[servicePort, Endpoints]
	backends  map[backendKey]*hostmap.Backend
	// before are the backends of the previous map.
	before map[backendKey]*hostmap.Backend
}

// Input is what [NewServices] takes.
type Input struct {
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	// Previous is the previous map, whose backends are kept where they are
	// equal.
	Previous *hostmap.Map
	// AllowLoopback lets endpoints be loopback addresses.
	AllowLoopback bool
	// ExternalNames serves Services of type ExternalName, by the EndpointSlices
	// that [ExternalEndpoints] makes.
	ExternalNames bool
	// Self is this process, to which nothing is forwarded.
	Self hostmap.Self
	// Zone is that of this node, "" where it is not known.
	Zone     string
	Problems *problem.List
}

// NewServices takes the Services of a state.
func NewServices(in Input) *Services {
	backends := in.Previous.Backends()
	s := &Services{
		problems:      in.Problems,
		objects:       make(map[types.NamespacedName]*corev1.Service, len(in.Services)),
		slices:        make(map[types.NamespacedName][]*discoveryv1.EndpointSlice, len(in.EndpointSlices)),
		allowLoopback: in.AllowLoopback,
		self:          in.Self,
		zone:          in.Zone,
		externalNames: in.ExternalNames,
		services:      make(read[types.NamespacedName, service], len(backends)),
		endpoints:     make(read[servicePort, Endpoints], len(backends)),
		backends:      make(map[backendKey]*hostmap.Backend, len(backends)),
		before:        make(map[backendKey]*hostmap.Backend, len(backends)),
	}
	for _, service := range in.Services {
		s.objects[types.NamespacedName{Namespace: service.Namespace, Name: service.Name}] = service
	}
	for _, slice := range in.EndpointSlices {
		if service := slice.Labels[discoveryv1.LabelServiceName]; service != "" {
			key := types.NamespacedName{Namespace: slice.Namespace, Name: service}
			s.slices[key] = append(s.slices[key], slice)
		}
	}
	for _, k := range backends {
		s.before[keyOf(k)] = k
	}
	return s
}

// service reads a Service, each once in a run.
func (all *Services) service(name types.NamespacedName) *service {
	return all.services.get(name, all.readService)
}

func (all *Services) readService(name types.NamespacedName) *service {
	s := &service{object: all.objects[name]}
	if s.object == nil {
		return s
	}
	s.indexPorts()
	listed := all.slices[name]
	addresses := make([]sliceAddresses, len(listed))
	for i, slice := range listed {
		all.readSlice(s, &addresses[i], slice)
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

// FirstPort is the first TCP port of a Service; false where there is none.
func (all *Services) FirstPort(name types.NamespacedName) (Port, bool) {
	if s := all.service(name); s.object != nil {
		for i := range s.object.Spec.Ports {
			if p := &s.object.Spec.Ports[i]; isTCP(p.Protocol) {
				return Port{Number: p.Port}, true
			}
		}
	}
	return Port{}, false
}

// find returns the TCP port that an Ingress names, nil where there is none.
func (s *service) find(p Port) *corev1.ServicePort {
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
		if port := &s.object.Spec.Ports[i]; isTCP(port.Protocol) && len(out) <= problem.MaxListed {
			out = append(out, portText(port.Name, port.Port))
		}
	}
	return problem.Words(out)
}

// slicesHave lists the TCP ports of the slices for messages.
func (s *service) slicesHave() string {
	var out []string
	for _, p := range s.ports {
		out = append(out, portText(p.name, int32(p.number)))
	}
	slices.Sort(out)
	return problem.Words(slices.Compact(out))
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
		if c := name[i] | 0x20; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') || i == problem.MaxQuoted {
			return problem.Quote(name)
		}
	}
	return name
}

func (all *Services) readSlice(s *service, addresses *sliceAddresses, slice *discoveryv1.EndpointSlice) {
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
		*to = all.addAddresses(*to, slice, e.Addresses)
		s.refused = s.refused || len(*to)-n != len(e.Addresses)
		if to == &addresses.ready {
			addresses.hint((*to)[n:], e.Hints, all.zone)
		}
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

// hint notes whether addresses that are ready are meant for a zone.
func (a *sliceAddresses) hint(added []netip.Addr, hints *discoveryv1.EndpointHints, zone string) {
	if hints == nil || len(hints.ForZones) == 0 {
		a.unhinted = true
		return
	}
	if slices.Contains(hints.ForZones, discoveryv1.ForZone{Name: zone}) {
		a.near = append(a.near, added...)
	}
}

func (all *Services) addAddresses(to []netip.Addr, slice *discoveryv1.EndpointSlice, addresses []string) []netip.Addr {
	for _, s := range addresses {
		a, err := netip.ParseAddr(s)
		if err != nil || !all.mayForwardTo(a) {
			all.problems.Add(objectOf(slice), problem.EndpointRefused, "Nothing is forwarded to the address %s.", problem.Quote(s))
			continue
		}
		to = append(to, a.Unmap())
	}
	return to
}

func objectOf(slice *discoveryv1.EndpointSlice) hostmap.Object {
	if slice.Labels[discoveryv1.LabelManagedBy] == managedBy {
		return hostmap.Object{Kind: "Service", Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
	}
	return hostmap.Object{Kind: "EndpointSlice", Namespace: slice.Namespace, Name: slice.Name}
}

// mayForwardTo refuses addresses that would trust us more than whoever may write
// an EndpointSlice, which is anyone who may write Services: those of the node
// and of the cloud's metadata services. Behind loopback ones are our own ports
// and the node's; they need [Input].AllowLoopback.
func (all *Services) mayForwardTo(a netip.Addr) bool {
	return hostmap.Forwardable(a) && (all.allowLoopback || !a.Unmap().IsLoopback())
}

func isTrue(p *bool, otherwise bool) bool {
	if p == nil {
		return otherwise
	}
	return *p
}
