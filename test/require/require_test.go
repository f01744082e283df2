package require_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/test/require"
)

// The tests run this test binary again with a child of TestChild, because a
// skip and a failure can only be seen from outside.
func TestMissingTool(t *testing.T) {
	tests := []struct {
		name        string
		child       string
		required    bool
		wantPass    bool
		wantOutput  string
		wantRecords string
	}{
		{
			name: "is a skip that names it", child: "missing", wantPass: true,
			wantOutput:  "--- SKIP: TestChild/missing",
			wantRecords: "no-such-tool-421\ttest/require.TestChild\n",
		},
		{
			name: "is a failure where all tools are required", child: "missing", required: true,
			wantOutput: "missing: no-such-tool-421",
		},
		{
			name: "spelt otherwise is found", child: "present", required: true, wantPass: true,
			wantOutput: "--- PASS: TestChild/present",
		},
		{
			name: "is none where a target of its own was not asked for", child: "asked", required: true, wantPass: true,
			wantOutput:  "run by make nothing",
			wantRecords: "make nothing\ttest/require.TestChild\n",
		},
		{
			name: "file of the repository is named with its target", child: "file", wantPass: true,
			wantOutput:  "missing: bin/no-such-file (make nothing)",
			wantRecords: "bin/no-such-file (make nothing)\ttest/require.TestChild\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			notRun := filepath.Join(t.TempDir(), "not-run")
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^TestChild$/^"+tt.child+"$")
			cmd.Env = append(os.Environ(), "REQUIRE_CHILD=1", "NOT_RUN_FILE="+notRun, "REQUIRE_TOOLS=")
			if tt.required {
				cmd.Env = append(cmd.Env, "REQUIRE_TOOLS=1")
			}
			out, err := cmd.CombinedOutput()
			if pass := err == nil; pass != tt.wantPass {
				t.Errorf("passed = %v, want %v", pass, tt.wantPass)
			}
			if !strings.Contains(string(out), tt.wantOutput) {
				t.Errorf("output lacks %q:\n%s", tt.wantOutput, out)
			}
			records, err := os.ReadFile(notRun)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if string(records) != tt.wantRecords {
				t.Errorf("recorded %q, want %q", records, tt.wantRecords)
			}
		})
	}
}

func TestChild(t *testing.T) {
	if os.Getenv("REQUIRE_CHILD") == "" {
		return
	}
	t.Run("missing", func(t *testing.T) { require.Tool(t, "no-such-tool-421") })
	t.Run("present", func(t *testing.T) { require.Tool(t, "no-such-tool-421", "go") })
	t.Run("asked", func(t *testing.T) { require.Asked(t, "REQUIRE_ASKED", "make nothing") })
	t.Run("file", func(t *testing.T) { require.File(t, "bin/no-such-file", "make nothing") })
}
