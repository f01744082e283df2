package compile_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/ingress"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// FuzzBuild compiles states made of arbitrary octets beside one tenant, the
// victim, whose Ingress is the oldest. Whatever the others write:
//
//   - the victim's site is what it is without them;
//   - no route of an Ingress that asks for client certificates stands in a
//     site that asks for none;
//   - no route of an Ingress that asks for source ranges is without, and none is
//     open of one that has a service asked who comes;
//   - a site holds routes and certificates of one namespace, apart from the
//     default certificate;
//   - nothing is forwarded to an address that no pod has;
//   - the order of objects means nothing, given the previous map and what is
//     recorded of owners, and a second run changes nothing;
//   - a restart that knows the record changes nothing but what is kept of
//     Secrets and policies.
//
// So much also holds where the victim was there first and its Ingress is the
// youngest.
func FuzzBuild(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(octets(seed))
	}
	certs, want := victimAlone(f)
	f.Fuzz(func(t *testing.T, data []byte) { property(t, certs, want, data) })
}

// Most inputs that a fuzzer thinks of run out early; these never do.
func TestRandomStates(t *testing.T) {
	n := uint64(1000)
	if testing.Short() {
		n = 300
	}
	certs, want := victimAlone(t)
	for seed := range n {
		property(t, certs, want, octets(1000+seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func octets(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, 1200)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func victimAlone(t testing.TB) (certs pki, want string) {
	certs = make(pki)
	certs.read(t, "victim hosts=victim.example\none hosts=a.example,*.example\ntwo hosts=b.example rsa\nca")
	m, problems, _ := compile.Build(nil, victimState(certs))
	want = siteText(m, "victim.example")
	if len(problems) != 0 || !strings.Contains(want, "client-auth=require") {
		t.Fatal(want, problems)
	}
	return certs, want
}

func property(t *testing.T, certs pki, want string, data []byte) {
	t.Helper()
	in := victimState(certs)
	g := generator{data: data, certs: certs}
	g.fill(&in)
	m, problems, _ := compile.Build(nil, in)
	checkVictim(t, in, m, want)
	check(t, in, m, problems)

	shuffled := in
	shuffled.Ingresses, shuffled.Secrets = slices.Clone(in.Ingresses), slices.Clone(in.Secrets)
	shuffled.Services, shuffled.EndpointSlices = slices.Clone(in.Services), slices.Clone(in.EndpointSlices)
	shuffled.Classes, shuffled.Policies = slices.Clone(in.Classes), slices.Clone(in.Policies)
	shuffle(rand.New(rand.NewPCG(uint64(len(data)), 2)), &shuffled)
	m2, problems2, _ := compile.Build(nil, shuffled)
	if m.String() != m2.String() || !slices.Equal(problems, problems2) {
		t.Errorf("shuffled:\n%s%v\nsorted:\n%s%v", m2, problems2, m, problems)
	}

	again, problemsAgain, _ := compile.Build(m, in)
	if again != m {
		t.Errorf("a second run made another map:\n%s\n%s", m, again)
	}
	// On a second run what is said about a last good certificate may differ.
	if len(problemsAgain) != len(problems) {
		t.Errorf("problems of the second run: %v\nof the first: %v", problemsAgain, problems)
	}

	// Another state after this one.
	next := victimState(certs)
	g.fill(&next)
	after, _, _ := compile.Build(m, next)
	check(t, next, after, nil)
	checkVictim(t, next, after, want)
	restart(t, next, after)

	young, _, _ := compile.Build(nil, victimState(certs))
	for _, state := range []compile.Input{in, next, in} {
		state.Ingresses = slices.Clone(state.Ingresses)
		state.Ingresses[0] = state.Ingresses[0].DeepCopy()
		state.Ingresses[0].CreationTimestamp = metav1.NewTime(fuzzNow.AddDate(1, 0, 0))
		young, _, _ = compile.Build(young, state)
		check(t, state, young, nil)
		checkVictim(t, state, young, want)
		checkVictim(t, state, restart(t, state, young), want)
	}
}

// restart builds a state without the previous map m of it, with m's record.
func restart(t *testing.T, in compile.Input, m *hostmap.Map) *hostmap.Map {
	t.Helper()
	in.Owners = compile.Contested(m)
	fresh, problems, _ := compile.Build(nil, in)
	kept := slices.ContainsFunc(problems, func(p hostmap.Problem) bool {
		return p.Reason == problem.SecretNotFound || p.Reason == problem.CertificateInvalid ||
			p.Reason == problem.PolicyNotFound || p.Reason == problem.PolicyInvalid
	})
	if !kept && fresh.String() != m.String() {
		t.Errorf("running:\n%s\nrestarted:\n%s", m, fresh)
	}
	return fresh
}

func checkVictim(t *testing.T, in compile.Input, m *hostmap.Map, want string) {
	t.Helper()
	if owner := m.Site("victim.example").Namespace; owner != "victim" {
		t.Errorf("victim.example belongs to %q", owner)
	}
	got := siteText(m, "victim.example")
	if in.AllowSharedHosts {
		// Others may add routes, and nothing else; the text then names the owner.
		got, _, _ = strings.Cut(got, "\n")
		got = strings.Replace(got, " namespace=victim", "", 1)
		want, _, _ = strings.Cut(want, "\n")
	}
	if got != want {
		t.Errorf("the victim's site is\n%s\nwithout the others\n%s", got, want)
	}
}

func check(t *testing.T, in compile.Input, m *hostmap.Map, problems []hostmap.Problem) {
	t.Helper()
	asks, ranged, closed := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for _, ing := range in.Ingresses {
		for name := range ing.Annotations {
			if strings.HasPrefix(name, v1alpha1.AnnotationClientAuth) {
				asks[ing.Namespace+"/"+ing.Name] = true
			}
			if name == v1alpha1.AnnotationAllowSourceRange || name == v1alpha1.AnnotationDenySourceRange {
				ranged[ing.Namespace+"/"+ing.Name] = true
			}
			if name == "nginx.ingress.kubernetes.io/auth-url" && ing.Annotations[name] != "" && in.Nginx == ingress.NginxStrict {
				closed[ing.Namespace+"/"+ing.Name] = true
			}
		}
	}
	for _, s := range m.Sites() {
		var namespaces []string
		for _, r := range s.Routes {
			if asks[r.From.Namespace+"/"+r.From.Name] && s.Policy.Mode == hostmap.ClientAuthNone {
				t.Errorf("site %s serves %s/%s without client certificates", s.Label(), r.From.Namespace, r.From.Name)
			}
			if ranged[r.From.Namespace+"/"+r.From.Name] && !r.Terms.Ranged() && len(r.Backend.Endpoints) != 0 {
				t.Errorf("site %s serves %s to all addresses", s.Label(), r.From)
			}
			if closed[r.From.Namespace+"/"+r.From.Name] && len(r.Backend.Endpoints) != 0 && r.Terms.Auth == (hostmap.Auth{}) {
				t.Errorf("site %s serves %s without asking who comes", s.Label(), r.From)
			}
			if r.Backend.Namespace != r.From.Namespace {
				t.Errorf("site %s: the backend of %s/%s is in %s", s.Label(), r.From.Namespace, r.From.Name, r.Backend.Namespace)
			}
			if !slices.Contains(namespaces, r.From.Namespace) {
				namespaces = append(namespaces, r.From.Namespace)
			}
			for _, e := range r.Backend.Endpoints {
				if a := e.Addr(); a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.Is4In6() || a.Zone() != "" || a.IsLoopback() || e.Port() == 0 {
					t.Errorf("site %s forwards to %s", s.Label(), e)
				}
			}
		}
		if len(namespaces) > 1 && !in.AllowSharedHosts {
			t.Errorf("site %s has routes of %v", s.Label(), namespaces)
		}
		for _, c := range s.Certificates {
			if !in.AllowSharedHosts && len(namespaces) == 1 && c.Secret.Namespace != namespaces[0] && c.Secret.Namespace != "system" {
				t.Errorf("site %s of %s has a certificate of %s", s.Label(), namespaces[0], c.Secret)
			}
		}
	}
	if strings.Contains(m.String(), "PRIVATE") {
		t.Error("the text of the map holds a key")
	}
	for _, p := range problems {
		if len(p.Message) > 2000 || strings.ContainsAny(p.Message, "\n\x00") || strings.Contains(p.Message, "PRIVATE") {
			t.Errorf("message %q", p.Message)
		}
	}
}

// siteText is what the text of a map says of one host.
func siteText(m *hostmap.Map, host string) string {
	_, text, _ := strings.Cut(m.String(), "\nsite "+host+" ")
	text, _, _ = strings.Cut(text, "\nsite ")
	return strings.TrimSuffix(text, "\n")
}

var fuzzNow = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func victimState(certs pki) compile.Input {
	class, prefix, port, portName := "stable", networkingv1.PathTypePrefix, int32(8080), "http"
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "victim", Name: name, CreationTimestamp: metav1.NewTime(fuzzNow.AddDate(-1, 0, 0))}
	}
	ing := &networkingv1.Ingress{ObjectMeta: meta("web")}
	ing.Annotations = map[string]string{v1alpha1.AnnotationClientAuthSecret: "ca"}
	ing.Spec = networkingv1.IngressSpec{
		IngressClassName: &class,
		TLS:              []networkingv1.IngressTLS{{Hosts: []string{"victim.example"}, SecretName: "cert"}},
		Rules:            []networkingv1.IngressRule{{Host: "victim.example"}},
	}
	ing.Spec.Rules[0].HTTP = &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
		Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: "web", Port: networkingv1.ServiceBackendPort{Name: portName},
		}},
	}}}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: meta("web-1"), AddressType: discoveryv1.AddressTypeIPv4,
		Ports:     []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: "web"}
	return compile.Input{
		Now: fuzzNow, Controller: v1alpha1.DefaultControllerName,
		Classes: []*networkingv1.IngressClass{{
			ObjectMeta: metav1.ObjectMeta{Name: class},
			Spec:       networkingv1.IngressClassSpec{Controller: v1alpha1.DefaultControllerName},
		}},
		Ingresses: []*networkingv1.Ingress{ing},
		Secrets: []*corev1.Secret{
			{ObjectMeta: meta("cert"), Data: map[string][]byte{"tls.crt": []byte(certs["victim"].certPEM), "tls.key": []byte(certs["victim"].keyPEM)}},
			{ObjectMeta: meta("ca"), Data: map[string][]byte{"ca.crt": []byte(certs["ca"].certPEM)}},
		},
		Services:       []*corev1.Service{{ObjectMeta: meta("web"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: portName, Port: 80}}}}},
		EndpointSlices: []*discoveryv1.EndpointSlice{slice},
	}
}

