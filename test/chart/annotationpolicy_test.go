package chart

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/compile/ingress"
	"github.com/ingress421/ingress421/internal/testkit"
)

// The policy knows the annotations that the compiler knows, and no others.
func TestAnnotationPolicyKnowsTheAnnotations(t *testing.T) {
	text := render(t, "annotationPolicy=Deny")
	_, list, _ := strings.Cut(text, "- name: known")
	list, _, _ = strings.Cut(list, "- name: now")
	got := regexp.MustCompile(`ingress421\.dev/[a-z-]+`).FindAllString(list, -1)
	want := ingress.AnnotationNames()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("annotations (-compiler +chart):\n%s", diff)
	}
	if strings.Contains(render(t), "ValidatingAdmissionPolicy") {
		t.Error("there is a policy though nobody asked for one")
	}
}

// An API server with the policy refuses a misspelt annotation, says which, and
// lets through what it must.
func TestAnnotationPolicyRefusesTheMisspelt(t *testing.T) {
	t.Parallel()
	c := cluster.Get(t)
	edge, shop, other := c.Namespace(t), c.Namespace(t), c.Namespace(t)
	args := []string{
		chartDir(t), "--kubeconfig", c.Kubeconfig, "--namespace", edge, "--set", "controllerName=ingress421.dev/" + edge,
		"--set", "ingressClass.name=" + edge, "--skip-crds", "--set", "annotationPolicy=Deny", "--set", "namespaces={" + shop + "}",
	}
	put := func(namespace, name, annotations string) (string, error) {
		return c.Kubectl(t.Context(), fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: %s, annotations: {%s}}
spec: {rules: [{host: %s.test}]}
`, name, namespace, annotations, name), "apply", "-f", "-")
	}
	if out, err := put(shop, "old", `ingress421.dev/misdirectd: "off"`); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := helm(t, append([]string{"install", "ingress421"}, args...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer func() {
		if out, err := helm(t, "uninstall", "ingress421", "--kubeconfig", c.Kubeconfig, "--namespace", edge); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}()
	// It takes the API server a moment to hear of a policy.
	tries := 0
	testkit.Eventually(t, "a misspelt annotation is refused", func() string {
		tries++ // One that was taken is not asked about again.
		out, err := put(shop, fmt.Sprint("new-", tries), `ingress421.dev/misdirectd: "off"`)
		switch {
		case err == nil:
			return "it is taken"
		case !strings.Contains(err.Error()+out, "reads no annotation ingress421.dev/misdirectd; it reads ingress421.dev/"):
			return err.Error() + out
		}
		return ""
	})
	for _, tt := range []struct {
		why, namespace, name, annotations string
		taken                             bool
	}{
		{"an annotation that is read", shop, "right", `ingress421.dev/misdirected: "off"`, true},
		{"a name in other case", shop, "upper", `Ingress421.dev/misdirected: "off"`, false},
		{"another's annotation", shop, "foreign", `example.com/misdirectd: "off"`, true},
		{"no annotation", shop, "none", "", true},
		{"an old mistake beside a change", shop, "old", `ingress421.dev/misdirectd: "off", example.com/new: x`, true},
		{"a new mistake beside an old one", shop, "old", `ingress421.dev/misdirectd: "off", ingress421.dev/hts: x`, false},
		{"another namespace than those that are watched", other, "other", `ingress421.dev/misdirectd: "off"`, true},
	} {
		if out, err := put(tt.namespace, tt.name, tt.annotations); (err == nil) != tt.taken {
			t.Errorf("%s: taken %v, want %v: %v\n%s", tt.why, err == nil, tt.taken, err, out)
		}
	}
}
