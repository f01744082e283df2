package v1alpha1

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