// generator makes objects of octets. Where they have run out it makes zeros.
type generator struct {
	data  []byte
	certs pki
}

func (g *generator) n(limit int) int {
	if len(g.data) == 0 {
		return 0
	}
	b := g.data[0]
	g.data = g.data[1:]
	return int(b) % limit
}

// pick is one of the words, or now and then arbitrary octets.
func (g *generator) pick(words ...string) string {
	if i := g.n(len(words) + 1); i < len(words) {
		return words[i]
	}
	n := min(g.n(24), len(g.data))
	s := string(g.data[:n])
	g.data = g.data[n:]
	return s
}

func (g *generator) meta(i int, kind string) metav1.ObjectMeta {
	names := []string{"one", "two", "three"}
	return metav1.ObjectMeta{
		// Each namespace and name once: namespaces go by turns.
		Namespace: []string{"east", "west"}[i%2], Name: kind + names[i/2%3],
		CreationTimestamp: metav1.NewTime(fuzzNow.Add(time.Duration(g.n(3)) * time.Hour)),
	}
}

func (g *generator) fill(in *compile.Input) {
	in.AllowSharedHosts = g.n(4) == 3
	in.Nginx = compile.Nginx(g.n(3))
	if g.n(4) == 0 {
		in.DefaultCertificate.Namespace, in.DefaultCertificate.Name = "system", "flag"
		in.Secrets = append(in.Secrets, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "flag"},
			Data:       map[string][]byte{"tls.crt": []byte(g.certs["one"].certPEM), "tls.key": []byte(g.certs["one"].keyPEM)},
		})
	}
	other := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	other.Spec.Controller = g.pick(v1alpha1.DefaultControllerName, v1alpha1.DefaultControllerName, "example.com/other")
	if g.n(2) == 0 {
		group, ns := v1alpha1.GroupName, "east"
		other.Spec.Parameters = &networkingv1.IngressClassParametersReference{
			APIGroup: &group, Kind: "AuthorityPolicy", Name: g.pick("options", "options", "missing"), Namespace: &ns,
		}
	}
	in.Classes = append(in.Classes, other)
	in.Policies = append(in.Policies, g.policy())
	for i := range g.n(7) {
		in.Ingresses = append(in.Ingresses, g.ingress(i))
	}
	if g.n(8) == 7 {
		in.TerminatingNamespaces = map[string]bool{"west": true}
	}
	for i := range g.n(7) {
		in.Secrets = append(in.Secrets, g.secret(i))
	}
	for i := range g.n(5) {
		in.Services = append(in.Services, g.service(i))
		in.EndpointSlices = append(in.EndpointSlices, g.slice(i))
	}
}

