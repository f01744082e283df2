package controllers_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// A guard reads Gateways where the cluster knows them, follows them, and does
// without where it does not.
func TestGatewaysOfAGuardedClass(t *testing.T) {
	w := newWorld(t)
	guard := func(c *controllers.Config) {
		c.Guarded = []string{w.class}
		c.Guard = hostmap.Guarded{Namespace: w.namespace, Service: "web", Port: "80", Protocol: hostmap.HTTPS}
	}
	host := w.namespace + ".test"
	w.create(w.secret("tls", host, "later."+host), w.ingress("web", "old."+host, ""))
	w.start(guard).text("site old." + host)

	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		t.Fatal(err)
	}
	crds := envtest.CRDInstallOptions{Paths: []string{filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", "standard", "gateway.networking.k8s.io_gateways.yaml")}}
	if _, err := envtest.InstallCRDs(w.cluster.Config, crds); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(w.cluster.Config, crds); err != nil {
			t.Error(err)
		}
	})
	listener := func(name, host string) any {
		return map[string]any{
			"name": name, "port": int64(443), "protocol": "HTTPS", "hostname": host,
			"tls": map[string]any{"certificateRefs": []any{map[string]any{"name": "tls"}}},
		}
	}
	gateway := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
		"metadata": map[string]any{"name": "edge", "namespace": w.namespace},
		"spec":     map[string]any{"gatewayClassName": w.class, "listeners": []any{listener("first", host)}},
	}}
	w.create(gateway)
	r := w.start(guard)
	r.text("site "+host, "certificates="+w.namespace+"/tls@", "gateway="+w.namespace+"/edge", "site old."+host)
	if err := unstructured.SetNestedSlice(gateway.Object, []any{listener("first", host), listener("second", "later."+host)}, "spec", "listeners"); err != nil {
		t.Fatal(err)
	}
	w.update(gateway)
	r.text("site later." + host)
	w.remove(gateway)
	r.until("map without the Gateway's hosts", func(m *hostmap.Map, _ []hostmap.Problem) bool { return m.Site(host) == nil })
}
