package kube_test

import (
	"os"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ingress421/ingress421/test/kube"
)

const ingressYAML = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: a.example
    http:
      paths:
      - {path: /, pathType: %s, backend: {service: {name: web, port: {number: 80}}}}
`

var cluster kube.Shared

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

func TestClusterValidates(t *testing.T) {
	c := cluster.Get(t)
	ns := c.Namespace(t)
	manifest := func(pathType string) string { return strings.Replace(ingressYAML, "%s", pathType, 1) }

	out, err := c.Kubectl(t.Context(), manifest("Glob"), "-n", ns, "apply", "--dry-run=server", "-f", "-")
	if err == nil || !strings.Contains(out, `Unsupported value: "Glob"`) {
		t.Errorf("an unknown pathType: error %v, output %q, want it refused", err, out)
	}
	if _, err := c.Kubectl(t.Context(), manifest("Prefix"), "-n", ns, "apply", "-f", "-"); err != nil {
		t.Error(err)
	}
}

func TestNamespaceIsEmptied(t *testing.T) {
	c := cluster.Get(t)
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	var ns string
	t.Run("test with an Ingress", func(t *testing.T) {
		ns = c.Namespace(t)
		ingress := &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
			}},
		}
		if _, err := clients.NetworkingV1().Ingresses(ns).Create(t.Context(), ingress, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	left, err := clients.NetworkingV1().Ingresses(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Items) != 0 {
		t.Errorf("%d Ingresses outlive their test, want none", len(left.Items))
	}
}
