package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rule says how closely the connection that a request arrived on must fit the
// request's authority. The values are spelled as in the annotation
// ingress421.dev/misdirected, which has the value "report" beside these.
// +kubebuilder:validation:Enum=certificate;same-certificate;server-name;off
type Rule string

const (
	// RuleCertificate: the certificate served on the connection must cover
	// the authority. This is what RFC 9110 section 7.4 asks, and the default.
	RuleCertificate Rule = "certificate"
	// RuleSameCertificate: it must also be a certificate of the authority's
	// own site (or come from the same Secret, so that a renewal is no change).
	RuleSameCertificate Rule = "same-certificate"
	// RuleServerName: it must also have been opened for exactly that name.
	RuleServerName Rule = "server-name"
	// RuleOff: neither coverage nor the rule is asked. The TLS policy of a
	// site (client certificates) is still enforced, and shareCertificates is.
	// YAML needs the quotes.
	RuleOff Rule = "off"
)

// Enforcement says what happens to a request that coverage or the rule
// refuses.
// +kubebuilder:validation:Enum=Enforce;Report
type Enforcement string

const (
	// EnforcementEnforce answers 421. The default.
	EnforcementEnforce Enforcement = "Enforce"
	// EnforcementReport counts and logs, and serves the request. It never
	// applies to the TLS policy of a site nor to shareCertificates, which are
	// always enforced.
	EnforcementReport Enforcement = "Report"
)

// UnservedAuthority says what a request gets whose authority no Ingress
// serves.
// +kubebuilder:validation:Enum=NotFound;Misdirected
type UnservedAuthority string

const (
	// UnservedNotFound answers 404. The default: a retry on another
	// connection would find nothing either.
	UnservedNotFound UnservedAuthority = "NotFound"
	// UnservedMisdirected answers 421, for a server behind a balancer whose
	// other members may serve the authority.
	UnservedMisdirected UnservedAuthority = "Misdirected"
)

// ShareCertificates says whose certificates may vouch for a host.
// +kubebuilder:validation:Enum=Namespace;Cluster
type ShareCertificates string

const (
	// ShareCertificatesNamespace: those of the namespace that owns the host,
	// and default certificates. The default.
	ShareCertificatesNamespace ShareCertificates = "Namespace"
	// ShareCertificatesCluster: those of every namespace. Whoever may have a
	// host below a neighbour's wildcard is then served under it.
	ShareCertificatesCluster ShareCertificates = "Cluster"
)

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

// TLSVersion is a version of TLS as Contour, Envoy Gateway and curl spell it.
// It is a string: YAML needs the quotes.
// +kubebuilder:validation:Enum="1.2";"1.3"
type TLSVersion string

const (
	// TLS12 is TLS 1.2 (RFC 5246). The default minimum.
	TLS12 TLSVersion = "1.2"
	// TLS13 is TLS 1.3 (RFC 8446).
	TLS13 TLSVersion = "1.3"
)

// GuardProtocol is what a guard speaks to the ingress controller behind it.
// +kubebuilder:validation:Enum=http;h2c;https
type GuardProtocol string

const (
	// GuardHTTP is HTTP/1.1 in cleartext. The default.
	GuardHTTP GuardProtocol = "http"
	// GuardH2C is HTTP/2 in cleartext, with prior knowledge.
	GuardH2C GuardProtocol = "h2c"
	// GuardHTTPS is TLS, with the request's authority as the server name.
	GuardHTTPS GuardProtocol = "https"
)

// CIDR is a range of IP addresses, such as 10.0.0.0/8 or 2001:db8::/32.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="must be a CIDR such as 10.0.0.0/8 or 2001:db8::/32"
// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || cidr(self).prefixLength() > 0",message="must not be every address; to check nobody, set misdirected.rule to off"
type CIDR string

