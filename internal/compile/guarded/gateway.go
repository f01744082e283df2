package guarded

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const gatewayKind = "Gateway"

// sorted returns Gateways in the order of their claims.
func (r *reader) sorted() []*gatewayv1.Gateway {
	gateways := slices.Clone(r.Gateways)
	slices.SortFunc(gateways, func(a, b *gatewayv1.Gateway) int {
		return claim.Compare(r.yields(a), a.CreationTimestamp.Time, objectOf(a), r.yields(b), b.CreationTimestamp.Time, objectOf(b))
	})
	return gateways
}

// yields tells whether a Gateway goes soon and leaves its hosts to whoever waits
// for them.
func (r *reader) yields(g *gatewayv1.Gateway) bool {
	return g.DeletionTimestamp != nil || r.TerminatingNamespaces[g.Namespace]
}

func objectOf(g *gatewayv1.Gateway) hostmap.Object {
	return hostmap.Object{Kind: gatewayKind, Namespace: g.Namespace, Name: g.Name}
}

// gateway is a Gateway that is being read.
type gateway struct {
	*reader
	object *gatewayv1.Gateway
	claims *claim.Claimant
}

// readGateway claims the hosts of a Gateway's listeners. Those that differ in
// port alone are one: the guard has one port for https.
func (r *reader) readGateway(g *gatewayv1.Gateway, c *class.Class) *claim.Claimant {
	w := gateway{reader: r, object: g, claims: r.claimant(objectOf(g), c)}
	w.claims.Created, w.claims.Yields = g.CreationTimestamp.Time, r.yields(g)
	w.claims.Field = func(f claim.Field, index int) string {
		switch f {
		case claim.FieldCertificate:
			return fmt.Sprintf("spec.listeners[%d].tls.certificateRefs", index)
		case claim.FieldCertificates:
			return "spec.listeners[].tls.certificateRefs"
		}
		return "spec.listeners"
	}
	w.claims.Certificates.Listed = make(map[string][]claim.Certificate)
	for i := range g.Spec.Listeners {
		w.listener(i, &g.Spec.Listeners[i])
	}
	return w.claims
}

// listener claims the host of one listener.
func (w *gateway) listener(i int, l *gatewayv1.Listener) {
	name := ""
	if l.Hostname != nil {
		name = string(*l.Hostname)
	}
	field := fmt.Sprintf("spec.listeners[%d]", i)
	host, err := host(name)
	if err != nil {
		w.Problems.Add(w.claims.Object, problem.HostInvalid, "%s.hostname %s is no host: %s; write a DNS name, or *. before one.", field, problem.Quote(name), problem.ErrorText(err))
		return
	}
	switch {
	case len(w.claims.Claims) == claim.MaxHosts:
		w.Problems.Add(w.claims.Object, problem.TooManyHosts, "%s and after it: more than the %s listeners that are read of a Gateway. Divide it.", field, problem.Thousands(claim.MaxHosts))
	case w.told[host]:
	case l.Protocol == gatewayv1.HTTPProtocolType && host == "" && w.open != nil && w.open != w.object:
	case l.Protocol == gatewayv1.HTTPProtocolType:
		if host == "" {
			w.open = w.object
		}
		w.claims.Claims = append(w.claims.Claims, claim.Claim{Host: host, Ruled: true})
	case l.Protocol == gatewayv1.HTTPSProtocolType && (l.TLS == nil || l.TLS.Mode == nil || *l.TLS.Mode == gatewayv1.TLSModeTerminate):
		w.terminates(i, host, l)
	case l.Protocol == gatewayv1.HTTPSProtocolType, l.Protocol == gatewayv1.TLSProtocolType:
		w.Problems.Add(w.claims.Object, problem.PassthroughGuarded, "%s (%s): TLS ends at the guard and is not passed through to what speaks no HTTP; %s. Leave it to a Service of its own.", field, problem.Quote(string(l.Name)), w.refuse(host))
	}
}

