package cmd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ran runs a command line and returns its exit code and all that it printed.
func ran(args ...string) (int, string) {
	var stdout, stderr bytes.Buffer
	code := Main(args, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

func TestRoot(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"", exitUsage, "no command: want audit, check, demo,"},
		{"chek", exitUsage, `unknown command "chek", did you mean check?`},
		{"nothing", exitUsage, "want audit, check, demo,"},
		{"--version", exitOK, "ingress421 unknown (go"},
		{"version", exitOK, "ingress421 unknown (go"},
		{"--help", exitOK, "ingress421 run --manifests"},
		{"run --help", exitOK, "Examples:"},
		{"completion bash", exitOK, "complete"},
	} {
		code, said := ran(strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(said, tt.says) {
			t.Errorf("%q: exit code %d, want %d and %q in\n%s", tt.args, code, tt.code, tt.says, said)
		}
	}
}

// Each flag is completed by its values, by files where it names one, and else
// by nothing: what a shell would offer by itself is files.
func TestFlagsAreCompleted(t *testing.T) {
	values := map[string]string{
		"access-log": "off json text", "log-level": "debug info warn error", "log-format": "json text", "guard-protocol": "http h2c https",
		"nginx-annotations": "off strict lenient",
		"run manifests":     ":16", "run kubeconfig": ":0", "demo record": ":0",
		"check output": "table json", "audit output": "table json html sarif", "explain output": "table json", "status output": "table json", "tls": "1.2 1.3",
	}
	for _, c := range newRoot().Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				return
			}
			_, said := ran(cobra.ShellCompNoDescRequestCmd, c.Name(), "--"+f.Name, "")
			want, known := values[c.Name()+" "+f.Name]
			if !known {
				want = values[f.Name]
			}
			got, _, _ := strings.Cut(said, "\nCompletion ended")
			switch got = strings.Join(strings.Fields(got), " "); {
			case strings.HasPrefix(want, ":"), f.Name == "kubeconfig" || f.Name == "manifests":
			case got != strings.TrimSpace(want+" :4"):
				t.Errorf("%s --%s is completed by %q, want %q and no files", c.Name(), f.Name, got, want)
			}
			if strings.HasPrefix(want, ":") && got != want {
				t.Errorf("%s --%s is completed by %q, want %q", c.Name(), f.Name, got, want)
			}
		})
	}
}

func TestPluginName(t *testing.T) {
	for program, want := range map[string]bool{
		"/usr/local/bin/kubectl-ingress421": true, "kubectl-ingress421.exe": true, "./ingress421": false, "kubectl": false,
	} {
		if asPlugin(program) != want {
			t.Errorf("%s is run by kubectl: %v, want %v", program, !want, want)
		}
	}
}