func (g *generator) policy() *v1alpha1.AuthorityPolicy {
	p := &v1alpha1.AuthorityPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "east", Name: "options"}}
	p.Spec.Misdirected.Rule = v1alpha1.Rule(g.pick("", "certificate", "off", "server-name"))
	p.Spec.Misdirected.Enforcement = v1alpha1.Enforcement(g.pick("", "Report"))
	p.Spec.TrustedGateways = []v1alpha1.CIDR{v1alpha1.CIDR(g.pick("10.0.0.0/8", "::/0", "10.0.0.0/8"))}
	p.Spec.TLS.MinVersion = v1alpha1.TLSVersion(g.pick("", "1.2", "1.3"))
	p.Spec.HTTP.IdleTimeout = v1alpha1.Duration(g.pick("", "10s"))
	p.Spec.HTTP.MaxStreams = int32(g.n(256)) - 20
	for range g.n(3) {
		p.Spec.Claims = append(p.Spec.Claims, v1alpha1.HostClaim{
			Namespaces: []v1alpha1.Namespace{v1alpha1.Namespace(g.pick("east", "west")), "victim"},
			Hosts:      []v1alpha1.HostPattern{v1alpha1.HostPattern(g.pick("*.example", "a.example", "*.a.example", "a.b.example"))},
		})
	}
	return p
}

