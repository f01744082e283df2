package check

import (
	"strings"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/ingress"
)

// foreignPrefixes are those of annotations that other ingress controllers read.
var foreignPrefixes = []string{
	"nginx.ingress.kubernetes.io/", "nginx.org/", "nginx.com/", "traefik.ingress.kubernetes.io/", "haproxy.org/",
	"haproxy-ingress.github.io/", "ingress.kubernetes.io/", "projectcontour.io/", "konghq.com/",
	"alb.ingress.kubernetes.io/", "appgw.ingress.kubernetes.io/", "networking.gke.io/", "cert-manager.io/",
}

// protecting are words in the names of annotations that let in less than
// without them.
var protecting = []string{
	"auth", "whitelist", "allowlist", "blacklist", "denylist", "source-range", "limit", "modsecurity", "waf",
	"snippet", "middlewares", "plugins", "verify", "client-ca", "security", "rate", "satisfy",
}

// needless are words in the names of annotations that tune how another
// controller works, and say nothing about what is served.
var needless = []string{
	"buffer", "access-log", "service-upstream", "http-version", "tls-acme", "cluster-issuer", "issuer",
	"max-temp-file", "keepalive", "enable-rewrite-log",
}

// foreignAnnotation says what becomes of an annotation of another controller,
// and whether it is one.
func foreignAnnotation(name string) (f Finding, foreign bool) {
	has := func(list []string, in func(word string) bool) bool {
		for _, word := range list {
			if in(word) {
				return true
			}
		}
		return false
	}
	if !has(foreignPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return Finding{}, false
	}
	_, short, _ := strings.Cut(name, "/")
	within := func(word string) bool { return strings.Contains(short, word) }
	f.Field = annotationField(name)
	switch {
	case strings.HasPrefix(name, "cert-manager.io/"), has(needless, within):
		f.Word, f.Message = NotNeeded, "It is for another program, and nothing that is served depends on it."
	case has(protecting, within):
		f.Word, f.Message = Dangerous, "It is read by another controller, and protects something there; here it has no effect."
	default:
		f.Word, f.Message = Lost, "It is read by another controller; here it has no effect."
	}
	return f, true
}

// nginxAnnotation says what becomes of an annotation of ingress-nginx's, and
// whether it is one.
func nginxAnnotation(mode compile.Nginx, name, value string) (f Finding, ok bool) {
	effect, ok := mode.Effect(name, value)
	f.Field = annotationField(name)
	switch effect {
	case ingress.NginxHonoured:
		f.Word, f.Value = Honoured, value
	case ingress.NginxUnneeded:
		f.Word, f.Message = NotNeeded, "Nothing that is served depends on it."
	case ingress.NginxLost:
		f.Word, f.Message = Lost, "It is ingress-nginx's; here it has no effect."
	case ingress.NginxUnprotected:
		f.Word, f.Message = Dangerous, "It is ingress-nginx's, and protects something there; here it has no effect."
	}
	return f, ok
}