// Duration is a length of time as in Go, longer than zero: 500ms, 10s, 1m30s.
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s|ms)){1,4}$`
// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be longer than 0s"
type Duration string

// AuthorityPolicySpec holds the options of an IngressClass.
type AuthorityPolicySpec struct {
	// misdirected says which requests are misdirected and what they get.
	// +optional
	Misdirected MisdirectedSpec `json:"misdirected,omitzero"`

	// originFrame says when ORIGIN frames (RFC 8336) are sent. Default: Auto.
	// +optional
	OriginFrame OriginFrame `json:"originFrame,omitempty"`

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

// MisdirectedSpec says which requests are misdirected and what they get.
type MisdirectedSpec struct {
	// rule says how closely the connection must fit the authority. Default:
	// certificate. The annotation ingress421.dev/misdirected of an Ingress
	// takes precedence for its hosts. Quote "off", which is a boolean in YAML.
	// +optional
	Rule Rule `json:"rule,omitempty"`

	// enforcement says whether misdirected requests are answered 421
	// (Enforce, the default) or only counted and logged (Report).
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// unservedAuthority says what a request gets whose authority no Ingress
	// serves: NotFound (404, the default) or Misdirected (421).
	// +optional
	UnservedAuthority UnservedAuthority `json:"unservedAuthority,omitempty"`

	// closeOnMisdirected ends a connection after a 421 on it: HTTP/2 by a
	// two-phase GOAWAY, HTTP/1.1 by "Connection: close". Default: false.
	// +optional
	CloseOnMisdirected bool `json:"closeOnMisdirected,omitempty"`

	// shareCertificates says whose certificates may vouch for a host. Namespace
	// (the default): a default certificate, the host's own, and those of
	// Secrets in the namespace that owns the host; a request for it on a
	// connection that was served another namespace's certificate is answered
	// 421, although that covers the host. Cluster: those of every namespace,
	// for clusters whose namespaces trust each other. No annotation of an
	// Ingress, nor enforcement: Report, takes this away.
	// +optional
	ShareCertificates ShareCertificates `json:"shareCertificates,omitempty"`
}

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

// TLSSpec holds what a class asks of TLS.
type TLSSpec struct {
	// minVersion is the lowest version of TLS that is spoken: "1.2" (the
	// default) or "1.3". Quote it in YAML.
	// +optional
	MinVersion TLSVersion `json:"minVersion,omitempty"`

	// defaultCertificateRef names the Secret that is served when a client
	// sends no server name, or one that has no certificate of its own here.
	// Without it such a handshake is refused, unless --default-certificate
	// names one. A host whose own Secret is missing or broken never gets it.
	// +optional
	DefaultCertificateRef *SecretReference `json:"defaultCertificateRef,omitempty"`
}

// SecretReference names a Secret with tls.crt and tls.key.
type SecretReference struct {
	// namespace of the Secret: the policy's own, which is the default. Another
	// one is refused, so that who may write policies here cannot have others'
	// certificates served; --default-certificate may name any.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
}

// HTTPSpec holds the limits of client connections and of backends. The site
// that the handshake's server name found says whose class limits a connection,
// and the site of the request's authority says how long a backend may take
// (connectTimeout, readTimeout, sendTimeout). A field
// that is absent takes the value of the command-line flag of the same name in
// kebab case (maxStreams: --max-streams), whose default the comment names.
type HTTPSpec struct {
	// maxStreams is the number of requests that may be open at once on one
	// HTTP/2 connection. Default: 128.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	MaxStreams int32 `json:"maxStreams,omitempty"`

	// maxHeaderBytes is the size of a request's header list in bytes, counted
	// as in RFC 9113 section 6.5.2. Default: 65536.
	// +optional
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=16777216
	MaxHeaderBytes int32 `json:"maxHeaderBytes,omitempty"`

	// maxHeaderFields is the number of header fields of a request, each crumb
	// of a cookie counted. Default: 200.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=65536
	MaxHeaderFields int32 `json:"maxHeaderFields,omitempty"`

	// maxContinuations is the number of CONTINUATION frames in one header
	// block. Default: 16.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	MaxContinuations int32 `json:"maxContinuations,omitempty"`

	// resetBurst is the number of streams per connection that may be reset, by
	// either side, before the end of their response, or refused for their
	// header, at no matter what speed. Default: 200.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ResetBurst int32 `json:"resetBurst,omitempty"`

	// resetRate is the number of such resets per second after the burst.
	// Default: 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ResetRate int32 `json:"resetRate,omitempty"`

	// controlBurst is the number of unearned control frames per connection at
	// no matter what speed. Default: 500.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ControlBurst int32 `json:"controlBurst,omitempty"`

	// controlRate is the number of unearned control frames per second after
	// the burst. Default: 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ControlRate int32 `json:"controlRate,omitempty"`

	// handshakeTimeout bounds the TLS handshake. Default: 10s.
	// +optional
	HandshakeTimeout Duration `json:"handshakeTimeout,omitempty"`

	// prefaceTimeout bounds the wait for the HTTP/2 preface and the first
	// SETTINGS frame. Default: 10s.
	// +optional
	PrefaceTimeout Duration `json:"prefaceTimeout,omitempty"`

	// headerTimeout bounds the arrival of one request's header block.
	// Default: 10s.
	// +optional
	HeaderTimeout Duration `json:"headerTimeout,omitempty"`

	// idleTimeout closes a connection without open requests. Default: 75s.
	// +optional
	IdleTimeout Duration `json:"idleTimeout,omitempty"`

	// stallTimeout ends a request whose body or response makes no progress, or,
	// while it waits for the client, less than 64 octets a second taken over
	// that time (256 for all responses together that share a connection's
	// window). Default: 60s.
	// +optional
	StallTimeout Duration `json:"stallTimeout,omitempty"`

	// maxConnectionAge drains a connection of that age, with jitter. Default:
	// no limit.
	// +optional
	MaxConnectionAge Duration `json:"maxConnectionAge,omitempty"`

	// maxConnectionsPerSource is the number of open connections from one
	// source address. Default: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxConnectionsPerSource int32 `json:"maxConnectionsPerSource,omitempty"`

	// connectTimeout bounds the opening of a connection to an endpoint of a
	// backend. Default: 5s.
	// +optional
	ConnectTimeout Duration `json:"connectTimeout,omitempty"`

	// readTimeout bounds each wait for a backend: for the head of its response
	// once the request was sent, and between two octets of the response after
	// that. A stream of events or a long poll may be quiet for this long. An
	// upgraded connection (WebSocket) has no such limit. Default: 60s.
	// +optional
	ReadTimeout Duration `json:"readTimeout,omitempty"`

	// sendTimeout bounds each wait for a backend to take more of a request.
	// Default: 60s.
	// +optional
	SendTimeout Duration `json:"sendTimeout,omitempty"`
}

// GuardSpec names the ingress controller behind a guard.
type GuardSpec struct {
	// service is the controller's Service: "name" in the policy's namespace,
	// or "namespace/name".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=127
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z]([-a-z0-9]*[a-z0-9])?$`
	Service string `json:"service"`

	// port is the number of the Service's port.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// protocol is what that port speaks: http (HTTP/1.1, the default), h2c or
	// https.
	// +optional
	Protocol GuardProtocol `json:"protocol,omitempty"`
}

