package compile

import (
	"cmp"
	"fmt"
	"maps"
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
	notes  notes
	rules  []rule
	// rest is the route to the default backend, nil without one.
	rest *hostmap.Route
	tls  tlsEntries
	// limit bounds the hosts.
	limit hostLimit
	// uses are the backends that cannot be reached as they should.
	uses unreachable
}

// to names an Ingress to the owner of another one. What belongs to another
// namespace is no business of his.
func (ing *ingress) to(other *ingress) string {
	return ingressTo(ing.object.Namespace, ing.object.Name, other)
}

func ingressTo(namespace, name string, other *ingress) string {
	switch {
	case namespace != other.object.Namespace:
		return "an Ingress of another namespace"
	case name == other.object.Name:
		return "this Ingress"
	}
	return "Ingress " + quote(namespace+"/"+name)
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
		ing.limit.begin(ing)
		b.readRules(ing)
		b.readTLS(ing)
		b.reportUnreachable(ing)
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
			Default: true,
			Backend: b.backend(ing, spec.DefaultBackend, place{rule: -1}),
			From:    hostmap.Object{Kind: "Ingress", Namespace: ing.object.Namespace, Name: ing.object.Name},
		}
	}
	if len(spec.Rules) == 0 && ing.rest != nil {
		ing.rules = []rule{{}}
		return
	}
	var over beyond
	for i := range spec.Rules {
		r := &spec.Rules[i]
		field := func() string { return fmt.Sprintf("spec.rules[%d].host %s", i, quote(r.Host)) }
		host, ok := b.host(ing, r.Host, field)
		if !ok || !ing.claims(host, &over, field) {
			continue
		}
		out := rule{host: host}
		if r.HTTP != nil {
			out.routes = b.readPaths(ing, place{rule: i, host: host}, r.HTTP.Paths)
		}
		ing.rules = append(ing.rules, out)
	}
	b.reportBeyond(ing, &over)
}

// host canonicalises the host of a rule; "" stays "", the default site.
func (b *builder) host(ing *ingress, s string, field func() string) (string, bool) {
	if s == "" {
		return "", true
	}
	return b.pattern(ing, s, field)
}

// pattern canonicalises a host.
func (b *builder) pattern(ing *ingress, s string, field func() string) (string, bool) {
	host, err := hostmap.Pattern(s)
	if err == nil {
		return host, true
	}
	if !ing.limit.full() {
		b.problem(ing.subject, HostInvalid, "%s is no host: %s; write a DNS name, or *. before one.", field(), errorText(err))
		ing.limit.bad++
	}
	return "", false
}

// place says where an Ingress names a backend.
type place struct {
	rule, path int // rule is -1 for the default backend
	host, text string
}

func (p place) String() string {
	if p.rule < 0 {
		return "spec.defaultBackend"
	}
	return fmt.Sprintf("spec.rules[%d].http.paths[%d] (host %s, path %s)", p.rule, p.path, hostName(p.host), quote(p.text))
}

func (b *builder) readPaths(ing *ingress, at place, paths []networkingv1.HTTPIngressPath) []*hostmap.Route {
	out := make([]*hostmap.Route, 0, len(paths))
	for i := range paths {
		p := &paths[i]
		at.path, at.text = i, p.Path
		kind, ok := b.pathType(ing, at, p)
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
			b.problem(ing.subject, PathInvalid, "%s: no request can have this path; it must begin with '/' and have no dot segments, spaces, '?' or '#'.", at.String())
			continue
		}
		out = append(out, &hostmap.Route{
			Type: kind, Path: path,
			Backend: b.backend(ing, &p.Backend, at),
			From:    hostmap.Object{Kind: "Ingress", Namespace: ing.object.Namespace, Name: ing.object.Name},
		})
	}
	return out
}

func (b *builder) pathType(ing *ingress, at place, p *networkingv1.HTTPIngressPath) (hostmap.PathType, bool) {
	if p.PathType == nil {
		return hostmap.Prefix, true
	}
	switch *p.PathType {
	case networkingv1.PathTypeExact:
		return hostmap.Exact, true
	case networkingv1.PathTypeImplementationSpecific:
		if strings.ContainsAny(p.Path, patternSigns) {
			b.problem(ing.subject, PathIsLiteral, "%s: the path is compared as it stands, by whole segments from its start; its signs have no meaning. Write it without a pattern, with the type Prefix or Exact.", at.String())
		}
		return hostmap.Prefix, true
	case networkingv1.PathTypePrefix:
		return hostmap.Prefix, true
	}
	b.problem(ing.subject, PathInvalid, "%s: the pathType %s is not Exact, Prefix or ImplementationSpecific.", at.String(), quote(string(*p.PathType)))
	return 0, false
}

// patternSigns are those by which paths show that they are meant as patterns,
// as other controllers have them in paths of type ImplementationSpecific.
const patternSigns = "*([{|$^\\"

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
	// over is how many Secrets a host has over the bound; "" is that of every.
	over map[string]int
	// fields are the entries that name a Secret first, made when asked for.
	fields map[string]int
}

func (b *builder) readTLS(ing *ingress) {
	t := &ing.tls
	var over beyond
	for i := range ing.object.Spec.TLS {
		entry := &ing.object.Spec.TLS[i]
		if len(entry.Hosts) == 0 {
			t.every = t.add(t.every, entry.SecretName, "")
			continue
		}
		for n, s := range entry.Hosts {
			field := func() string { return fmt.Sprintf("spec.tls[%d].hosts[%d] %s", i, n, quote(s)) }
			host, ok := b.pattern(ing, s, field)
			if !ok || !ing.claims(host, &over, field) {
				continue
			}
			if t.listed == nil {
				t.listed = make(map[string][]string)
			}
			if _, known := t.listed[host]; !known {
				t.hosts = append(t.hosts, host)
			}
			t.listed[host] = t.add(t.listed[host], entry.SecretName, host)
		}
	}
	b.reportBeyond(ing, &over)
	for _, host := range t.overfull() {
		n := t.over[host]
		of := "hosts that it does not list"
		if host != "" {
			of = "host " + quote(host)
		}
		b.problem(ing.subject, CertificateConflict, "spec.tls names more than %d Secrets for %s; %s are not served.", maxSecrets, of, thousands(n))
	}
}

// overfull are the hosts that have too many Secrets, in order.
func (t *tlsEntries) overfull() []string {
	if len(t.over) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(t.over))
}

// secretField is the tls entry of an Ingress that names a Secret first.
func (ing *ingress) secretField(name string) string {
	if ing.tls.fields == nil {
		ing.tls.fields = make(map[string]int)
		for i, e := range slices.Backward(ing.object.Spec.TLS) {
			ing.tls.fields[e.SecretName] = i
		}
	}
	return fmt.Sprintf("spec.tls[%d].secretName", ing.tls.fields[name])
}

// maxSecrets bounds the Secrets of one host: a kind of key each would do.
const maxSecrets = 8

func (t *tlsEntries) add(names []string, name, host string) []string {
	switch {
	case slices.Contains(names, name):
		return names
	case len(names) == maxSecrets:
		if t.over == nil {
			t.over = make(map[string]int)
		}
		t.over[host]++
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