func (g *generator) host() string {
	return g.pick("", "a.example", "A.Example.", "*.example", "b.example", "victim.example", "Victim.Example.", "*.b.example", "10.0.0.1", "*", "a.b.example")
}

func (g *generator) backend() networkingv1.IngressBackend {
	if g.n(8) == 7 {
		return networkingv1.IngressBackend{}
	}
	b := &networkingv1.IngressServiceBackend{Name: g.pick("svcone", "svctwo", "missing")}
	if g.n(2) == 0 {
		b.Port.Name = g.pick("http", "")
	} else {
		b.Port.Number = int32([]int{0, 80, 81, -1}[g.n(4)])
	}
	return networkingv1.IngressBackend{Service: b}
}

func (g *generator) ingress(i int) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{ObjectMeta: g.meta(i, "ing")}
	if class := g.pick("stable", "stable", "other", "missing"); g.n(8) != 7 {
		ing.Spec.IngressClassName = &class
	}
	const nginx = "nginx.ingress.kubernetes.io/"
	ing.Annotations = make(map[string]string)
	for range g.n(4) {
		name := g.pick(append(ingress.AnnotationNames(), v1alpha1.AnnotationPrefix+"unknown",
			nginx+"rewrite-target", nginx+"use-regex", nginx+"auth-tls-secret", nginx+"whitelist-source-range", nginx+"auth-url", nginx+"app-root")...)
		ing.Annotations[name] = g.pick("true", "false", "off", "report", "secone", "sectwo", "require", "optional", "2", "HTTPS", "GRPC", "b.example,victim.example", "*.example, a.example",
			"10.0.0.0/8", "10.0.0.0/8, 192.0.2.1", "10s", "8Mi", "/x", "/$1", "https://x.example/", "max-age=60")
	}
	if g.n(3) == 0 {
		b := g.backend()
		ing.Spec.DefaultBackend = &b
	}
	for range g.n(4) {
		r := networkingv1.IngressRule{Host: g.host()}
		if g.n(4) != 3 {
			r.HTTP = &networkingv1.HTTPIngressRuleValue{}
			for range g.n(4) {
				kind := networkingv1.PathType(g.pick("Prefix", "Exact", "ImplementationSpecific"))
				r.HTTP.Paths = append(r.HTTP.Paths, networkingv1.HTTPIngressPath{
					Path: g.pick("", "/", "/a", "/a/", "/a/../b", "x", "/.well-known/acme-challenge/x"), PathType: &kind, Backend: g.backend(),
				})
			}
		}
		ing.Spec.Rules = append(ing.Spec.Rules, r)
	}
	for range g.n(3) {
		e := networkingv1.IngressTLS{SecretName: g.pick("", "secone", "sectwo", "missing", "victim/cert")}
		for range g.n(3) {
			e.Hosts = append(e.Hosts, g.host())
		}
		ing.Spec.TLS = append(ing.Spec.TLS, e)
	}
	return ing
}