// Types and reasons of an AuthorityPolicy's conditions.
const (
	// ConditionAccepted is True when the policy can be used as it stands, and
	// False, with what is wrong in the message, when a part of it cannot.
	ConditionAccepted = "Accepted"
	// ConditionOverlapping is reserved for True when certificates of the class
	// cover hosts of each other's sites, so that clients may share connections.
	// It is not written.
	ConditionOverlapping = "Overlapping"

	// ReasonAccepted: nothing is wrong.
	ReasonAccepted = "Accepted"
	// ReasonInvalid: a value cannot be used; the message says which.
	ReasonInvalid = "Invalid"
	// ReasonOverlap, reserved: at least two hosts share coverage.
	ReasonOverlap = "Overlap"
	// ReasonNoOverlap, reserved: no two hosts share coverage.
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

	// reason is the reason word of the 421 when effect is Refused.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}

// AuthorityPolicyStatus is written by the leader, for policies that an
// IngressClass names; all others have none.
type AuthorityPolicyStatus struct {
	// conditions: Accepted says whether the policy can be used as it is
	// written. Overlapping is reserved, and not written.
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

	// overlaps is reserved for pairs of hosts that share coverage, and not
	// written.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Overlaps []Overlap `json:"overlaps,omitempty"`
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
// +kubebuilder:printcolumn:name="Certificates",type=integer,JSONPath=`.status.certificates`,priority=1
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
