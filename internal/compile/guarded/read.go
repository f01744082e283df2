package guarded

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Input is what [Read] takes.
type Input struct {
	Gateways []*gatewayv1.Gateway
	// TerminatingNamespaces are those that are being deleted.
	TerminatingNamespaces map[string]bool
	// Hosts are those of the file; nil without one.
	Hosts    *Hosts
	Classes  *class.Classes
	Secrets  *object.Secrets
	Services *object.Services
	Problems *problem.List
}

// reader is one run of Read.
type reader struct {
	*Input
	// told are the hosts that the file names.
	told map[string]bool
	// open is the Gateway that claims every host in cleartext: the oldest that
	// does. Most Gateways do, to send them to https.
	open *gatewayv1.Gateway
}

// Read reads the file and all Gateways of guarded classes.
func Read(in Input) []*claim.Claimant {
	r := reader{Input: &in, told: make(map[string]bool)}
	var out []*claim.Claimant
	if in.Hosts != nil {
		out = r.readHosts(out)
	}
	for _, g := range r.sorted() {
		name := string(g.Spec.GatewayClassName)
		c := r.Classes.Of(&name)
		if c != nil && c.Guarded != (hostmap.Guarded{}) {
			out = append(out, r.readGateway(g, c))
		}
	}
	return out
}

// Backend is the backend of all requests of a class that another controller
// serves behind us. What is wrong with it is a problem of the class.
func Backend(c *class.Class, services *object.Services, problems *problem.List) *hostmap.Backend {
	g := c.Guarded
	port := object.Port{Name: g.Port}
	if n, err := strconv.ParseInt(g.Port, 10, 32); err == nil {
		port = object.Port{Number: int32(n)}
	}
	service := types.NamespacedName{Namespace: g.Namespace, Name: g.Service}
	backend, found := services.Backend(service, port, &object.Upstream{Protocol: g.Protocol})
	if found.Reason != "" {
		problems.Add(hostmap.Object{Kind: "IngressClass", Name: c.Name}, found.Reason, "The controller behind the guard: %s", found.Message)
	}
	return backend
}

// claimant begins what an object claims by a class.
func (r *reader) claimant(on hostmap.Object, c *class.Class) *claim.Claimant {
	return &claim.Claimant{
		Object: on,
		Class:  c,
		Rest:   &hostmap.Route{Default: true, Backend: Backend(c, r.Services, r.Problems), From: on},
	}
}

// readHosts claims what the file names, by the first guarded class.
func (r *reader) readHosts(out []*claim.Claimant) []*claim.Claimant {
	c := r.Classes.FirstGuarded()
	if c == nil {
		return out
	}
	for i := range r.Hosts.Entries {
		e := &r.Hosts.Entries[i]
		on := hostmap.Object{Kind: "File", Namespace: e.Secret.Namespace, Name: r.Hosts.Name + "[" + strconv.Itoa(i) + "]"}
		by := r.claimant(on, c)
		by.Field = func(f claim.Field, _ int) string {
			if f == claim.FieldRoutes || f == claim.FieldRest {
				return "hosts"
			}
			return "secretName"
		}
		by.Certificates.Listed = make(map[string][]claim.Certificate)
		for _, host := range e.Hosts {
			r.told[host] = true
			by.Claims = append(by.Claims, claim.Claim{Host: host, Ruled: true})
			by.Certificates.Listed[host] = []claim.Certificate{{Secret: e.Secret.Name}}
		}
		if e.ClientAuth != hostmap.ClientAuthNone {
			by.Says.ClientAuth = claim.ClientAuth{Asked: true, Policy: r.policy(on, e)}
		}
		out = append(out, by)
	}
	return out
}

// policy resolves what an entry asks of clients; nil refuses everybody.
func (r *reader) policy(on hostmap.Object, e *Entry) *hostmap.TLSPolicy {
	bundle := r.Secrets.Bundle(hostmap.SecretRef{Namespace: e.Secret.Namespace, Name: e.ClientCA})
	switch {
	case bundle.Bundle == nil:
		r.Problems.Add(on, problem.ClientAuthUnresolved, "clientAuthSecret: %s Its hosts are refused.", bundle.Message)
		return nil
	case bundle.Reason != "":
		r.Problems.Add(on, bundle.Reason, "clientAuthSecret: %s", bundle.Message)
	}
	p := bundle.Policy(e.ClientAuth, hostmap.DefaultClientAuthDepth)
	return &p
}

// host canonicalises the host of a listener; "" is every host.
func host(name string) (string, error) {
	if strings.TrimSpace(name) == "" {
		return "", nil
	}
	return hostmap.Pattern(name)
}
