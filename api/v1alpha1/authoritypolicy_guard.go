package v1alpha1

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
