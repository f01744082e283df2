package compile

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// objects finds what Ingresses and classes refer to.
type objects struct {
	secrets  map[hostmap.SecretRef]*corev1.Secret
	services map[types.NamespacedName]*corev1.Service
	policies map[types.NamespacedName]*v1alpha1.AuthorityPolicy
	// slices are by their Service, which the label kubernetes.io/service-name
	// tells; the name of a slice means nothing.
	slices map[types.NamespacedName][]*discoveryv1.EndpointSlice
}

func newObjects(in *Input) objects {
	o := objects{
		secrets:  make(map[hostmap.SecretRef]*corev1.Secret, len(in.Secrets)),
		services: make(map[types.NamespacedName]*corev1.Service, len(in.Services)),
		policies: make(map[types.NamespacedName]*v1alpha1.AuthorityPolicy, len(in.Policies)),
		slices:   make(map[types.NamespacedName][]*discoveryv1.EndpointSlice, len(in.EndpointSlices)),
	}
	for _, s := range in.Secrets {
		o.secrets[hostmap.SecretRef{Namespace: s.Namespace, Name: s.Name}] = s
	}
	for _, s := range in.Services {
		o.services[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = s
	}
	for _, p := range in.Policies {
		o.policies[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	}
	for _, s := range in.EndpointSlices {
		if service := s.Labels[discoveryv1.LabelServiceName]; service != "" {
			key := types.NamespacedName{Namespace: s.Namespace, Name: service}
			o.slices[key] = append(o.slices[key], s)
		}
	}
	return o
}

// secret finds a Secret that certificates are to be read from; nil where there
// is none, with the reason.
func (b *builder) secret(ref hostmap.SecretRef) (secret *corev1.Secret, reason, message string) {
	secret = b.objects.secrets[ref]
	switch {
	case secret == nil:
		return nil, SecretNotFound, "Secret " + quote(ref.String()) + " does not exist; create it or correct the name."
	case !usableSecret(secret):
		return nil, CertificateInvalid, "Secret " + quote(ref.String()) + " is of type " + quote(string(secret.Type)) + ", not kubernetes.io/tls or Opaque."
	}
	return secret, "", ""
}

// usableSecret tells whether a Secret is of a type that certificates are read
// from. Those of other types (tokens, releases) are not ours to serve,
// whatever their keys are called.
func usableSecret(s *corev1.Secret) bool {
	switch s.Type {
	case corev1.SecretTypeTLS, corev1.SecretTypeOpaque, "":
		return true
	}
	return false
}

// secretValue returns what a Secret holds under a key. StringData stands in
// manifests that no API server has merged it for; there it takes precedence.
func secretValue(s *corev1.Secret, key string) []byte {
	if v, ok := s.StringData[key]; ok {
		return []byte(v)
	}
	return s.Data[key]
}

// lastGood finds what can be taken over from the previous map.
type lastGood struct {
	certificates map[hostmap.SecretRef]*hostmap.Certificate
	classes      map[string]*hostmap.Class
	backends     map[backendKey]*hostmap.Backend
	// unserved is the class that judged authorities no site served; nil where
	// there was no map.
	unserved *hostmap.Class
}

func newLastGood(previous *hostmap.Map) lastGood {
	g := lastGood{
		certificates: make(map[hostmap.SecretRef]*hostmap.Certificate, len(previous.Certificates())),
		classes:      make(map[string]*hostmap.Class),
		backends:     make(map[backendKey]*hostmap.Backend, len(previous.Backends())),
		unserved:     previous.Class(),
	}
	for _, c := range previous.Certificates() {
		g.certificates[c.Secret] = c
	}
	for _, c := range previous.Classes() {
		g.classes[c.Name] = c
	}
	for _, k := range previous.Backends() {
		g.backends[keyOf(k)] = k
	}
	return g
}
