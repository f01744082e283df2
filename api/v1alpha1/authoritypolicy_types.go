package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OriginFrame says when ORIGIN frames (RFC 8336) are sent on HTTP/2
// connections.
// +kubebuilder:validation:Enum=Auto;Always;Never
type OriginFrame string

const (
	// OriginFrameAuto sends one when the certificate of the connection covers
	// a host that would be answered 421 on it. The default.
	OriginFrameAuto OriginFrame = "Auto"
	// OriginFrameAlways sends one on every HTTP/2 connection over TLS.
	OriginFrameAlways OriginFrame = "Always"
	// OriginFrameNever sends none.
	OriginFrameNever OriginFrame = "Never"
)

// NginxAnnotations says what becomes of annotations of ingress-nginx.
// +kubebuilder:validation:Enum=Off;Strict;Lenient
type NginxAnnotations string

const (
	// NginxAnnotationsOff does not read them.
	NginxAnnotationsOff NginxAnnotations = "Off"
	// NginxAnnotationsStrict reads them. Where one protects and cannot be
	// honoured the paths of its Ingress are closed.
	NginxAnnotationsStrict NginxAnnotations = "Strict"
	// NginxAnnotationsLenient reads them, and closes nothing.
	NginxAnnotationsLenient NginxAnnotations = "Lenient"
)

// CIDR is a range of IP addresses, such as 10.0.0.0/8 or 2001:db8::/32.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="must be a CIDR such as 10.0.0.0/8 or 2001:db8::/32"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).prefixLength() > 0",message="must not be every address; to check nobody, set misdirected.rule to off"
type CIDR string

// AuthorityPolicySpec holds the options of an IngressClass.
type AuthorityPolicySpec struct {
	// misdirected says which requests are misdirected and what they get.
	// +optional
	Misdirected MisdirectedSpec `json:"misdirected,omitzero"`

	// originFrame says when ORIGIN frames (RFC 8336) are sent. Default: Auto.
	// +optional
	OriginFrame OriginFrame `json:"originFrame,omitempty"`

	// nginxAnnotations says what becomes of annotations of ingress-nginx on
	// Ingresses of the class. Default: what --nginx-annotations says.
	// +optional
	NginxAnnotations NginxAnnotations `json:"nginxAnnotations,omitempty"`

	// trustedGateways are the addresses of peers that terminate TLS
	// themselves and reuse their connections to us for requests of many
	// authorities: a CDN, another proxy. Coverage and the rule are not asked
	// of them. It is the immediate peer that counts, not the source a PROXY
	// protocol header names; a TCP balancer does not belong here.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	TrustedGateways []CIDR `json:"trustedGateways,omitempty"`

	// claims say which namespaces may claim which hosts, and then nobody else
	// may. They hold for the Ingresses of all classes, not of this one only. Of
	// several claims that speak of a host those with the narrowest pattern hold,
	// together.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Claims []HostClaim `json:"claims,omitempty"`

	// tls holds what the class asks of TLS.
	// +optional
	TLS TLSSpec `json:"tls,omitzero"`

	// http holds the limits of client connections and of backends.
	// +optional
	HTTP HTTPSpec `json:"http,omitzero"`

	// guard makes the class a guarded one: requests that pass are forwarded
	// to the named Service, an ingress controller, instead of the backends
	// their Ingress names. One that cannot be read refuses the hosts of the
	// class.
	// +optional
	Guard *GuardSpec `json:"guard,omitempty"`
}

// AuthorityPolicy holds the options of the IngressClasses that name it in
// spec.parameters: which requests are misdirected, what they get, and the
// limits of client connections.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=authoritypolicies,singular=authoritypolicy,categories=ingress421
// +kubebuilder:printcolumn:name="Rule",type=string,JSONPath=`.spec.misdirected.rule`
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.misdirected.enforcement`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Hosts",type=integer,JSONPath=`.status.hosts`
// +kubebuilder:printcolumn:name="Certificates",type=integer,JSONPath=`.status.certificates`
// +kubebuilder:printcolumn:name="Overlapping",type=string,JSONPath=`.status.conditions[?(@.type=="Overlapping")].status`
// +kubebuilder:printcolumn:name="Problem",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].message`,priority=1
// +kubebuilder:printcolumn:name="Overlaps",type=string,JSONPath=`.status.conditions[?(@.type=="Overlapping")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AuthorityPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the class asks.
	// +optional
	Spec AuthorityPolicySpec `json:"spec,omitzero"`

	// status is what became of it.
	// +optional
	Status AuthorityPolicyStatus `json:"status,omitzero"`
}

// AuthorityPolicyList is a list of AuthorityPolicies.
// +kubebuilder:object:root=true
type AuthorityPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AuthorityPolicy `json:"items"`
}
