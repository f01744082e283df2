package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckExitCodes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, annotation string) string {
		path := filepath.Join(dir, name)
		text := "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, annotations: {" + annotation + ": off}}\nspec: {rules: [{host: a.test}]}\n"
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, ": off", `: "off"`)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := write("good.yaml", "ingress421.dev/misdirected"), write("bad.yaml", "ingress421.dev/misdirectd")
	for _, tt := range []struct {
		args []string
		code int
		says string // on standard output or standard error
	}{
		{[]string{good}, exitOK, "honoured"},
		{[]string{good, "-o", "json"}, exitOK, `"status": "honoured"`},
		{[]string{bad}, exitRisk, "Did you mean ingress421.dev/misdirected?"},
		{[]string{dir}, exitRisk, "line 3: Annotation"},
		{[]string{filepath.Join(dir, "none.yaml")}, exitFailed, "none.yaml"},
		{[]string{good, "-o", "yaml"}, exitUsage, "--output"},
		{[]string{good, "--namespace", "n"}, exitUsage, "--namespace"},
		{[]string{good, "--pod", "edge/"}, exitUsage, "files do not go with"},
		{[]string{"--pod", "edge/", "-o", "yaml"}, exitUsage, "--output"},
		{[]string{"--kubeconfig", filepath.Join(dir, "none")}, exitFailed, "find the cluster"},
		{[]string{"--namespace", "a b"}, exitUsage, "--namespace"},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(append([]string{"check"}, tt.args...), &stdout, &stderr)
		if said := stdout.String() + stderr.String(); code != tt.code || !strings.Contains(said, tt.says) {
			t.Errorf("check %v: exit code %d, want %d and %q in\n%s", tt.args, code, tt.code, tt.says, said)
		}
	}
}
