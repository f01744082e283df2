package check_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/cmd/check"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/manifests"
	"github.com/ingress421/ingress421/internal/source"
)

var update = flag.Bool("update", false, "write what is printed into testdata")

// TestTable checks the manifests of each case, and compares what is printed
// with its file "want". The name of a case says what it shows.
func TestTable(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, want := t.TempDir(), -1
			options := compile.Options{Controller: v1alpha1.DefaultControllerName}
			for i, f := range archive.Files {
				switch f.Name {
				case "want":
					want = i
					continue
				case "ingress-class":
					options.ClassNames, options.Classless = strings.Fields(string(f.Data)), true
					continue
				case "guard-class":
					options.Guarded = strings.Fields(string(f.Data))
					options.Guard = hostmap.Guarded{Namespace: "nginx", Service: "controller", Port: "80"}
					continue
				}
				name := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(dir)
			report := load(t, options, ".")
			var out bytes.Buffer
			if err := report.Table(&out); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if report.Bad() {
				text += "(bad)\n"
			}
			if *update {
				archive.Files[want].Data = []byte(text)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[want].Data), text); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
		})
	}
}

func load(t *testing.T, options compile.Options, paths ...string) *check.Report {
	t.Helper()
	o, err := manifests.Load(t.Context(), source.Config{Options: options}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	return check.Of(&o)
}

// What machines are told is what people are told.
func TestJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	text := `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations: {ingress421.dev/ssl-redirct: "true"}
spec: {rules: [{host: a.test}]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := load(t, compile.Options{Controller: v1alpha1.DefaultControllerName}, file).JSON(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Objects []struct {
			Kind, Namespace, Name, File, Status string
			Line                                int
			Findings                            []struct {
				Status, Field, Reason, Message string
				Line                           int
			}
		}
		Findings map[string]int
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Objects) != 1 || got.Findings["lost"] != 1 {
		t.Fatalf("%s\nwant one object with one thing lost", &out)
	}
	o := got.Objects[0]
	if o.Kind != "Ingress" || o.Namespace != "default" || o.Name != "web" || o.File != file || o.Line != 1 || o.Status != "lost" {
		t.Errorf("object %+v", o)
	}
	if f := o.Findings[0]; f.Reason != problem.AnnotationUnknown || f.Field != "metadata.annotations[ingress421.dev/ssl-redirct]" || f.Line != 5 ||
		!strings.Contains(f.Message, "Did you mean ingress421.dev/ssl-redirect?") {
		t.Errorf("finding %+v", f)
	}
}
