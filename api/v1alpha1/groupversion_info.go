package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// GroupName is the API group of ingress421's own kinds.
	GroupName = "ingress421.dev"

	// Version is the version of the kinds in this package.
	Version = "v1alpha1"

	// AuthorityPolicyKind is the kind that IngressClass.spec.parameters names.
	AuthorityPolicyKind = "AuthorityPolicy"

	// DefaultControllerName is the IngressClass.spec.controller that a
	// controller answers to when --controller-name says nothing else.
	DefaultControllerName = GroupName + "/controller"
)

// GroupVersion returns ingress421.dev/v1alpha1.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: GroupName, Version: Version}
}

// AddToScheme makes the kinds of this package known to scheme. It always
// returns nil; the error is there because every AddToScheme has one.
func AddToScheme(scheme *runtime.Scheme) error {
	builder := runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
		s.AddKnownTypes(GroupVersion(), &AuthorityPolicy{}, &AuthorityPolicyList{})
		metav1.AddToGroupVersion(s, GroupVersion())
		return nil
	})
	return builder.AddToScheme(scheme)
}
