package compile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestOwned(t *testing.T) {
	in := cluster(t, 1)
	ing := in.Ingresses[0].DeepCopy()
	if !compile.Owned(&in)(ing) {
		t.Error("an Ingress of our class is not ours")
	}
	other := "other"
	ing.Spec.IngressClassName = &other
	if compile.Owned(&in)(ing) {
		t.Error("an Ingress of a class that does not exist is ours")
	}
	in.AnyClass = true
	if compile.Owned(&in)(ing) {
		t.Error("any-class holds although there are classes")
	}
	in.Classes = nil
	if !compile.Owned(&in)(ing) {
		t.Error("any-class does not hold without classes")
	}
}

// Runs at the times that Build asks for see each certificate expire, in turn,
// and end.
func TestNextLeadsThroughExpiries(t *testing.T) {
	in := cluster(t, 3) // they expire one second after the other
	var m *hostmap.Map
	var seen []string
	for range 10 {
		var problems []hostmap.Problem
		var next time.Time
		m, problems, next = compile.Build(m, in)
		seen = append(seen, fmt.Sprint(len(problems)))
		if next.IsZero() {
			break
		}
		if !next.After(in.Now) {
			t.Fatalf("next %v is not after now %v", next, in.Now)
		}
		in.Now = next
	}
	if got := strings.Join(seen, " "); got != "0 1 2 3" {
		t.Errorf("numbers of problems: %s", got)
	}
}

// A Secret may be gone for any number of runs, and its certificate is served;
// what comes back is taken at once.
func TestLastGoodOutlivesManyRuns(t *testing.T) {
	in := cluster(t, 2)
	secrets := in.Secrets
	m, _, _ := compile.Build(nil, in)
	good := m.Site(hostOf(0)).Certificates[0]
	in.Secrets = secrets[1:]
	for i := range 3 {
		in = withAddress(in, 0, fmt.Sprintf("10.2.0.%d", i))
		var problems []hostmap.Problem
		m, problems, _ = compile.Build(m, in)
		if got := m.Site(hostOf(0)).Certificates; len(got) != 1 || got[0] != good {
			t.Fatalf("run %d: %v", i, got)
		}
		if len(problems) != 1 || problems[0].Reason != problem.SecretNotFound {
			t.Fatalf("run %d: %v", i, problems)
		}
	}
	back := secrets[0].DeepCopy()
	back.Data["tls.crt"] = secrets[1].Data["tls.crt"]
	in.Secrets = append(in.Secrets, back)
	m, _, _ = compile.Build(m, in)
	if m.Site(hostOf(0)).Certificates[0] == good {
		t.Error("the new certificate is not served")
	}
}

// A host that stands in tls entries alone is routed, not only listed, by the
// wildcard's rules.
func TestTLSHostIsRoutedByWildcard(t *testing.T) {
	in := cluster(t, 1)
	ing := in.Ingresses[0]
	ing.Spec.Rules[0].Host = "*.example"
	m, _, _ := compile.Build(nil, in)
	site := m.Site(hostOf(0))
	if site.Host != hostOf(0) || len(site.Certificates) != 1 {
		t.Fatal(m)
	}
	facts := hostmap.Facts{TLS: true, ServerName: hostOf(0), Leaf: site.Certificates[0], Version: 0x0304}
	v := hostmap.Judge(m, &facts, hostmap.Request{Scheme: "https", Host: hostOf(0), Path: "/x"})
	if v.Status != 0 || v.Route == nil || v.Route.Backend.Service != "web" {
		t.Errorf("verdict %+v", v)
	}
}

// An Ingress has room for thousands of tls hosts and thousands of rules; their
// product must not be built.
func TestTLSHostsShareRoutes(t *testing.T) {
	in := cluster(t, 1)
	spec := &in.Ingresses[0].Spec
	spec.Rules[0].Host = ""
	path := spec.Rules[0].HTTP.Paths[0]
	for i := range 1000 {
		path.Path = fmt.Sprintf("/%d", i)
		spec.Rules[0].HTTP.Paths = append(spec.Rules[0].HTTP.Paths, path)
		spec.TLS[0].Hosts = append(spec.TLS[0].Hosts, fmt.Sprintf("tls-%d.example", i))
	}
	m, _, _ := compile.Build(nil, in)
	a, b := m.Site("tls-1.example"), m.Site("tls-2.example")
	if a == b || len(a.Routes) != 1001 || &a.Routes[0] != &b.Routes[0] {
		t.Errorf("two tls hosts do not share their %d routes", len(a.Routes))
	}
}

