package v1alpha1

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
