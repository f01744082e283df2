package compile

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/guarded"
	"github.com/ingress421/ingress421/internal/compile/ingress"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// ExternalEndpoints is an EndpointSlice with what was found under the name that
// a Service of type ExternalName stands for.
func ExternalEndpoints(s *corev1.Service, addresses []netip.Addr) *discoveryv1.EndpointSlice {
	return object.ExternalEndpoints(s, addresses)
}

// Nginx says what becomes of the annotations of ingress-nginx.
type Nginx = ingress.Nginx

// KeepsSecret tells whether Build ever reads what a Secret has under a key. Users
// are among that: any class may say that ingress-nginx's annotations are read,
// which name them.
func KeepsSecret(key string, value []byte) bool { return object.KeepsSecret(key, value) }

// GuardHosts are hosts that a guarded controller serves, by the word of whoever
// runs the guard.
type GuardHosts = guarded.Hosts

// GuardHostsEntry is an entry of [GuardHosts].
type GuardHostsEntry = guarded.Entry

// ParseNginx reads "off", "strict" or "lenient".
func ParseNginx(word string) (Nginx, bool) { return ingress.ParseNginx(word) }

// ParseGuardProtocol reads what [Options].Guard speaks: "http", "h2c" or
// "https".
func ParseGuardProtocol(word string) (hostmap.Protocol, bool) {
	return class.ParseGuardProtocol(word)
}

// Options are what the command line says of how objects are read, whatever they
// are read from.
type Options struct {
	// Controller is the IngressClass.spec.controller that is ours.
	Controller string
	// ClassNames are IngressClasses that are ours whatever their
	// spec.controller, as are those that only Ingresses name.
	ClassNames []string
	// Classless lets Ingresses that name no class be ours, whatever the default
	// class is.
	Classless bool
	// DefaultCertificate names the Secret for handshakes that no site has a
	// certificate for, where the class names none. Zero: there is none.
	DefaultCertificate types.NamespacedName
	// AllowSharedHosts merges the rules that several namespaces have for one
	// host. Everything else about the host is still said by the namespace that
	// owns it.
	AllowSharedHosts bool
	// ExternalNames serves Services of type ExternalName, with the addresses
	// that [ExternalEndpoints] gives them.
	ExternalNames bool
	// Guarded are the names of IngressClasses that another controller serves
	// behind us, by the Service that Guard is. Nothing is written about their
	// Ingresses.
	Guarded []string
	Guard   hostmap.Guarded
	// Nginx says what becomes of ingress-nginx's annotations where the class
	// does not.
	Nginx Nginx
	// Zone is the zone of this node (the label topology.kubernetes.io/zone), by
	// which hints in EndpointSlices are heard; "" hears none.
	Zone string
}

// Input is the whole state that a host map is built from. The objects of each
// kind may come in any order, each namespace and name once. Build does not
// change them and keeps no pointer to them.
type Input struct {
	// Now is the time at which the validity of certificates is judged.
	Now time.Time
	Options

	// Classes are all IngressClasses, those of other controllers too: the
	// default class may be one of theirs.
	Classes        []*networkingv1.IngressClass
	Ingresses      []*networkingv1.Ingress
	Secrets        []*corev1.Secret
	Services       []*corev1.Service
	EndpointSlices []*discoveryv1.EndpointSlice
	Policies       []*v1alpha1.AuthorityPolicy
	// Gateways are those of all classes; of the guarded ones are read which hosts
	// they have. GuardHosts names others; nil: none.
	Gateways   []*gatewayv1.Gateway
	GuardHosts *GuardHosts

	// Owners are the namespaces that own hosts which several claim, by host, as
	// was recorded of an earlier map ([Contested]). Who is named here and claims
	// the host owns it, so that replicas agree and a restart changes nothing.
	Owners map[string]string
	// TerminatingNamespaces are those that are being deleted.
	TerminatingNamespaces map[string]bool

	// AnyClass serves every Ingress where no IngressClass exists at all. It is
	// meant for a folder of manifests, where nobody else would serve them.
	AnyClass bool
	// AllowLoopback lets endpoints be loopback addresses. It is meant for
	// sources that nobody else writes to; in a cluster whoever may write an
	// EndpointSlice would reach our own ports.
	AllowLoopback bool
	// Self is this process, to which nothing is forwarded.
	Self hostmap.Self
}