// terminates claims the host of a listener at which TLS ends.
func (w *gateway) terminates(i int, host string, l *gatewayv1.Listener) {
	if why := w.asksClients(l); why != "" {
		w.Problems.Add(w.claims.Object, problem.ClientAuthUnresolved, "spec.listeners[%d] (%s): %s asks for client certificates, and the controller behind the guard sees none; %s. Name its hosts in the file of --guard-hosts, with clientAuthSecret.", i, problem.Quote(string(l.Name)), why, w.refuse(host))
		return
	}
	w.claims.Claims = append(w.claims.Claims, claim.Claim{Host: host, Ruled: true})
	certificates := &w.claims.Certificates
	if host == "" {
		certificates.Every = w.certificates(i, host, l, certificates.Every)
	} else {
		certificates.Listed[host] = w.certificates(i, host, l, certificates.Listed[host])
	}
}

// certificates adds the Secrets of a listener to those of its host. Where none
// can be served the host has none, and no other takes their place.
func (w *gateway) certificates(i int, host string, l *gatewayv1.Listener, named []claim.Certificate) []claim.Certificate {
	if named == nil {
		named = []claim.Certificate{}
	}
	if l.TLS == nil || len(l.TLS.CertificateRefs) == 0 {
		return append(named, claim.Certificate{Index: i})
	}
	for n := range l.TLS.CertificateRefs {
		ref := &l.TLS.CertificateRefs[n]
		at := fmt.Sprintf("spec.listeners[%d].tls.certificateRefs[%d]", i, n)
		switch {
		case ref.Group != nil && *ref.Group != "" || ref.Kind != nil && *ref.Kind != "Secret":
			w.Problems.Add(w.claims.Object, problem.CertificateInvalid, "%s: %s is no Secret, and is not served.", at, problem.Quote(string(ref.Name)))
		case ref.Namespace != nil && string(*ref.Namespace) != w.object.Namespace:
			w.Problems.Add(w.claims.Object, problem.CertificateInvalid, "%s: a Secret of another namespace is not served, for ReferenceGrants are not read. Name host %s in the file of --guard-hosts.", at, problem.Host(host))
		case slices.ContainsFunc(named, func(c claim.Certificate) bool { return c.Secret == string(ref.Name) }):
		case len(named) == maxSecrets:
			w.Problems.Add(w.claims.Object, problem.CertificateConflict, "%s: more than %d Secrets for host %s; this one is not served.", at, maxSecrets, problem.Host(host))
		default:
			named = append(named, claim.Certificate{Secret: string(ref.Name), Index: i})
		}
	}
	return named
}

// maxSecrets bounds the Secrets of one host.
const maxSecrets = 8

// asksClients names what asks the clients of a listener for certificates, ""
// where nothing does. Options are the implementation's own; those of Istio that
// ask are known, and so is whatever else speaks of a mutual handshake.
func (w *gateway) asksClients(l *gatewayv1.Listener) string {
	if l.TLS != nil {
		for key, value := range l.TLS.Options {
			if strings.Contains(strings.ToUpper(string(value)), "MUTUAL") {
				return "option " + problem.Quote(string(key))
			}
		}
	}
	if w.object.Spec.TLS == nil || w.object.Spec.TLS.Frontend == nil {
		return ""
	}
	frontend := w.object.Spec.TLS.Frontend
	for n := range frontend.PerPort {
		if frontend.PerPort[n].Port != l.Port {
			continue
		}
		if frontend.PerPort[n].TLS.Validation == nil {
			return ""
		}
		return fmt.Sprintf("spec.tls.frontend.perPort[%d]", n)
	}
	if frontend.Default.Validation == nil {
		return ""
	}
	return "spec.tls.frontend.default"
}

// refuse claims a host for which nobody is let in, and says so. Every host is
// never refused: some of them may have listeners of their own.
func (w *gateway) refuse(host string) string {
	if host == "" {
		return "the hosts that it has for want of a name are not served by it"
	}
	w.claims.Claims = append(w.claims.Claims, claim.Claim{Host: host, Ruled: true, Refused: true})
	return "host " + problem.Host(host) + " is refused"
}
