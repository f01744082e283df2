package compile

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// ingress is an Ingress of ours, read by itself: whatever other Ingresses say
// comes later.
type ingress struct {
	object  *networkingv1.Ingress
	subject subject
	age     int // the place among all, from the oldest
	// yields tells that it, or its namespace, is being deleted.
	yields bool
	// served tells that a host is its own, or that it is a guest of one.
	served bool
	class  *class
	notes  annotations
	rules  []rule
	// rest is the route to the default backend, nil without one.
	rest *hostmap.Route
	tls  tlsEntries
}

// rule is what an Ingress says of one host; "" is the default site.
type rule struct {
	host   string
	routes []*hostmap.Route
}

// allRoutes returns the routes of all rules.
func (ing *ingress) allRoutes() []*hostmap.Route {
	var all []*hostmap.Route
	for _, r := range ing.rules {
		all = append(all, r.routes...)
	}
	return all
}

// readIngresses reads all Ingresses of ours, from the oldest to the youngest,
// and then those that yield.
func (b *builder) readIngresses() []*ingress {
	out := make([]*ingress, 0, len(b.in.Ingresses))
	for _, object := range b.sorted(b.in.Ingresses) {
		class := b.classOf(object)
		if class == nil {
			continue
		}
		ing := &ingress{
			object:  object,
			subject: subject{"Ingress", object.Namespace, object.Name},
			age:     len(out),
			yields:  b.yields(object),
			class:   class,
		}
		b.readAnnotations(ing)
		b.readRules(ing)
		b.readTLS(ing)
		out = append(out, ing)
	}
	return out
}

// yields tells whether an Ingress goes soon and leaves its hosts to whoever
// waits for them.
func (b *builder) yields(object *networkingv1.Ingress) bool {
	return object.DeletionTimestamp != nil || b.in.TerminatingNamespaces[object.Namespace]
}

// sorted returns Ingresses from the oldest to the youngest, those that yield
// last.
func (b *builder) sorted(ingresses []*networkingv1.Ingress) []*networkingv1.Ingress {
	ingresses = slices.Clone(ingresses)
	rank := func(object *networkingv1.Ingress) int {
		if b.yields(object) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(ingresses, func(a, b *networkingv1.Ingress) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			strings.Compare(a.Namespace, b.Namespace),
			strings.Compare(a.Name, b.Name),
		)
	})
	return ingresses
}

func (b *builder) readRules(ing *ingress) {
	spec := &ing.object.Spec
	if spec.DefaultBackend != nil {
		ing.rest = &hostmap.Route{
			Default:          true,
			Backend:          b.backend(ing, spec.DefaultBackend),
			IngressNamespace: ing.object.Namespace,
			IngressName:      ing.object.Name,
		}
	}
	if len(spec.Rules) == 0 && ing.rest != nil {
		ing.rules = []rule{{}}
		return
	}
	for i := range spec.Rules {
		r := &spec.Rules[i]
		host, ok := b.host(ing, r.Host, "rules")
		if !ok {
			continue
		}
		out := rule{host: host}
		if r.HTTP != nil {
			out.routes = b.readPaths(ing, r.HTTP.Paths)
		}
		ing.rules = append(ing.rules, out)
	}
}

// host canonicalises the host of a rule; "" stays "", the default site.
func (b *builder) host(ing *ingress, s, field string) (string, bool) {
	if s == "" {
		return "", true
	}
	host, err := hostmap.Pattern(s)
	if err != nil {
		b.problem(ing.subject, HostInvalid, "spec.%s: %s is no host: %v.", field, quote(s), err)
		return "", false
	}
	return host, true
}

