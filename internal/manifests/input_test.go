package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// Who writes the folder runs the backends beside it, as the examples do.
func TestLoopbackEndpointsOfAFolderAreServed(t *testing.T) {
	dir := t.TempDir()
	text := ingress("a", "a.test") + `---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: 8080}]
`
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), source.Config{Controller: v1alpha1.DefaultControllerName}, dir)
	if err != nil || slices.ContainsFunc(got.Problems, func(p hostmap.Problem) bool { return p.Kind == KindFile }) {
		t.Fatal(got.Problems, err)
	}
	if !strings.Contains(got.Map.String(), "endpoints=127.0.0.1:8080") {
		t.Errorf("%s%v", got.Map, got.Problems)
	}
}
