package manifests

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setDefaults fills in what an API server would have, as far as serving looks
// at it, and returns the fields that have no default and are missing.
func setDefaults(value metav1.Object) (missing []string) {
	if _, ofCluster := value.(*networkingv1.IngressClass); ofCluster {
		value.SetNamespace("")
	} else if value.GetNamespace() == "" {
		value.SetNamespace(metav1.NamespaceDefault)
	}
	switch o := value.(type) {
	case *networkingv1.Ingress:
		return missingPathTypes(o)
	case *networkingv1.IngressClass:
		if p := o.Spec.Parameters; p != nil && p.Scope == nil {
			scope := networkingv1.IngressClassParametersReferenceScopeCluster
			p.Scope = &scope
		}
	case *corev1.Secret:
		if o.Type == "" {
			o.Type = corev1.SecretTypeOpaque
		}
		if len(o.StringData) != 0 && o.Data == nil {
			o.Data = make(map[string][]byte, len(o.StringData))
		}
		for k, v := range o.StringData {
			o.Data[k] = []byte(v)
		}
		o.StringData = nil
	case *corev1.Service:
		if o.Spec.Type == "" {
			o.Spec.Type = corev1.ServiceTypeClusterIP
		}
		for i := range o.Spec.Ports {
			if o.Spec.Ports[i].Protocol == "" {
				o.Spec.Ports[i].Protocol = corev1.ProtocolTCP
			}
		}
	case *discoveryv1.EndpointSlice:
		for i := range o.Ports {
			if o.Ports[i].Name == nil {
				o.Ports[i].Name = new(string)
			}
			if o.Ports[i].Protocol == nil {
				protocol := corev1.ProtocolTCP
				o.Ports[i].Protocol = &protocol
			}
		}
	}
	return nil
}

// missingPathTypes makes a path without its type one of type Prefix. To leave
// it out would be worse: its Ingress may ask for client certificates, and
// another one may serve the host without.
func missingPathTypes(ing *networkingv1.Ingress) (missing []string) {
	for i, rule := range ing.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for j := range rule.HTTP.Paths {
			if path := &rule.HTTP.Paths[j]; path.PathType == nil {
				prefix := networkingv1.PathTypePrefix
				path.PathType = &prefix
				missing = append(missing, fmt.Sprintf("spec.rules[%d].http.paths[%d].pathType", i, j))
			}
		}
	}
	return missing
}