func (b *builder) readPaths(ing *ingress, paths []networkingv1.HTTPIngressPath) []*hostmap.Route {
	out := make([]*hostmap.Route, 0, len(paths))
	for i := range paths {
		p := &paths[i]
		kind, ok := b.pathType(ing, p)
		if !ok {
			continue
		}
		path := p.Path
		if path == "" && kind == hostmap.Prefix {
			path = "/"
		}
		// A request's path has lost its dot segments when it is compared, so a
		// rule that has some would never be met. The API server lets them pass
		// in paths of type ImplementationSpecific.
		if canonical, err := hostmap.Path(path); err != nil || canonical != path {
			b.problem(ing.subject, PathInvalid, "spec.rules: no request can have the path %s; it must begin with '/' and have no dot segments, spaces, '?' or '#'.", quote(p.Path))
			continue
		}
		out = append(out, &hostmap.Route{
			Type: kind, Path: path,
			Backend:          b.backend(ing, &p.Backend),
			IngressNamespace: ing.object.Namespace,
			IngressName:      ing.object.Name,
		})
	}
	return out
}

func (b *builder) pathType(ing *ingress, p *networkingv1.HTTPIngressPath) (hostmap.PathType, bool) {
	if p.PathType == nil {
		return hostmap.Prefix, true
	}
	switch *p.PathType {
	case networkingv1.PathTypeExact:
		return hostmap.Exact, true
	case networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific:
		return hostmap.Prefix, true
	}
	b.problem(ing.subject, PathInvalid, "spec.rules: the path %s has the type %s, which is not Exact, Prefix or ImplementationSpecific.", quote(p.Path), quote(string(*p.PathType)))
	return 0, false
}

// tlsEntries are the tls entries of an Ingress by host, with the names of
// their Secrets; "" stands for the default certificate. An index, because an
// Ingress has room for thousands of hosts.
type tlsEntries struct {
	listed map[string][]string
	// hosts are the keys of listed in the order of the Ingress.
	hosts []string
	// every are the Secrets of entries without hosts, which speak of all hosts
	// of the Ingress.
	every []string
}

func (b *builder) readTLS(ing *ingress) {
	t := &ing.tls
	for i := range ing.object.Spec.TLS {
		entry := &ing.object.Spec.TLS[i]
		if len(entry.Hosts) == 0 {
			t.every = b.addSecret(ing, t.every, entry.SecretName)
			continue
		}
		for _, s := range entry.Hosts {
			host, err := hostmap.Pattern(s)
			if err != nil {
				b.problem(ing.subject, HostInvalid, "spec.tls: %s is no host: %v.", quote(s), err)
				continue
			}
			if t.listed == nil {
				t.listed = make(map[string][]string)
			}
			if _, known := t.listed[host]; !known {
				t.hosts = append(t.hosts, host)
			}
			t.listed[host] = b.addSecret(ing, t.listed[host], entry.SecretName)
		}
	}
}

// maxSecrets bounds the Secrets of one host: a kind of key each would do.
const maxSecrets = 8

func (b *builder) addSecret(ing *ingress, names []string, name string) []string {
	switch {
	case slices.Contains(names, name):
		return names
	case len(names) == maxSecrets:
		b.problem(ing.subject, CertificateConflict, "spec.tls names more than %d Secrets for one host; the others are not served.", maxSecrets)
		return names
	}
	return append(names, name)
}

// secrets returns the Secrets that an Ingress names for one of its hosts,
// none where it has no tls entry for it.
func (ing *ingress) secrets(host string) []string {
	if names := ing.entries(host); names != nil {
		return names
	}
	// An alias is another name of the Ingress's first host.
	if len(ing.rules) != 0 && ing.isAlias(host) {
		return ing.entries(ing.rules[0].host)
	}
	return nil
}

func (ing *ingress) entries(host string) []string {
	if names := ing.tls.listed[host]; names != nil {
		return names
	}
	_, suffix, _ := strings.Cut(host, ".")
	if names := ing.tls.listed["*."+suffix]; names != nil {
		return names
	}
	return ing.tls.every
}

func (ing *ingress) isAlias(host string) bool {
	return slices.Contains(ing.notes.aliases, host)
}
