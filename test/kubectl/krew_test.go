package kubectl

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/test/require"
)

// The manifest names an archive that is there, is what it says, and holds a
// program that kubectl finds.
func TestKrewManifest(t *testing.T) {
	require.Tool(t, "tar")
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "hack/krew.sh", "v1.2.3", out)
	cmd.Dir = require.Root(t)
	cmd.Env = append(os.Environ(), "PLATFORMS="+runtime.GOOS+"/"+runtime.GOARCH)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	text, err := os.ReadFile(filepath.Join(out, "ingress421.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
		Spec             struct {
			Version, Homepage, ShortDescription, Description, Caveats string
			Platforms                                                 []struct {
				Selector         struct{ MatchLabels map[string]string }
				URI, SHA256, Bin string
			}
		}
	}
	if err := yaml.UnmarshalStrict(text, &manifest); err != nil {
		t.Fatal(err)
	}
	spec := manifest.Spec
	if manifest.Kind != "Plugin" || manifest.Metadata.Name != "ingress421" || spec.Version != "v1.2.3" || spec.ShortDescription == "" || len(spec.Platforms) != 1 {
		t.Fatalf("manifest %+v", manifest)
	}
	p := spec.Platforms[0]
	archive := filepath.Join(out, filepath.Base(p.URI))
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(content); p.SHA256 != hex.EncodeToString(sum[:]) || !strings.Contains(p.URI, "/v1.2.3/") {
		t.Errorf("platform %+v, want SHA-256 %x of %s", p, sum, archive)
	}
	if said, err := exec.CommandContext(t.Context(), "tar", "-xzf", archive, "-C", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	said, err := exec.CommandContext(t.Context(), filepath.Join(out, p.Bin), "--help").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "kubectl ingress421 status") {
		t.Errorf("error %v, help\n%s", err, said)
	}
}
