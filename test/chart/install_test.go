package chart

import (
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/test/kube"
	"github.com/ingress421/ingress421/test/require"
)

// The API server takes every object of every rendering.
func TestServerTakesManifests(t *testing.T) {
	c := cluster.Get(t)
	namespace := c.Namespace(t)
	for name, values := range map[string][]string{
		"defaults":   nil,
		"everything": {"policy.misdirected.rule=server-name", "policy.tls.minVersion=1.3", "networkPolicy.enabled=true", "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring", "service.httpNodePort=30080", "ingressClass.default=true"},
		"namespaces": {"namespaces={" + namespace + "}"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"template", "ingress421", chartDir(t), "--namespace", namespace, "--set-string", "image.tag=test"}
			for _, value := range values {
				set := "--set"
				if strings.Contains(value, "minVersion") {
					set = "--set-string"
				}
				args = append(args, set, value)
			}
			manifests, err := helm(t, args...)
			if err != nil {
				t.Fatalf("%v\n%s", err, manifests)
			}
			if _, err := c.Kubectl(t.Context(), manifests, "apply", "--dry-run=server", "--validate=strict", "-f", "-"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two releases of one controller would serve each other's Ingresses.
func TestSecondReleaseNeedsItsOwnController(t *testing.T) {
	c := cluster.Get(t)
	first, second := c.Namespace(t), c.Namespace(t)
	run := func(verb, release, namespace string, args ...string) (string, error) {
		return helm(t, append([]string{
			verb, release, chartDir(t), "--kubeconfig", c.Kubeconfig, "--namespace", namespace, "--skip-crds",
		}, args...)...)
	}
	const class = "ingressClass.name=second-release"
	if out, err := run("install", "one", first, "--set", "ingressClass.name=first-release"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer func() {
		if out, err := helm(t, "uninstall", "one", "--kubeconfig", c.Kubeconfig, "--namespace", first); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}()
	if out, err := run("upgrade", "one", first, "--dry-run=server", "--set", "ingressClass.name=first-release"); err != nil {
		t.Errorf("an upgrade: %v\n%s", err, out)
	}
	if out, err := run("install", "two", second, "--dry-run=server", "--set", class); err == nil || !strings.Contains(out, first+"/one") || !strings.Contains(out, "controllerName") {
		t.Errorf("a second release with the same controller: error %v\n%s", err, out)
	}
	if out, err := run("install", "two", second, "--dry-run=server", "--set", class, "--set", "controllerName=ingress421.dev/second"); err != nil {
		t.Errorf("a second release with its own controller: %v\n%s", err, out)
	}
}

// The API server's own Pod Security admission judges the pod, as restricted.
func TestPodIsRestricted(t *testing.T) {
	c := cluster.Get(t)
	namespace := c.Namespace(t)
	if _, err := c.Kubectl(t.Context(), "", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"); err != nil {
		t.Fatal(err)
	}
	// The admission of pods asks for the account, which the chart makes.
	if _, err := c.Kubectl(t.Context(), "", "-n", namespace, "create", "serviceaccount", "ingress421"); err != nil {
		t.Fatal(err)
	}
	create := func(spec any) error {
		pod, err := yaml.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "ingress421"}, "spec": spec,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Kubectl(t.Context(), string(pod), "-n", namespace, "create", "--dry-run=server", "-f", "-")
		return err
	}
	pod := deployment(t).Spec.Template.Spec
	if err := create(pod); err != nil {
		t.Errorf("the chart's pod is refused: %v", err)
	}
	pod.SecurityContext.SeccompProfile = nil
	if err := create(pod); err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("a pod without a seccomp profile: %v, want a refusal by Pod Security", err)
	}
}

// What an installed release may do, asked of the API server's authoriser.
func TestInstalledReleaseMayDoWhatItNeedsOnly(t *testing.T) {
	t.Parallel()
	// A cluster of its own: a release has cluster-wide objects.
	c := kube.Start(t)
	edge, shop, other := c.Namespace(t), c.Namespace(t), c.Namespace(t)
	type ask struct {
		namespace, verb, resource string
		want                      bool
	}
	everywhere := []ask{
		{"", "list", "ingressclasses", true},
		{"", "update", "ingressclasses", false},
		{edge, "create", "leases", true},
		{edge, "update", "leases/ingress421-leader", true},
		{edge, "update", "leases/someone-else", false},
		{edge, "list", "leases", false},
		{edge, "create", "configmaps", true},
		{edge, "update", "configmaps/ingress421-owners", true},
		{edge, "watch", "configmaps/ingress421-owners", true},
		{edge, "get", "configmaps/someone-else", false},
		{edge, "list", "configmaps", false},
		{"", "get", "namespaces", false},
		{shop, "watch", "ingresses", true},
		{shop, "update", "ingresses", false},
		{shop, "watch", "secrets", true},
		{shop, "update", "secrets", false},
		{shop, "watch", "services", true},
		{shop, "watch", "endpointslices", true},
		{shop, "watch", "authoritypolicies", true},
		{shop, "patch", "authoritypolicies --subresource=status", true},
		{shop, "patch", "authoritypolicies", false},
		{shop, "create", "events.events.k8s.io", true},
		{shop, "create", "events", true},
		{"default", "patch", "events.events.k8s.io", true},
		{"default", "update", "configmaps", false},
		{shop, "list", "pods", false},
		{shop, "list", "configmaps", false},
		{shop, "create", "leases", false},
		{shop, "create", "configmaps", false},
	}
	status := "ingresses --subresource=status"
	tests := []struct {
		name   string
		values []string
		asks   []ask
	}{
		{"whole cluster", nil, []ask{
			{shop, "update", status, true}, {other, "list", "secrets", true}, {"", "list", "secrets", true},
			{"", "watch", "namespaces", true},
		}},
		{"some namespaces, and a default certificate of another", []string{"namespaces={" + shop + "}", "defaultCertificate=" + other + "/default-tls"}, []ask{
			{other, "get", "secrets/default-tls", true}, {other, "get", "secrets/x", false},
			{shop, "update", status, true}, {edge, "list", "secrets", true}, {other, "list", "secrets", false}, {"", "list", "secrets", false}, {other, "list", "ingresses", false},
			{"", "list", "namespaces", false},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{chartDir(t), "--kubeconfig", c.Kubeconfig, "--namespace", edge}
			for _, value := range tt.values {
				args = append(args, "--set", value)
			}
			if out, err := helm(t, append([]string{"install", "ingress421"}, args...)...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			defer func() {
				if out, err := helm(t, "uninstall", "ingress421", "--kubeconfig", c.Kubeconfig, "--namespace", edge); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			}()
			if out, err := helm(t, append([]string{"upgrade", "ingress421", "--set", "logLevel=debug"}, args...)...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, a := range append(everywhere, tt.asks...) {
				question := []string{"auth", "can-i", "--as=system:serviceaccount:" + edge + ":ingress421", a.verb}
				question = append(question, strings.Fields(a.resource)...)
				if a.namespace == "" {
					question = append(question, "--all-namespaces")
				} else {
					question = append(question, "--namespace="+a.namespace)
				}
				out, err := c.Kubectl(t.Context(), "", question...)
				// can-i ends with 1 to say no.
				answer := lastLine(out)
				if answer != "yes" && answer != "no" {
					t.Fatalf("%v", err)
				}
				if got := answer == "yes"; got != a.want {
					t.Errorf("may %s %s in %q: %v, want %v", a.verb, a.resource, a.namespace, got, a.want)
				}
			}
		})
	}
}

// The samples are what people copy.
func TestSamples(t *testing.T) {
	c := cluster.Get(t)
	if _, err := c.Kubectl(t.Context(), "", "create", "namespace", "ingress421"); err != nil {
		t.Fatal(err)
	}
	samples := filepath.Join(require.Root(t), "config", "samples")
	out, err := c.Kubectl(t.Context(), "", "apply", "--dry-run=server", "--validate=strict", "-k", samples)
	if err != nil {
		t.Error(err)
	}
	if got := strings.Count(out, "created (server dry run)"); got != 3 {
		t.Errorf("%d objects, want 3:\n%s", got, out)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := lines[len(lines)-1]
	// "no - no RBAC policy matched" is a no.
	answer, _, _ := strings.Cut(last, " ")
	return answer
}

// What docs/install.md says for those who install without Helm.
func TestKustomizeInstalls(t *testing.T) {
	t.Parallel()
	c := kube.Start(t)
	root := require.Root(t)
	if _, err := c.Kubectl(t.Context(), "", "apply", "-k", filepath.Join(root, "config", "default")); err != nil {
		t.Error(err)
	}
	if _, err := c.Kubectl(t.Context(), "", "apply", "-k", filepath.Join(root, "config", "samples")); err != nil {
		t.Error(err)
	}
	if _, err := c.Kubectl(t.Context(), "", "apply", "--server-side", "--force-conflicts", "-f", filepath.Join(root, "charts", "ingress421", "crds")); err != nil {
		t.Error(err)
	}
}
