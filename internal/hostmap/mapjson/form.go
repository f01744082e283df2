package mapjson

import (
	"net/netip"
	"time"
)

// Map is a host map.
type Map struct {
	// UnservedClass names the class that judges authorities no site serves.
	UnservedClass       string           `json:"unservedClass"`
	Classes             []Class          `json:"classes"`
	DefaultCertificates []CertificateRef `json:"defaultCertificates"`
	Certificates        []Certificate    `json:"certificates"`
	Sites               []Site           `json:"sites"`
}

// Class is what the sites of one IngressClass have in common.
type Class struct {
	Name                string         `json:"name"`
	Rule                string         `json:"rule"`
	Report              bool           `json:"report"`
	UnservedMisdirected bool           `json:"unservedMisdirected"`
	CloseOnMisdirected  bool           `json:"closeOnMisdirected"`
	ShareCertificates   bool           `json:"shareCertificates"`
	DefaultCertificate  string         `json:"defaultCertificate"` // namespace/name, "" for none
	OriginFrame         string         `json:"originFrame"`
	TrustedGateways     []netip.Prefix `json:"trustedGateways"`
	MinVersion          uint16         `json:"minVersion"` // as on the wire: 771 is TLS 1.2
	Unresolved          bool           `json:"unresolved,omitempty"`
	Claims              []Claim        `json:"claims,omitempty"`
	Guarded             *Guarded       `json:"guarded,omitempty"`
	NginxAnnotations    string         `json:"nginxAnnotations,omitempty"`
}

// Claim says which namespaces may claim a host.
type Claim struct {
	Host       string   `json:"host"`
	Namespaces []string `json:"namespaces"`
}

// Guarded is the ingress controller behind a class.
type Guarded struct {
	Service  string `json:"service"` // namespace/name
	Port     string `json:"port"`
	Protocol string `json:"protocol"`
}

// CertificateRef names a certificate: its Secret, and the SHA-256 of its leaf.
type CertificateRef struct {
	Secret      string `json:"secret"` // namespace/name
	Fingerprint string `json:"fingerprint"`
}

// Certificate is a certificate without its key.
type Certificate struct {
	CertificateRef
	Key       string    `json:"key"` // ECDSA or RSA
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Names     []string  `json:"names"`
	Leaf      []byte    `json:"leaf"` // DER
}

// Site is one host.
type Site struct {
	Host         string           `json:"host"`      // "" is the default site
	Namespace    string           `json:"namespace"` // that owns the host
	Class        string           `json:"class"`
	Rule         string           `json:"rule"`
	Report       bool             `json:"report"`
	Redirect     bool             `json:"redirect"` // of cleartext requests to https
	HSTS         string           `json:"hsts,omitempty"`
	Terms        *Terms           `json:"terms,omitempty"` // that routes may have too
	ClientAuth   *ClientAuth      `json:"clientAuth,omitempty"`
	Certificates []CertificateRef `json:"certificates"`
	Routes       []Route          `json:"routes"`
}

// ClientAuth is what a site asks of client certificates.
type ClientAuth struct {
	Mode       string `json:"mode"`
	Depth      int    `json:"depth"`
	Policy     string `json:"policy"` // the policy's id
	Unresolved bool   `json:"unresolved"`
}

// Route is a path rule of a site.
type Route struct {
	Type    string  `json:"type"` // Exact, Prefix, Regex or Default
	Path    string  `json:"path"`
	First   bool    `json:"first,omitempty"` // tried before those that are not
	Kind    string  `json:"kind,omitempty"`  // of the object it stands in, where that is no Ingress
	Ingress string  `json:"ingress"`         // namespace/name of that object
	Terms   *Terms  `json:"terms,omitempty"`
	Backend Backend `json:"backend"`
	Canary  *Canary `json:"canary,omitempty"`
}

// Canary takes some of a route's requests.
type Canary struct {
	Header  string  `json:"header,omitempty"`
	Value   string  `json:"value,omitempty"`
	Pattern string  `json:"pattern,omitempty"`
	Cookie  string  `json:"cookie,omitempty"`
	Weight  uint32  `json:"weight,omitempty"`
	Total   uint32  `json:"total,omitempty"`
	Kind    string  `json:"kind,omitempty"` // as of a Route
	Ingress string  `json:"ingress"`
	Backend Backend `json:"backend"`
}

