package compile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// An Ingress of a size that an API server takes claims 1,000 hosts, and its
// problems are few.
func TestHostsOfAnIngressAreBounded(t *testing.T) {
	in := withTLSHosts(t, 116_000)
	m, problems, _ := compile.Build(nil, in)
	if n := len(m.Sites()); n != 1000 {
		t.Errorf("%d sites, want 1000", n)
	}
	if m.Site("998.a.b") == nil || m.Site("999.a.b") != nil {
		t.Error("not the first hosts are claimed") // The rule's host is one.
	}
	text := fmt.Sprint(problems)
	if len(problems) > 30 || !strings.Contains(text, "TooManyHosts: spec.tls[0].hosts[999] \"999.a.b\" and after it: 115,001 hosts are more than the 1,000 ") {
		t.Errorf("%d problems: %.2000s", len(problems), text)
	}
}

// A host counts once, wherever it stands.
func TestHostsOfAnIngressCountOnce(t *testing.T) {
	in := withTLSHosts(t, 999)
	ing := in.Ingresses[1]
	for _, host := range ing.Spec.TLS[0].Hosts {
		ing.Spec.Rules = append(ing.Spec.Rules, networkingv1.IngressRule{Host: strings.ToUpper(host), IngressRuleValue: ing.Spec.Rules[0].IngressRuleValue})
	}
	m, problems, _ := compile.Build(nil, in)
	if n := len(m.Sites()); n != 1000 || strings.Contains(fmt.Sprint(problems), problem.TooManyHosts) {
		t.Errorf("%d sites, %.500v", n, problems)
	}
	if s := m.Site("998.a.b"); s == nil || len(s.Routes) != 1 || len(s.Certificates) != 1 {
		t.Errorf("%+v", s)
	}
}

// What an Ingress asks of clients is asked for its hosts over the bound too:
// whatever would serve them otherwise is refused.
func TestHostsOverTheBoundKeepClientAuth(t *testing.T) {
	for name, change := range map[string]func(in *compile.Input, other *networkingv1.Ingress) string{
		"the host itself": func(_ *compile.Input, other *networkingv1.Ingress) string {
			other.Spec.Rules[0].Host = "5000.a.b"
			return "5000.a.b"
		},
		"spelt otherwise": func(in *compile.Input, other *networkingv1.Ingress) string {
			other.Spec.Rules[0].Host = "last.example"
			hosts := in.Ingresses[1].Spec.TLS[0].Hosts
			hosts[len(hosts)-1] = "LAST.example."
			return "last.example"
		},
		"wildcard": func(_ *compile.Input, other *networkingv1.Ingress) string {
			other.Spec.Rules[0].Host = "*.a.b"
			return "5000.a.b"
		},
		"default site": func(_ *compile.Input, other *networkingv1.Ingress) string {
			other.Spec.Rules[0].Host = ""
			return "5000.a.b"
		},
		"alias": func(in *compile.Input, other *networkingv1.Ingress) string {
			var names []string
			for i := range 70 {
				names = append(names, fmt.Sprintf("alias-%d.c.d", i))
			}
			ing := in.Ingresses[1]
			ing.Annotations[v1alpha1.AnnotationServerAlias] = strings.Join(names, ",")
			ing.Spec.TLS = nil
			other.Spec.Rules[0].Host = "*.c.d"
			return "alias-69.c.d"
		},
		"rule": func(in *compile.Input, other *networkingv1.Ingress) string {
			ing := in.Ingresses[1]
			for i := range 2000 {
				ing.Spec.Rules = append(ing.Spec.Rules, networkingv1.IngressRule{Host: fmt.Sprintf("%d.e.f", i), IngressRuleValue: ing.Spec.Rules[0].IngressRuleValue})
			}
			other.Spec.Rules[0].Host = "*.e.f"
			return "1999.e.f"
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := withTLSHosts(t, 6000)
			asks := in.Ingresses[1]
			asks.Annotations = map[string]string{v1alpha1.AnnotationClientAuthSecret: "ca"}
			ca := in.Secrets[0].DeepCopy()
			ca.Name, ca.Data = "ca", map[string][]byte{"ca.crt": ca.Data["tls.crt"]}
			in.Secrets = append(in.Secrets, ca)
			other := in.Ingresses[0].DeepCopy()
			other.Name, other.Spec.TLS = "other", nil
			in.Ingresses = append(in.Ingresses, other)
			host := change(&in, other)

			m, problems, _ := compile.Build(nil, in)
			site := m.Site(host)
			if site == nil || !site.Policy.Unresolved {
				t.Errorf("%s is served by %+v", host, site)
			}
			if got := m.Site(hostOf(0)).Policy; got.Mode != hostmap.ClientAuthRequire {
				t.Errorf("a host within the bound has the policy %+v", got)
			}
			if text := fmt.Sprint(problems); !strings.Contains(text, problem.ClientAuthUnresolved) {
				t.Errorf("%.3000s", text)
			}
		})
	}
}

