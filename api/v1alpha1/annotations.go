package v1alpha1

// AnnotationPrefix is the prefix of every annotation that ingress421 reads on
// an Ingress. A name with this prefix that has no effect is a problem on that
// Ingress.
const AnnotationPrefix = GroupName + "/"

// Annotations of an Ingress. Durations are written as in Go (30s), sizes as
// bytes or Kubernetes quantities (8Mi), booleans as "true" or "false".
const (
	// AnnotationMisdirected sets the rule of the Ingress's hosts:
	// certificate, same-certificate, server-name, report or off.
	AnnotationMisdirected = AnnotationPrefix + "misdirected"

	// AnnotationClientAuthSecret names a Secret of the Ingress's namespace
	// whose ca.crt signs the client certificates that are asked for.
	AnnotationClientAuthSecret = AnnotationPrefix + "client-auth-secret"
	// AnnotationClientAuth is require (the default where
	// AnnotationClientAuthSecret is set) or optional. With optional a client
	// may send no certificate, but a bad one still fails the handshake.
	AnnotationClientAuth = AnnotationPrefix + "client-auth"
	// AnnotationClientAuthDepth is the number of CA certificates a client's
	// chain may have, from 1 (the default).
	AnnotationClientAuthDepth = AnnotationPrefix + "client-auth-depth"

	// AnnotationBackendProtocol is what the backends speak: HTTP (the
	// default), HTTPS, H2C, GRPC or GRPCS.
	AnnotationBackendProtocol = AnnotationPrefix + "backend-protocol"
	// AnnotationBackendCASecret names a Secret of the Ingress's namespace
	// whose ca.crt verifies the backends' certificates. Without it they are
	// not verified.
	AnnotationBackendCASecret = AnnotationPrefix + "backend-ca-secret"
	// AnnotationUpstreamHost replaces the Host that the backends get, and is
	// the server name sent to TLS backends.
	AnnotationUpstreamHost = AnnotationPrefix + "upstream-host"

	// AnnotationSSLRedirect says whether http is redirected to https (308) for
	// hosts with a certificate. Default: "true".
	AnnotationSSLRedirect = AnnotationPrefix + "ssl-redirect"
	// AnnotationForceSSLRedirect redirects even hosts without a certificate.
	// Default: "false".
	AnnotationForceSSLRedirect = AnnotationPrefix + "force-ssl-redirect"
	// AnnotationHSTS is "true" (max-age=31536000), "false" (the default) or
	// the value of the Strict-Transport-Security header.
	AnnotationHSTS = AnnotationPrefix + "hsts"

	// AnnotationConnectTimeout bounds connecting to a backend.
	AnnotationConnectTimeout = AnnotationPrefix + "connect-timeout"
	// AnnotationReadTimeout bounds the wait for a backend's next bytes.
	AnnotationReadTimeout = AnnotationPrefix + "read-timeout"
	// AnnotationSendTimeout bounds the wait for a backend to take bytes.
	AnnotationSendTimeout = AnnotationPrefix + "send-timeout"
	// AnnotationMaxBodySize is the size of the largest request body; larger
	// ones get 413.
	AnnotationMaxBodySize = AnnotationPrefix + "max-body-size"

	// AnnotationAllowSourceRange lists, separated by commas, the CIDRs that
	// may send requests; all others get 403.
	AnnotationAllowSourceRange = AnnotationPrefix + "allow-source-range"
	// AnnotationDenySourceRange lists the CIDRs that get 403.
	AnnotationDenySourceRange = AnnotationPrefix + "deny-source-range"

	// AnnotationServerAlias lists, separated by commas, more hosts for the
	// rules of the Ingress.
	AnnotationServerAlias = AnnotationPrefix + "server-alias"
	// AnnotationRewriteTarget replaces the matched part of the path.
	AnnotationRewriteTarget = AnnotationPrefix + "rewrite-target"
	// AnnotationPermanentRedirect answers 301 with this URL.
	AnnotationPermanentRedirect = AnnotationPrefix + "permanent-redirect"
	// AnnotationTemporalRedirect answers 302 with this URL.
	AnnotationTemporalRedirect = AnnotationPrefix + "temporal-redirect"
)

// RuleReport is the value of AnnotationMisdirected that has no counterpart
// among the class's rules: the class rule judges, what coverage and the rule
// would refuse is counted and logged, and the request is served.
const RuleReport = "report"

// Values of AnnotationClientAuth.
const (
	ClientAuthRequire  = "require"
	ClientAuthOptional = "optional"
)

// Values of AnnotationBackendProtocol.
const (
	BackendProtocolHTTP  = "HTTP"
	BackendProtocolHTTPS = "HTTPS"
	BackendProtocolH2C   = "H2C"
	BackendProtocolGRPC  = "GRPC"
	BackendProtocolGRPCS = "GRPCS"
)
