package examples

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// inNamespace is set in the process that has a network of its own.
const inNamespace = "EXAMPLES_IN_NAMESPACE"

// TestReadme and the tests like it run the commands of a page, in their order
// and as they are written, and compare what they print with what stands there.
func TestReadme(t *testing.T)            { page(t, "examples/README.md", 5) }
func TestAuditPage(t *testing.T)         { page(t, "docs/audit.md", 2) }
func TestOperatePage(t *testing.T)       { page(t, "docs/operate.md", 3) }
func TestInvestigatingPage(t *testing.T) { page(t, "docs/investigating.md", 15) }
func TestCheckPage(t *testing.T)         { page(t, "docs/check.md", 1) }

// page runs a page, of which at least some outputs are compared. It does so in a
// network namespace, because commands name their ports, and in a folder that
// looks like the top of the repository.
func page(t *testing.T, name string, outputs int) {
	root := require.Root(t)
	if os.Getenv(inNamespace) == "" {
		// Read here what the other process reads, so that the test cache
		// notices a change of it.
		for _, folder := range []string{"examples", "docs"} {
			if err := os.CopyFS(filepath.Join(t.TempDir(), folder), os.DirFS(filepath.Join(root, folder))); err != nil {
				t.Fatal(err)
			}
		}
		unshare := require.Tool(t, "unshare")
		for _, tool := range []string{"ip", "openssl", "curl", "python3", "make"} {
			require.Tool(t, tool)
		}
		testkit.Binary(t)
		if err := exec.CommandContext(t.Context(), unshare, "-rn", "true").Run(); err != nil {
			require.Missing(t, "network namespaces for users (unshare -rn)")
		}
		cmd := exec.CommandContext(t.Context(), unshare, "-rn", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"examples": filepath.Join(root, "examples"), "docs": filepath.Join(root, "docs"), "charts": filepath.Join(root, "charts"),
		"bin/ingress421": testkit.Binary(t),
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, "ip link set lo up", time.Time{})
	compared := 0
	for _, step := range steps(string(text)) {
		// The binary is there already.
		command := strings.TrimPrefix(step.command, "make build\n")
		switch {
		case strings.HasPrefix(command, "python3 -m http.server 9001"):
			serve(t, dir, command, "127.0.0.1:9001")
		case strings.HasPrefix(command, "python3 -m http.server 9002"):
			serve(t, dir, command, "127.0.0.1:9002")
		case strings.HasPrefix(command, "python3 examples/investigating/silent.py 9003"):
			serve(t, dir, command, "127.0.0.1:9003")
		case strings.HasPrefix(command, "bin/ingress421 run"):
			serve(t, dir, command, "127.0.0.1:8443")
		case step.output == "":
			run(t, dir, command, time.Time{})
		default:
			compared++
			// What a step before changed may take a second to be live.
			deadline := time.Now().Add(5 * time.Second)
			got := run(t, dir, command, deadline)
			for got != step.output && time.Now().Before(deadline) {
				got = run(t, dir, command, deadline)
			}
			if got != step.output {
				t.Errorf("%s\nprints\n%s\nand the page says\n%s", command, got, step.output)
			}
		}
	}
	if compared < outputs {
		t.Errorf("%d outputs compared: the page is not read as it is written", compared)
	}
}

// step is a block of commands and the output that the README shows for it.
type step struct{ command, output string }

// steps reads the fenced blocks: "sh" is a command, "text" the output of the
// command before it.
func steps(text string) []step {
	var found []step
	var kind, block string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && kind == "":
			kind, block = fence, ""
		case isFence:
			switch {
			case kind == "sh":
				found = append(found, step{command: block})
			case kind == "text" && len(found) > 0:
				found[len(found)-1].output = block
			}
			kind = ""
		case kind != "":
			block += line + "\n"
		}
	}
	return found
}

// run runs a command to its end and returns what it printed, without the white
// space that ends lines (HTTP's). A failure ends the test, unless the command
// may be tried again until a deadline.
func run(t *testing.T, dir, command string, deadline time.Time) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", command)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil && !time.Now().Before(deadline) {
		t.Fatalf("%s\n%v\n%s", command, err, out)
	}
	var printed strings.Builder
	for line := range strings.Lines(string(out)) {
		fmt.Fprintln(&printed, strings.TrimRight(line, " \r\n"))
	}
	return printed.String()
}

// serve starts a server, which ends with the test, and waits until it listens.
func serve(t *testing.T, dir, command, addr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", "exec "+command)
	cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, strings.ReplaceAll(addr, ":", "-")+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		text, _ := os.ReadFile(log.Name())
		t.Logf("%s%s", command, text)
	})
	deadline := time.After(20 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", command, err)
		case <-deadline:
			t.Fatalf("%s does not listen on %s", command, addr)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
