package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// Each folder of examples/guard renders to a guard that starts: its arguments are
// taken, and so is its file of hosts.
func TestGuardExamples(t *testing.T) {
	t.Parallel()
	examples := filepath.Join(require.Root(t), "examples", "guard")
	folders, err := filepath.Glob(filepath.Join(examples, "*", "guard.yaml"))
	if err != nil || len(folders) < 6 {
		t.Fatalf("%v, %v", folders, err)
	}
	for _, values := range folders {
		t.Run(filepath.Base(filepath.Dir(values)), func(t *testing.T) {
			if text, err := os.ReadFile(filepath.Join(filepath.Dir(values), "controller.yaml")); err != nil {
				t.Error(err)
			} else {
				for _, doc := range strings.Split(string(text), "\n---\n") {
					if err := yaml.UnmarshalStrict([]byte(doc), new(map[string]any)); err != nil {
						t.Errorf("controller.yaml: %v", err)
					}
				}
			}
			out, err := helm(t, "template", "guard", chartDir(t), "--namespace", "ingress421", "-f", values)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			dir := t.TempDir()
			var args []string
			for _, doc := range strings.Split(out, "\n---\n") {
				var head struct{ Kind string }
				if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
					t.Fatal(err)
				}
				switch head.Kind {
				case "Deployment":
					var d appsv1.Deployment
					if err := yaml.UnmarshalStrict([]byte(doc), &d); err != nil {
						t.Fatal(err)
					}
					args = d.Spec.Template.Spec.Containers[0].Args
				case "ConfigMap":
					var m corev1.ConfigMap
					if err := yaml.UnmarshalStrict([]byte(doc), &m); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(dir, "hosts"), []byte(m.Data["hosts.yaml"]), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			// As for a cluster, but for the objects, of which there are none.
			check := []string{"check", "--manifests", t.TempDir()}
			for _, arg := range args {
				if name, _, _ := strings.Cut(arg, "="); strings.HasPrefix(name, "--guard-") {
					check = append(check, strings.Replace(arg, "/etc/ingress421/guard/hosts.yaml", filepath.Join(dir, "hosts"), 1))
				}
			}
			if !slices.ContainsFunc(check, func(arg string) bool { return strings.HasPrefix(arg, "--guard-upstream=") }) {
				t.Fatalf("no guard in %q", args)
			}
			// 3: there is something wrong, as the controller's Service is not there.
			cmd := exec.CommandContext(t.Context(), testkit.Binary(t), check...)
			said, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 {
				t.Errorf("%v: %v\n%s", check, err, said)
			}
		})
	}
}
