package cmd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
)

// manifest is an Ingress of namespace shop with a Secret of its own name.
func manifest(t *testing.T, name, annotation, host string, c *testkit.Certificate) string {
	t.Helper()
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  namespace: shop
  name: %[1]s
  annotations: {%[2]s}
spec:
  tls: [{hosts: [%[3]s], secretName: %[1]s}]
  rules:
  - host: %[3]s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Secret
metadata: {namespace: shop, name: %[1]s}
type: kubernetes.io/tls
data: {tls.crt: %[4]s, tls.key: %[5]s}
`, name, annotation, host, base64.StdEncoding.EncodeToString(c.PEM), base64.StdEncoding.EncodeToString(c.KeyPEM))
}

// The exit code of audit says whether something should be mended.
func TestAudit(t *testing.T) {
	ca := testkit.NewCA(t, "audit")
	own, wildcard := ca.Server(t, "a.test"), ca.Server(t, "*.test")
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		name  string
		files map[string]string
		args  []string
		code  int
		says  string // on standard output
		warns string // on standard error
	}{
		{
			name:  "nothing is shared",
			files: map[string]string{"a.yaml": manifest(t, "a", "", "a.test", own)},
			code:  exitOK, says: "1 host, 1 certificate,", warns: "ServiceNotFound",
		},
		{
			name: "a rule that a wildcard invites to break",
			files: map[string]string{
				"a.yaml": manifest(t, "a", `ingress421.dev/misdirected: server-name`, "a.test", own),
				"b.yaml": manifest(t, "b", "", "b.test", wildcard),
			},
			code: exitRisk, says: "RuleStricterThanCertificate  Ingress shop/a, Secret shop/b",
		},
		{
			name: "the same where hosts have an address each",
			files: map[string]string{
				"a.yaml": manifest(t, "a", `ingress421.dev/misdirected: server-name`, "a.test", own),
				"b.yaml": manifest(t, "b", "", "b.test", wildcard),
			},
			args: []string{"--assume-one-address=false"},
			code: exitOK, says: "info     RuleStricterThanCertificate",
		},
		{
			name:  "a file that cannot be read",
			files: map[string]string{"a.yaml": "{", "b.yaml": manifest(t, "b", "", "b.test", wildcard)},
			code:  exitOK, says: "1 host,", warns: "a.yaml: FileInvalid",
		},
		{name: "no rendering of that name", args: []string{"-o", "xml"}, code: exitUsage, warns: `--output "xml"`},
		{name: "a folder and a cluster", args: []string{"--kubeconfig", none}, code: exitUsage, warns: "--manifests does not go with"},
		{name: "no argument is taken", args: []string{"cluster"}, code: exitUsage, warns: `unexpected argument "cluster"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var stdout, stderr bytes.Buffer
			code := Main(append([]string{"audit", "--manifests", dir}, tt.args...), &stdout, &stderr)
			if code != tt.code || !strings.Contains(stdout.String(), tt.says) || !strings.Contains(stderr.String(), tt.warns) {
				t.Errorf("exit code %d, want %d, %q and %q\n%s\n%s", code, tt.code, tt.says, tt.warns, &stdout, &stderr)
			}
		})
	}
	for _, args := range [][]string{{"--manifests", none}, {"--kubeconfig", none}} {
		var stdout, stderr bytes.Buffer
		if code := Main(append([]string{"audit"}, args...), &stdout, &stderr); code != exitFailed || stdout.Len() != 0 {
			t.Errorf("%q: exit code %d\n%s", args, code, &stdout)
		}
	}
}

// Findings stand at the field that they are about, under the path that was
// given.
func TestAuditPositions(t *testing.T) {
	ca := testkit.NewCA(t, "audit")
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("deploy/shop", 0o700); err != nil {
		t.Fatal(err)
	}
	text := "# a comment\n---\n" + manifest(t, "a", "", "a.test", ca.Server(t, "b.test"))
	if err := os.WriteFile("deploy/shop.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := Main([]string{"audit", "--manifests", "deploy", "-o", "sarif"}, &stdout, &stderr); code != exitRisk {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}
	var log struct {
		Runs []struct {
			Results []struct{ Locations []json.RawMessage }
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, log.Runs[0].Results[0].Locations[0]); err != nil {
		t.Fatal(err)
	}
	if want := `"artifactLocation":{"uri":"deploy/shop.yaml"},"region":{"startLine":10,"startColumn":27}`; !strings.Contains(compact.String(), want) {
		t.Errorf("want %s in\n%s", want, &compact)
	}
}