// Terms are what is asked of a route's requests and done to them.
type Terms struct {
	RedirectStatus int            `json:"redirectStatus,omitempty"`
	RedirectTarget string         `json:"redirectTarget,omitempty"`
	Allow          []netip.Prefix `json:"allow,omitempty"`
	Deny           []netip.Prefix `json:"deny,omitempty"`
	MaxBodySize    int64          `json:"maxBodySize,omitempty"` // octets
	RewriteTarget  string         `json:"rewriteTarget,omitempty"`
	ConnectTimeout string         `json:"connectTimeout,omitempty"` // as in Go: 30s
	ReadTimeout    string         `json:"readTimeout,omitempty"`
	SendTimeout    string         `json:"sendTimeout,omitempty"`
	CORS           *CORS          `json:"cors,omitempty"`
	Quota          *Quota         `json:"quota,omitempty"`
	BasicAuth      *BasicAuth     `json:"basicAuth,omitempty"`
	Auth           *Auth          `json:"auth,omitempty"`
	SatisfyAny     bool           `json:"satisfyAny,omitempty"`
	Affinity       *Affinity      `json:"affinity,omitempty"`
	HashBy         *HashBy        `json:"hashBy,omitempty"`
	Answers        []Answer       `json:"answers,omitempty"`
	RequestFields  []FieldEdit    `json:"requestFields,omitempty"`
	ResponseFields []FieldEdit    `json:"responseFields,omitempty"`
}

// Answer is a response in place of the backend's, on a condition.
type Answer struct {
	When   *Condition  `json:"when,omitempty"`
	Status int         `json:"status"`
	Text   string      `json:"text,omitempty"` // Location, or content
	Type   string      `json:"type,omitempty"`
	Fields []FieldEdit `json:"fields,omitempty"`
}

// Condition compares a variable with texts.
type Condition struct {
	Of       string   `json:"of"`
	Texts    []string `json:"texts"`
	Start    bool     `json:"start,omitempty"`
	End      bool     `json:"end,omitempty"`
	Fold     bool     `json:"fold,omitempty"`
	Not      bool     `json:"not,omitempty"`
	Location bool     `json:"location,omitempty"`
}

// FieldEdit is one thing that is done to the header of a message.
type FieldEdit struct {
	Op           string `json:"op"` // set, add or remove
	Name         string `json:"name"`
	Value        string `json:"value,omitempty"`
	Unsuccessful bool   `json:"unsuccessful,omitempty"` // added whatever the status
}

// excepted are the clients without a quota.
func (t *Terms) excepted() []netip.Prefix {
	if t.Quota == nil {
		return nil
	}
	return t.Quota.Except
}

// CORS is what scripts of other origins may do.
type CORS struct {
	Origins     string `json:"origins"` // separated by commas
	Methods     string `json:"methods,omitempty"`
	Headers     string `json:"headers,omitempty"`
	Expose      string `json:"expose,omitempty"`
	Credentials bool   `json:"credentials,omitempty"`
	MaxAge      string `json:"maxAge,omitempty"` // seconds
}

// Quota is how much one client may have.
type Quota struct {
	PerSecond  int32          `json:"perSecond,omitempty"`
	PerMinute  int32          `json:"perMinute,omitempty"`
	Burst      int32          `json:"burst,omitempty"` // times that
	Concurrent int32          `json:"concurrent,omitempty"`
	Except     []netip.Prefix `json:"except,omitempty"`
}

// BasicAuth tells that clients are asked for a name and a password. Whose is
// never told.
type BasicAuth struct {
	Realm string `json:"realm"`
}

// Auth is a service that is asked who is let in.
type Auth struct {
	Host            string `json:"host"`
	Path            string `json:"path"`
	Method          string `json:"method"`
	Redirect        string `json:"redirect,omitempty"`
	SignIn          string `json:"signIn,omitempty"`
	Fields          string `json:"fields,omitempty"` // separated by commas
	AlwaysSetCookie bool   `json:"alwaysSetCookie,omitempty"`
	CacheKey        string `json:"cacheKey,omitempty"`
	Cache           string `json:"cache,omitempty"` // lines of a status and a duration
}

// Affinity is how the requests of one client go to one endpoint.
type Affinity struct {
	Cookie          string        `json:"cookie"`
	Path            string        `json:"path,omitempty"`
	Domain          string        `json:"domain,omitempty"`
	MaxAge          string        `json:"maxAge,omitempty"`  // seconds
	Expires         time.Duration `json:"expires,omitempty"` // nanoseconds
	SameSite        string        `json:"sameSite,omitempty"`
	Conditional     bool          `json:"conditional,omitempty"`
	Secure          string        `json:"secure,omitempty"` // true, false, or absent: as the request
	Persistent      bool          `json:"persistent,omitempty"`
	ChangeOnFailure bool          `json:"changeOnFailure,omitempty"`
	CanaryAside     bool          `json:"canaryAside,omitempty"`
}

// HashBy is what requests for one endpoint are alike in.
type HashBy struct {
	Key   string `json:"key"`
	Among int    `json:"among,omitempty"` // how many endpoints
}

// Backend is a Service port.
type Backend struct {
	Service    string           `json:"service"` // namespace/name
	Port       string           `json:"port"`
	Protocol   string           `json:"protocol"`
	ServerName string           `json:"serverName,omitempty"`
	CA         string           `json:"ca,omitempty"`
	Missing    string           `json:"missing,omitempty"`
	Endpoints  []netip.AddrPort `json:"endpoints"`
	Near       int              `json:"near,omitempty"` // how many of them, the first, are for this node's zone
}
