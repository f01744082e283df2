package cmd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asMain tells a process of this test's binary to be ingress421.
const asMain = "INGRESS421_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// The first signal begins the drain, during which connections are still taken
// for a moment; another one ends the process there and then.
func TestSecondSignalEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "run", "--manifests", t.TempDir(), "--http-addr", "127.0.0.1:0",
		"--https-addr", "", "--metrics-addr", "", "--admin-addr", "")
	cmd.Env = append(os.Environ(), asMain+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), `"msg":"serving"`) {
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines.Scan() {
		}
		_ = cmd.Wait() // how it ended is in ProcessState
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v, want the second signal to end it", cmd.ProcessState)
			}
			return
		case <-tick.C:
		}
	}
}

// Under the name by which kubectl finds plugins the binary is one.
func TestPlugin(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plugin := filepath.Join(t.TempDir(), "kubectl-ingress421")
	if err := os.Symlink(self, plugin); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), plugin, "check", "--help")
	cmd.Env = append(os.Environ(), asMain+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "kubectl ingress421 check [FILE|DIR]...") {
		t.Errorf("%v\n%s", err, out)
	}
	cmd = exec.CommandContext(t.Context(), plugin, "run")
	cmd.Env = append(os.Environ(), asMain+"=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "want audit, check") {
		t.Errorf("a plugin that serves: %v\n%s", err, out)
	}
}
