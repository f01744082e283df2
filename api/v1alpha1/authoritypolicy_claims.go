package v1alpha1

// Namespace is the name of a namespace.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
type Namespace string

// HostPattern is a host (shop.example.com), or a wildcard for itself and for
// all hosts below (*.example.com, which is also a.b.example.com but not
// example.com). Lower case, without a trailing dot.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^(\*\.)?[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*$`
type HostPattern string

// HostClaim says which namespaces may claim some hosts.
type HostClaim struct {
	// namespaces that may claim the hosts.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Namespaces []Namespace `json:"namespaces"`

	// hosts that nobody else may claim.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="self.all(h, !h.matches('(^|[.])[0-9]+$'))",message="a host's last label must not be a number"
	Hosts []HostPattern `json:"hosts"`
}
