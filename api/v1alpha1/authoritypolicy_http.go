package v1alpha1

// Duration is a length of time as in Go, longer than zero: 500ms, 10s, 1m30s.
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(h|m|s|ms)){1,4}$`
// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be longer than 0s"
type Duration string

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
