package ingress

import (
	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxAnnotations are the names that ingress-nginx has and that no other file
// has, in groups of what they are about.
var nginxAnnotations = []nginxAnnotation{
	{name: "ssl-redirect", fate: near, as: v1alpha1.AnnotationSSLRedirect, value: nginxBoolean, remark: "Of the host: the oldest Ingress that says it is heard."},
	{name: "force-ssl-redirect", fate: near, as: v1alpha1.AnnotationForceSSLRedirect, value: nginxBoolean, remark: "Of the host: the oldest Ingress that says it is heard."},
	{name: "server-alias", fate: same, as: v1alpha1.AnnotationServerAlias},
	{
		name:     "auth-tls-secret",
		fate:     near,
		as:       v1alpha1.AnnotationClientAuthSecret,
		protects: true,
		remark:   "The Secret must be of the Ingress's namespace. Nobody comes in while it is missing.",
		note: func(n *notes, value string) error {
			n.clientAuth.asked, n.clientAuth.foreign, n.clientAuth.secret = true, true, value
			return nil
		},
	},
	{
		name:     "auth-tls-verify-client",
		fate:     near,
		idle:     []string{"off"},
		as:       v1alpha1.AnnotationClientAuthSecret,
		protects: true,
		remark:   "on, optional and off; optional_no_ca is refused. With optional a bad certificate fails the handshake.",
		note: func(n *notes, value string) (err error) {
			if n.clientAuth.off = value == "off"; !n.clientAuth.off {
				n.clientAuth.asked, n.clientAuth.foreign = true, true
				if value, err = nginxVerifyClient(value); err == nil {
					n.clientAuth.mode = &value
				}
			}
			return err
		},
	},
	{
		name:     "auth-tls-verify-depth",
		fate:     near,
		as:       v1alpha1.AnnotationClientAuthSecret,
		protects: true,
		remark:   "From 1 to 255.",
		note:     func(n *notes, value string) error { n.clientAuth.depth = &value; return nil },
	},
	{name: "auth-tls-pass-certificate-to-upstream", fate: near, remark: "Client-Cert (RFC 9440) carries it, always.", note: func(*notes, string) error { return nil }},
	{name: "auth-tls-error-page", fate: refused, idle: []string{""}, remark: "Who has no certificate is refused in the handshake."},
	{name: "auth-tls-match-cn", fate: refused, protects: true, idle: []string{""}, remark: "Names in certificates are not compared."},
	{name: "ssl-passthrough", fate: refused, protects: true, idle: []string{"false"}, remark: "TLS ends here: the authority of a request that cannot be read cannot be judged."},
	{name: "ssl-ciphers", fate: unneeded, remark: "Go chooses them."},
	{name: "ssl-prefer-server-ciphers", fate: unneeded, remark: "Go chooses them."},
	{name: "http2-push-preload", fate: unneeded, remark: "Browsers have given push up."},
	{name: "whitelist-source-range", fate: same, as: v1alpha1.AnnotationAllowSourceRange, protects: true, idle: []string{"0.0.0.0/0", "0.0.0.0/0,::/0", "::/0,0.0.0.0/0"}},
	{name: "allowlist-source-range", fate: same, as: v1alpha1.AnnotationAllowSourceRange, protects: true, idle: []string{"0.0.0.0/0", "0.0.0.0/0,::/0", "::/0,0.0.0.0/0"}},
	{name: "denylist-source-range", fate: same, as: v1alpha1.AnnotationDenySourceRange, protects: true, idle: []string{""}},
	{name: "limit-rate", fate: refused, idle: []string{"0", ""}, remark: "How fast responses are sent is not limited."},
	{name: "limit-rate-after", fate: refused, idle: []string{"0", ""}, remark: "How fast responses are sent is not limited."},
	{name: "enable-modsecurity", fate: refused, protects: true, idle: []string{"false"}, remark: "There is no web application firewall."},
	{name: "enable-owasp-core-rules", fate: refused, protects: true, idle: []string{"false"}, remark: "There is no web application firewall."},
	{name: "modsecurity-snippet", fate: refused, protects: true, idle: []string{""}, remark: "There is no web application firewall."},
	{name: "modsecurity-transaction-id", fate: refused, remark: "There is no web application firewall."},
	{name: "rewrite-target", fate: near, as: v1alpha1.AnnotationRewriteTarget, remark: "The paths of its hosts are regular expressions, in RE2's syntax, not case-sensitive. A target with a query or a URL is refused."},
	{name: "use-regex", fate: near, idle: []string{"false"}, remark: "The paths of its hosts are regular expressions, in RE2's syntax, not case-sensitive; those of other Ingresses of the namespace too.", note: func(*notes, string) error { return nil }},
	{
		name:   "app-root",
		fate:   near,
		remark: "Of the paths of its own Ingress.",
		note: func(n *notes, value string) error {
			var t hostmap.Terms
			if err := redirect(&t, temporalRedirect, value); err != nil {
				return err
			}
			n.appRoot = value
			return nil
		},
	},
	{
		name: "permanent-redirect", fate: same, as: v1alpha1.AnnotationPermanentRedirect,
		note: func(n *notes, value string) error { return nginxRedirect(&n.terms, permanentRedirect, value) },
	},
	{
		name:   "permanent-redirect-code",
		fate:   near,
		remark: "301, 302, 303, 307 and 308.",
		note:   func(n *notes, value string) error { return redirectCode(&n.redirectCode.permanent, value) },
	},
	{
		name: "temporal-redirect", fate: same, as: v1alpha1.AnnotationTemporalRedirect,
		note: func(n *notes, value string) error { return nginxRedirect(&n.terms, temporalRedirect, value) },
	},
	{
		name:   "temporal-redirect-code",
		fate:   near,
		remark: "301, 302, 303, 307 and 308.",
		note:   func(n *notes, value string) error { return redirectCode(&n.redirectCode.temporal, value) },
	},
	{name: "preserve-trailing-slash", fate: unneeded, remark: "No slash is added nor taken."},
	{name: "relative-redirects", fate: unneeded, remark: "A redirect is sent as it is written."},
	{name: "custom-headers", fate: refused, idle: []string{""}, remark: "Fields are not added to responses."},
	{name: "custom-http-errors", fate: refused, idle: []string{""}, remark: "Errors are answered by whoever makes them."},
	{name: "disable-proxy-intercept-errors", fate: unneeded, remark: "Errors are answered by whoever makes them."},
	{name: "mirror-target", fate: refused, idle: []string{""}, remark: "Requests are sent to one backend."},
	{name: "mirror-request-body", fate: refused, idle: []string{""}, remark: "Requests are sent to one backend."},
	{name: "mirror-host", fate: refused, idle: []string{""}, remark: "Requests are sent to one backend."},
	{name: "proxy-body-size", fate: near, as: v1alpha1.AnnotationMaxBodySize, value: nginxSize, idle: []string{"0"}, remark: "Without it there is no bound; ingress-nginx has 1m."},
	{name: "client-body-buffer-size", fate: unneeded, remark: "No body is held whole."},
	{name: "proxy-connect-timeout", fate: near, as: v1alpha1.AnnotationConnectTimeout, value: nginxSeconds, remark: "Of all endpoints that are tried, taken together."},
	{name: "proxy-read-timeout", fate: same, as: v1alpha1.AnnotationReadTimeout, value: nginxSeconds},
	{name: "proxy-send-timeout", fate: same, as: v1alpha1.AnnotationSendTimeout, value: nginxSeconds},
	{name: "proxy-buffering", fate: unneeded, remark: "Bodies are streamed."},
	{name: "proxy-request-buffering", fate: unneeded, remark: "Bodies are streamed."},
	{name: "proxy-buffer-size", fate: unneeded, remark: "Bodies are streamed."},
	{name: "proxy-buffers-number", fate: unneeded, remark: "Bodies are streamed."},
	{name: "proxy-busy-buffers-size", fate: unneeded, remark: "Bodies are streamed."},
	{name: "proxy-max-temp-file-size", fate: unneeded, remark: "Bodies are streamed."},
	{name: "proxy-next-upstream", fate: unneeded, remark: "What can be tried again without harm is."},
	{name: "proxy-next-upstream-timeout", fate: unneeded, remark: "What can be tried again without harm is."},
	{name: "proxy-next-upstream-tries", fate: unneeded, remark: "What can be tried again without harm is."},
	{name: "proxy-http-version", fate: unneeded, remark: "It is 1.1, or what backend-protocol says."},
	{name: "connection-proxy-header", fate: unneeded, remark: "Connections to backends are kept."},
	{name: "backend-protocol", fate: near, as: v1alpha1.AnnotationBackendProtocol, value: nginxProtocol, remark: "HTTP, HTTPS, GRPC and GRPCS; AUTO_HTTP and FCGI are refused."},
	{name: "upstream-vhost", fate: near, as: v1alpha1.AnnotationUpstreamHost, remark: "A host; variables of nginx are refused."},
	{name: "service-upstream", fate: unneeded, remark: "Endpoints are known at once."},
	{
		name:   "proxy-ssl-secret",
		fate:   near,
		remark: "Its ca.crt is read; no client certificate is shown to backends.",
		note:   func(n *notes, value string) error { n.proxySSL.secret = value; return nil },
	},
	{
		name:   "proxy-ssl-verify",
		fate:   near,
		remark: "Who cannot be verified is not reached.",
		note:   func(n *notes, value string) error { n.proxySSL.verify = value == "on"; return nil },
	},
	{name: "proxy-ssl-verify-depth", fate: unneeded, remark: "Any depth is taken."},
	{name: "proxy-ssl-name", fate: refused, idle: []string{""}, remark: "The name is upstream-vhost, or the host of the request."},
	{name: "proxy-ssl-server-name", fate: unneeded, remark: "The name is always sent."},
	{name: "proxy-ssl-ciphers", fate: unneeded, remark: "Go chooses them."},
	{name: "proxy-ssl-protocols", fate: unneeded, remark: "TLS 1.2 and 1.3 are spoken."},
	{name: "proxy-cookie-domain", fate: refused, idle: []string{"off", "default", ""}, remark: "Fields of responses stay as they are."},
	{name: "proxy-cookie-path", fate: refused, idle: []string{"off", "default", ""}, remark: "Fields of responses stay as they are."},
	{name: "proxy-redirect-from", fate: refused, idle: []string{"off", "default", ""}, remark: "Fields of responses stay as they are."},
	{name: "proxy-redirect-to", fate: refused, idle: []string{"off", "default", ""}, remark: "Fields of responses stay as they are."},
	{name: "enable-access-log", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "enable-rewrite-log", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "enable-opentelemetry", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "opentelemetry-operation-name", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "opentelemetry-trust-incoming-span", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "enable-opentracing", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "opentracing-trust-incoming-span", fate: unneeded, remark: "Logs and traces are for the whole process."},
	{name: "enable-influxdb", fate: unneeded, remark: "Logs and traces are for the whole process."},
}
