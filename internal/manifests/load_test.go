package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

func TestPositions(t *testing.T) {
	const text = `# comment
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: a
  annotations:
    other: x
    ingress421.dev/hsts: "true"
spec:
  rules:
  - host: a.test
  - host: b.test
    http:
      paths:
      - {path: /, backend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: b, namespace: ns}
  spec:
    tls:
    - secretName: x
- apiVersion: networking.k8s.io/v1
  kind: IngressClass
  metadata:
    name: c
`
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		got, err := Load(t.Context(), source.Config{Controller: v1alpha1.DefaultControllerName}, path)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			object, field string
			line          int
		}{
			{"Ingress default/a", "", 2},
			{"Ingress default/a", "metadata.annotations[ingress421.dev/hsts]", 8},
			{"Ingress default/a", "metadata.annotations[missing]", 6},
			{"Ingress default/a", "spec.rules[1].host", 12},
			{"Ingress default/a", "spec.rules[1].http.paths[0].backend.service.name", 15},
			{"Ingress default/a", "spec.rules[9].host", 10},
			{"Ingress default/a", "status", 2},
			{"Ingress ns/b", "", 20},
			{"Ingress ns/b", "spec.tls[0].secretName", 25},
			{"IngressClass c", "metadata.name", 29},
		} {
			place, ok := got.Positions[objectNamed(tt.object)]
			if !ok || place.File != file {
				t.Fatalf("%s: it is in %q, want %q; problems %v", tt.object, place.File, file, got.Problems)
			}
			if line, _ := place.Find(tt.field); line != tt.line {
				t.Errorf("%s %s: line %d, want %d", tt.object, tt.field, line, tt.line)
			}
		}
	}
}

// objectNamed reads what hostmap.Object's String writes.
func objectNamed(text string) hostmap.Object {
	kind, name, _ := strings.Cut(text, " ")
	if namespace, name, ok := strings.Cut(name, "/"); ok {
		return hostmap.Object{Kind: kind, Namespace: namespace, Name: name}
	}
	return hostmap.Object{Kind: kind, Name: name}
}

// JSON is no YAML where tabs indent it; then the line is the document's.
func TestPositionsInJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.json")
	text := "\n{\n\t\"apiVersion\": \"networking.k8s.io/v1\",\n\t\"kind\": \"Ingress\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), source.Config{}, file)
	if err != nil {
		t.Fatal(err)
	}
	place := got.Positions[objectNamed("Ingress default/a")]
	if line, _ := place.Find("metadata.name"); place.Line != 2 || line < 2 {
		t.Errorf("lines %d and %d, want 2 and what follows it", place.Line, line)
	}
}

func TestLoadReadsFilesAndFolders(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"one/a.yaml": ingress("a", "a.test"), "one/more/b.yaml": ingress("b", "b.test"), "c.txt": ingress("c", "c.test"),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A file is read whatever it is called; of the folder within nobody asked.
	got, err := Load(t.Context(), source.Config{}, filepath.Join(dir, "one"), filepath.Join(dir, "c.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, s := range got.Map.Sites() {
		hosts = append(hosts, s.Host)
	}
	if strings.Join(hosts, " ") != "a.test c.test" {
		t.Errorf("hosts %v, want a.test and c.test", hosts)
	}
	if len(got.Problems) == 0 || got.Problems[0].Reason != ReasonFolderPassedOver || got.Problems[0].Name != filepath.Join(dir, "one", "more") {
		t.Errorf("problems %v, want one that names the folder that is not read", got.Problems)
	}
	if _, err := Load(t.Context(), source.Config{}, filepath.Join(dir, "none")); err == nil {
		t.Error("no error for a path that is not there")
	}
}