func (g *generator) secret(i int) *corev1.Secret {
	value := func(kind string) []byte {
		return []byte(g.certs.expand(g.pick(kind+":one", kind+":two", "", kind+":one "+kind+":two", kind+":one -----BEGIN")))
	}
	return &corev1.Secret{
		ObjectMeta: g.meta(i, "sec"),
		Type:       corev1.SecretType(g.pick("", "Opaque", "kubernetes.io/tls")),
		Data:       map[string][]byte{"tls.crt": value("certificate"), "tls.key": value("key"), "ca.crt": value("certificate")},
	}
}

func (g *generator) service(i int) *corev1.Service {
	s := &corev1.Service{ObjectMeta: g.meta(i, "svc")}
	s.Spec.Type = corev1.ServiceType(g.pick("", "ClusterIP", "ExternalName"))
	for range g.n(3) {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{
			Name: g.pick("http", ""), Port: int32([]int{80, 81, 0}[g.n(3)]), Protocol: corev1.Protocol(g.pick("", "TCP", "UDP")),
		})
	}
	return s
}

func (g *generator) slice(i int) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: g.meta(i, "svc")}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: s.Name}
	s.AddressType = discoveryv1.AddressType(g.pick("IPv4", "IPv6", "FQDN"))
	for range g.n(3) {
		name, port := g.pick("http", ""), int32([]int{8080, 0, -1, 70000}[g.n(4)])
		s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &name, Port: &port})
	}
	for range g.n(4) {
		e := discoveryv1.Endpoint{Addresses: []string{g.pick("10.0.0.2", "::1", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0")}}
		if g.n(2) == 0 {
			ready, draining := g.n(2) == 0, g.n(2) == 0
			e.Conditions = discoveryv1.EndpointConditions{Ready: &ready, Serving: &draining, Terminating: &draining}
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}
