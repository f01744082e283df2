package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// The steps of examples/audit/github.yml end with a red audit and a file that
// shows its finding at the line of the Ingress. What only GitHub can do, and what
// installs the released program, is not run.
func TestAuditOnGitHub(t *testing.T) {
	for _, tool := range []string{"openssl", "make"} {
		require.Tool(t, tool)
	}
	root, dir := require.Root(t), t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "examples/audit/github.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		On          []string          `json:"on"`
		Permissions map[string]string `json:"permissions"`
		Jobs        map[string]struct {
			Steps []struct {
				Name, Run, Uses, If string
				With                map[string]string
			} `json:"steps"`
		} `json:"jobs"`
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	failed, shown := "", ""
	for _, step := range workflow.Jobs["audit"].Steps {
		switch {
		case step.With["sarif_file"] != "":
			if failed != "" && step.If != "always()" {
				t.Errorf("%s is left out when %s has failed", step.Name, failed)
			}
			shown = filepath.Join(dir, step.With["sarif_file"])
		case step.Run == "" || strings.HasPrefix(step.Run, "go install "):
		default:
			cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", step.Run)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+onPath(t)+string(os.PathListSeparator)+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				failed = step.Name
				t.Logf("%s: %v\n%s", step.Name, err, out)
			}
		}
	}
	if failed != "Audit" {
		t.Errorf("failed step: %q", failed)
	}
	log, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	var sarif struct {
		Runs []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(log, &sarif); err != nil {
		t.Fatal(err)
	}
	if len(sarif.Runs) != 1 || len(sarif.Runs[0].Results) != 1 {
		t.Fatalf("not one result: %s", log)
	}
	result := sarif.Runs[0].Results[0]
	at := result.Locations[0].PhysicalLocation
	ingress, err := os.ReadFile(filepath.Join(dir, at.ArtifactLocation.URI))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(ingress), "\n")
	if line := lines[at.Region.StartLine-1]; result.RuleID != "RuleStricterThanCertificate" || line[at.Region.StartColumn-1:] != "ingress421.dev/misdirected: same-certificate" {
		t.Errorf("%s at %s:%d:%d: %q", result.RuleID, at.ArtifactLocation.URI, at.Region.StartLine, at.Region.StartColumn, line)
	}
}

// onPath is a folder with the program under its own name.
func onPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(testkit.Binary(t), filepath.Join(dir, "ingress421")); err != nil {
		t.Fatal(err)
	}
	return dir
}
