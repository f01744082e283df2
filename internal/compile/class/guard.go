package class

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// guard reads who serves a class behind us. Where that cannot be read the
// class's hosts are refused: past the controller that is to be guarded, its
// checks would be passed by.
func (r policyReader) guard(g *v1alpha1.GuardSpec, c *hostmap.Class) {
	invalid := func(field, format string, args ...any) {
		r.problems.Add(r.on, problem.PolicyInvalid, "spec.guard."+field+": "+format+"; the hosts of the class are refused.", args...)
		c.Unresolved = true
	}
	namespace, service := r.on.Namespace, g.Service
	if before, after, ok := strings.Cut(g.Service, "/"); ok {
		namespace, service = before, after
	}
	if namespace == "" || service == "" || strings.Contains(service, "/") {
		invalid("service", "%s is not the name of a Service, or namespace/name", problem.Quote(g.Service))
	}
	if g.Port < 1 || g.Port > 65535 {
		invalid("port", "%d is not between 1 and 65535", g.Port)
	}
	protocol, ok := ParseGuardProtocol(string(cmp.Or(g.Protocol, v1alpha1.GuardHTTP)))
	if !ok {
		invalid("protocol", "%s is not one of http, h2c, https", problem.Quote(string(g.Protocol)))
	}
	c.Guarded = hostmap.Guarded{
		Namespace: namespace, Service: service, Port: strconv.Itoa(int(g.Port)), Protocol: protocol,
	}
}

// ParseGuardProtocol reads what a guarded controller speaks: "http", "h2c" or
// "https".
func ParseGuardProtocol(word string) (hostmap.Protocol, bool) {
	switch v1alpha1.GuardProtocol(word) {
	case v1alpha1.GuardHTTP:
		return hostmap.HTTP, true
	case v1alpha1.GuardH2C:
		return hostmap.H2C, true
	case v1alpha1.GuardHTTPS:
		return hostmap.HTTPS, true
	}
	return 0, false
}
