package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Types and reasons of an AuthorityPolicy's conditions.
const (
	// ConditionAccepted is True when the policy can be used as it stands, and
	// False, with what is wrong in the message, when a part of it cannot.
	ConditionAccepted = "Accepted"
	// ConditionOverlapping is True when certificates cover hosts of the class
	// beside others, so that clients may send requests for them over connections
	// that were made for the others. It is not there until that is known.
	ConditionOverlapping = "Overlapping"

	// ReasonAccepted: nothing is wrong.
	ReasonAccepted = "Accepted"
	// ReasonInvalid: a value cannot be used; the message says which.
	ReasonInvalid = "Invalid"
	// ReasonOverlap: at least two hosts share coverage.
	ReasonOverlap = "Overlap"
	// ReasonNoOverlap: no two hosts share coverage.
	ReasonNoOverlap = "NoOverlap"
)

// OverlapEffect is what happens to a request that arrives on a connection
// opened for another host.
// +kubebuilder:validation:Enum=Served;Refused
type OverlapEffect string

const (
	// OverlapServed: the request is served on that connection.
	OverlapServed OverlapEffect = "Served"
	// OverlapRefused: the request is answered 421.
	OverlapRefused OverlapEffect = "Refused"
)

// MaxStatusOverlaps is the number of overlaps that a status has room for.
const MaxStatusOverlaps = 50

// Overlap says that a connection opened for one host can carry requests for
// another.
type Overlap struct {
	// host is the name that the connection is opened for.
	// +required
	// +kubebuilder:validation:MaxLength=255
	Host string `json:"host"`

	// secret is the "namespace/name" of the certificate that host is served.
	// +required
	// +kubebuilder:validation:MaxLength=317
	Secret string `json:"secret"`

	// covers is another served host that this certificate covers.
	// +required
	// +kubebuilder:validation:MaxLength=255
	Covers string `json:"covers"`

	// effect is what a request for covers gets on that connection.
	// +required
	Effect OverlapEffect `json:"effect"`

	// reason is the reason word of the 421 when effect is Refused, and of the
	// one that would be when only the rule "report" or "off" lets it pass.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}

// AuthorityPolicyStatus is written by the leader, for policies that an
// IngressClass names; all others have none.
type AuthorityPolicyStatus struct {
	// conditions: Accepted says whether the policy can be used as it is
	// written, Overlapping whether its hosts share certificates with others.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// hosts is the number of hosts that the classes with this policy serve.
	// +optional
	Hosts int32 `json:"hosts"`

	// certificates is the number of certificates that they serve.
	// +optional
	Certificates int32 `json:"certificates"`

	// overlaps are some pairs of hosts that share a certificate, those that are
	// refused first: each host once for each certificate and effect.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Overlaps []Overlap `json:"overlaps,omitempty"`
}