// Nor must the product of aliases and rules, be they of one Ingress or of
// several.
func TestAliasesShareRoutes(t *testing.T) {
	routes := 0
	in := withAliases(t, 64, 1000)
	m, _, _ := compile.Build(nil, in)
	seen := make(map[**hostmap.Route]bool)
	for _, s := range m.Sites() {
		if len(s.Routes) != 0 && !seen[&s.Routes[0]] {
			seen[&s.Routes[0]] = true
			routes += len(s.Routes)
		}
	}
	if n := len(m.Sites()); n != 66 || routes > 10_000 {
		t.Errorf("%d sites hold %d routes, want 66 with 10000 at most", n, routes)
	}
	in.Ingresses = in.Ingresses[:1] // The second one's aliases are the first one's too.
	in.Ingresses[0].Spec.Rules[0].HTTP.Paths = in.Ingresses[0].Spec.Rules[0].HTTP.Paths[:1]
	m, _, _ = compile.Build(m, in)
	if got := len(m.Site("alias-5.example").Routes); got != 1 {
		t.Errorf("%d routes after all others were deleted, want 1", got)
	}
}

// withAliases is a state of two Ingresses with the same aliases and other
// paths.
func withAliases(t testing.TB, aliases, paths int) compile.Input {
	in := cluster(t, 2)
	var names []string
	for i := range aliases {
		names = append(names, fmt.Sprintf("alias-%d.example", i))
	}
	for n, ing := range in.Ingresses {
		ing.Annotations = map[string]string{v1alpha1.AnnotationServerAlias: strings.Join(names, ",")}
		http := ing.Spec.Rules[0].HTTP
		path := http.Paths[0]
		for i := range paths {
			path.Path = fmt.Sprintf("/%d/%d", n, i)
			http.Paths = append(http.Paths, path)
		}
	}
	return in
}

func TestAliasesAreBounded(t *testing.T) {
	in := cluster(t, 1)
	var aliases []string
	for i := range 70 {
		aliases = append(aliases, fmt.Sprintf("alias-%d.example", i))
	}
	in.Ingresses[0].Annotations = map[string]string{v1alpha1.AnnotationServerAlias: strings.Join(aliases, ",")}
	m, problems, _ := compile.Build(nil, in)
	if n := len(m.Sites()); n != 65 {
		t.Errorf("%d sites, want 65", n)
	}
	if !strings.Contains(fmt.Sprint(problems), problem.AnnotationInvalid) {
		t.Error(problems)
	}
}

// A tenant's text in a message is quoted and short.
func TestMessagesAreBounded(t *testing.T) {
	in := cluster(t, 1)
	long := strings.Repeat("\n", 100_000)
	ing := in.Ingresses[0]
	ing.Annotations = map[string]string{
		v1alpha1.AnnotationMisdirected: long, v1alpha1.AnnotationPrefix + long: "x",
		v1alpha1.AnnotationClientAuthSecret: long, v1alpha1.AnnotationServerAlias: long + "x y" + long,
	}
	ing.Spec.TLS[0].SecretName = long
	ing.Spec.Rules[0].Host = long
	ing.Spec.Rules = append(ing.Spec.Rules, networkingv1.IngressRule{Host: "ok.example", IngressRuleValue: ing.Spec.Rules[0].IngressRuleValue})
	ing.Spec.Rules[1].HTTP.Paths[0].Path = long
	_, problems, _ := compile.Build(nil, in)
	if len(problems) < 5 {
		t.Error(problems)
	}
	for _, p := range problems {
		if len(p.Message) > 1000 || strings.Contains(p.Message, "\n") {
			t.Errorf("%s: %d octets: %.300q", p.Reason, len(p.Message), p.Message)
		}
	}
}

// Build may share strings with its input and nothing else.
func TestBuildLeavesItsInputAlone(t *testing.T) {
	for _, file := range goldenFiles(t) {
		c := readCase(t, file)
		before := fmt.Sprintf("%+v", deep(c.now))
		c.run()
		if after := fmt.Sprintf("%+v", deep(c.now)); after != before {
			t.Errorf("%s: the input has changed", file)
		}
	}
}

// deep replaces pointers by what they point to.
func deep(in compile.Input) (out []any) {
	for _, o := range in.Ingresses {
		out = append(out, o.String())
	}
	for _, o := range in.Classes {
		out = append(out, o.String())
	}
	for _, o := range in.Secrets {
		out = append(out, o.String())
	}
	for _, o := range in.Services {
		out = append(out, o.String())
	}
	for _, o := range in.EndpointSlices {
		out = append(out, o.String())
	}
	for _, o := range in.Policies {
		out = append(out, fmt.Sprintf("%+v", o.Spec))
	}
	return out
}
