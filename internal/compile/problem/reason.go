package problem

// The reasons of problems. The set is bounded: they are metric labels and
// reasons of events.
const (
	// SecretNotFound: a Secret that is named does not exist.
	SecretNotFound = "SecretNotFound"
	// CertificateInvalid: a Secret holds no key pair, or no CA certificates,
	// that can be used.
	CertificateInvalid = "CertificateInvalid"
	// CertificateExpired: a certificate is served after its validity has ended.
	CertificateExpired = "CertificateExpired"
	// CertificateNotYetValid: a certificate is served before its validity begins.
	CertificateNotYetValid = "CertificateNotYetValid"
	// CertificateChainBroken: a certificate of a chain did not sign the one
	// before it; the chain is served as it is.
	CertificateChainBroken = "CertificateChainBroken"
	// CertificateDoesNotCoverHost: the leaf names no host equal to the site's.
	CertificateDoesNotCoverHost = "CertificateDoesNotCoverHost"
	// CertificateConflict: an older Ingress names other Secrets for the host.
	CertificateConflict = "CertificateConflict"
	// ServiceNotFound: a backend's Service does not exist.
	ServiceNotFound = "ServiceNotFound"
	// PortNotFound: a backend's Service has no such TCP port.
	PortNotFound = "PortNotFound"
	// BackendUnsupported: a backend is a resource, or a Service of type
	// ExternalName.
	BackendUnsupported = "BackendUnsupported"
	// NoEndpoints: a Service has no endpoints, or none that is ready.
	NoEndpoints = "NoEndpoints"
	// EndpointPortNotFound: no EndpointSlice has a port with the name that the
	// Service's has.
	EndpointPortNotFound = "EndpointPortNotFound"
	// TooManyEndpoints: a Service has more endpoints than are served.
	TooManyEndpoints = "TooManyEndpoints"
	// EndpointRefused: an address that nothing is ever forwarded to.
	EndpointRefused = "EndpointRefused"
	// RouteConflict: an older rule has the same host and path.
	RouteConflict = "RouteConflict"
	// HostConflict: the host belongs to another namespace.
	HostConflict = "HostConflict"
	// NothingServed: no host of the Ingress is its own.
	NothingServed = "NothingServed"
	// ClassNotFound: an Ingress names a class that is not there, and means one of
	// ours by all likelihood.
	ClassNotFound = "ClassNotFound"
	// ClassConflict: the host belongs to another class.
	ClassConflict = "ClassConflict"
	// TooManyHosts: an Ingress names more hosts than one may have.
	TooManyHosts = "TooManyHosts"
	// HostInvalid: a host that no client can ask for.
	HostInvalid = "HostInvalid"
	// PathInvalid: a path that no request can have.
	PathInvalid = "PathInvalid"
	// PathIsLiteral: a path looks like a pattern and is taken as it stands.
	PathIsLiteral = "PathIsLiteral"
	// AnnotationInvalid: an annotation's value is none of those it may have, or
	// can have no effect behind a guard.
	AnnotationInvalid = "AnnotationInvalid"
	// AnnotationUnknown: an annotation of our prefix that has no effect.
	AnnotationUnknown = "AnnotationUnknown"
	// AnnotationForeign: an annotation of ingress-nginx's is not read, or has no
	// effect.
	AnnotationForeign = "AnnotationForeign"
	// AnnotationConflict: an older Ingress of the host says otherwise.
	AnnotationConflict = "AnnotationConflict"
	// ClientAuthUnresolved: client certificates are asked for in a way that
	// cannot be resolved, and the hosts are refused.
	ClientAuthUnresolved = "ClientAuthUnresolved"
	// ClientAuthConflict: Ingresses ask for client certificates of one host in
	// different ways, and the host is refused.
	ClientAuthConflict = "ClientAuthConflict"
	// PassthroughGuarded: TLS that is to be passed through ends at the guard.
	PassthroughGuarded = "PassthroughGuarded"
	// UsersInvalid: a Secret holds no users, or some that cannot log in.
	UsersInvalid = "UsersInvalid"
	// PolicyNotFound: the AuthorityPolicy of a class does not exist.
	PolicyNotFound = "PolicyNotFound"
	// PolicyInvalid: the parameters of a class, or a field of its
	// AuthorityPolicy, cannot be used.
	PolicyInvalid = "PolicyInvalid"
)
