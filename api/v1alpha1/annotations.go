package v1alpha1

// AnnotationPrefix is the prefix of every annotation that ingress421 reads on
// an Ingress. A name with this prefix that has no effect is a problem on that
// Ingress.
const AnnotationPrefix = GroupName + "/"

// Annotations of an Ingress. Booleans are written "true" or "false".
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

	// AnnotationHSTS is "true" (a year), "false" (the default), or the value of
	// Strict-Transport-Security in responses over TLS.
	AnnotationHSTS = AnnotationPrefix + "hsts"
	// AnnotationPermanentRedirect answers the paths of the Ingress with 301 to
	// a URL or an absolute path.
	AnnotationPermanentRedirect = AnnotationPrefix + "permanent-redirect"
	// AnnotationTemporalRedirect does so with 302.
	AnnotationTemporalRedirect = AnnotationPrefix + "temporal-redirect"

	// AnnotationConnectTimeout bounds the time in which a connection to a
	// backend must stand, as a duration of Go ("5s").
	AnnotationConnectTimeout = AnnotationPrefix + "connect-timeout"
	// AnnotationReadTimeout bounds the time in which a backend says nothing.
	AnnotationReadTimeout = AnnotationPrefix + "read-timeout"
	// AnnotationSendTimeout bounds the time in which a backend takes nothing.
	AnnotationSendTimeout = AnnotationPrefix + "send-timeout"
	// AnnotationMaxBodySize bounds the body of a request, in bytes or as a
	// quantity ("8Mi"); larger ones are answered 413.
	AnnotationMaxBodySize = AnnotationPrefix + "max-body-size"

	// AnnotationAllowSourceRange lists, separated by commas, the addresses and
	// CIDRs whose clients are served; all others are answered 403.
	AnnotationAllowSourceRange = AnnotationPrefix + "allow-source-range"
	// AnnotationDenySourceRange lists those whose clients are answered 403.
	AnnotationDenySourceRange = AnnotationPrefix + "deny-source-range"

	// AnnotationRewriteTarget is what the backends are asked for instead of the
	// path, or of the prefix that the path was found by.
	AnnotationRewriteTarget = AnnotationPrefix + "rewrite-target"
	// AnnotationUseRegex reads paths of type ImplementationSpecific as regular
	// expressions, which AnnotationRewriteTarget may name the groups of.
	AnnotationUseRegex = AnnotationPrefix + "use-regex"

	// AnnotationServerAlias lists, separated by commas, more hosts for the
	// rules of the Ingress.
	AnnotationServerAlias = AnnotationPrefix + "server-alias"
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