// What a tenant has over the bound does not touch others.
func TestHostsOverTheBoundRefuseNobodyElse(t *testing.T) {
	in := withTLSHosts(t, 6000)
	in.Ingresses[1].Annotations = map[string]string{v1alpha1.AnnotationClientAuthSecret: "missing"}
	other := cluster(t, 2)
	other.Ingresses[1].Spec.Rules[0].Host = "5000.a.b"
	in.Ingresses = append(in.Ingresses, other.Ingresses[1])
	in.Services, in.EndpointSlices = append(in.Services, other.Services[1]), append(in.EndpointSlices, other.EndpointSlices[1])
	m, _, _ := compile.Build(nil, in)
	if s := m.Site("5000.a.b"); s == nil || s.Policy.Unresolved || len(s.Routes) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestProblemsOfAnObjectAreBounded(t *testing.T) {
	in := cluster(t, 1)
	ing := in.Ingresses[0]
	for i := range 1234 {
		path := ing.Spec.Rules[0].HTTP.Paths[0]
		path.Path = fmt.Sprintf("/../%d", i%1230) // some twice
		ing.Spec.Rules[0].HTTP.Paths = append(ing.Spec.Rules[0].HTTP.Paths, path)
	}
	_, problems, _ := compile.Build(nil, in)
	if n := len(problems); n != 21 {
		t.Errorf("%d problems", n)
	}
	rest := slices.IndexFunc(problems, func(p hostmap.Problem) bool { return p.Message == "and 1,214 more" })
	if rest < 0 || problems[rest].Reason != problem.PathInvalid || problems[rest].Name != ing.Name {
		t.Error(problems)
	}
}

// The product of a Service's ports and its pods is never built.
func TestEndpointsOfAServiceAreBounded(t *testing.T) {
	in := withServicePorts(t)
	m, problems, _ := compile.Build(nil, in)
	n := 0
	for _, k := range m.Backends() {
		n += len(k.Endpoints)
	}
	if n > 50_010 {
		t.Errorf("%d endpoints", n)
	}
	if !strings.Contains(fmt.Sprint(problems), problem.TooManyEndpoints) || len(problems) > 21 {
		t.Errorf("%d problems: %.500v", len(problems), problems)
	}
	if got := len(m.Site(hostOf(0)).Route("/x").Backend.Endpoints); got != 2 {
		t.Errorf("the other Service has %d endpoints", got)
	}
}

// Bytes of Secrets are parsed once, those that cannot be parsed too, and
// forgotten when nothing names them any more.
func TestParsedBytesAreRemembered(t *testing.T) {
	for name, state := range map[string]compile.Input{
		"bundles": withBundles(t, 2), "broken bundles": withBrokenBundles(t), "broken pairs": withBrokenPairs(t),
	} {
		t.Run(name, func(t *testing.T) {
			first, problems, _ := compile.Build(nil, state)
			second, again, _ := compile.Build(first, withAddress(state, 0, "10.9.9.9"))
			if fmt.Sprint(problems) != fmt.Sprint(again) {
				t.Errorf("%.300v\n%.300v", problems, again)
			}
			if !second.Parsed().Equal(first.Parsed()) {
				t.Error("the second map remembers something else")
			}
			allocated := testing.AllocsPerRun(1, func() { sink, _, _ = compile.Build(first, state) })
			if allocated > 10_000 {
				t.Errorf("%v allocations of a rebuild", allocated)
			}
			state.Ingresses = state.Ingresses[:1]
			last, _, _ := compile.Build(second, state)
			if p := last.Parsed(); len(p.Bundles)+len(p.Failures) > 1 {
				t.Errorf("%d bundles and %d failures are kept", len(p.Bundles), len(p.Failures))
			}
		})
	}
}
