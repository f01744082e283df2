// Package v1alpha1 is what people write for ingress421 in a cluster: the
// annotations on an Ingress and the AuthorityPolicy, the options of an
// IngressClass.
//
// An AuthorityPolicy takes effect when an IngressClass names it:
//
//	apiVersion: networking.k8s.io/v1
//	kind: IngressClass
//	metadata:
//	  name: ingress421
//	spec:
//	  controller: ingress421.dev/controller
//	  parameters:
//	    apiGroup: ingress421.dev
//	    kind: AuthorityPolicy
//	    name: strict
//	    scope: Namespace
//	    namespace: ingress421
//
// Every field is optional. The zero value of a field means the default that
// its comment names; the API server fills nothing in, so that the same YAML
// means the same in a cluster and in a folder read with --manifests.
//
// The kind's schema (config/crd) refuses values that are out of range. A
// folder has no API server in front of it, so whoever compiles these objects
// checks them again.
//
// The package imports apimachinery only and holds no behaviour.
//
// +kubebuilder:object:generate=true
// +groupName=ingress421.dev
package v1alpha1
