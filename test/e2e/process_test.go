package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingress421/ingress421/test/require"
)

// process is the built binary at work.
type process struct {
	cmd    *exec.Cmd
	log    *logLines // standard error
	stdout lockedBuffer
	done   chan struct{} // closed when it has ended
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// binary is the path of the built binary, or of the one to compare it with that
// INGRESS421_BINARY names.
func binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("INGRESS421_BINARY"); path != "" {
		return path
	}
	return require.File(t, "bin/ingress421", "make build")
}

// start starts the binary. When the test ends it is asked to stop, and must do
// so with exit code 0.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(t), args...), log: &logLines{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // its exit code is in ProcessState
	}()
	t.Cleanup(func() {
		if code := p.stop(t); code != 0 {
			t.Errorf("exit code %d, want 0; it logged\n%s", code, p.log)
		}
		if t.Failed() {
			t.Logf("%v logged\n%s", args, p.log)
		}
	})
	return p
}

// serve is start of `run` on ports that the system chooses; it waits until
// requests are taken.
func serve(t testing.TB, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{
		"run", "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0",
		"--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
	}, args...)...)
	p.line(t, "serving")
	return p
}

// line waits for a line of the log with a message.
func (p *process) line(t testing.TB, msg string) map[string]any {
	t.Helper()
	var found []map[string]any
	eventually(t, "log line "+msg, func() string {
		if found = p.log.find(map[string]any{"msg": msg}); len(found) != 0 {
			return ""
		}
		select {
		case <-p.done:
			t.Fatalf("it ended: %v; it logged\n%s", p.cmd.ProcessState, p.log)
		default:
		}
		return "it is not there; it logged\n" + p.log.String()
	})
	return found[0]
}

// address is an address that a line of the log names.
func address(t testing.TB, line map[string]any, key string) string {
	t.Helper()
	s, ok := line[key].(string)
	if !ok || s == "" {
		t.Fatalf("log line %v names no address for %s", line, key)
	}
	return s
}

// signal asks the process to stop.
func (p *process) signal(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// wait waits for the end of the process and returns its exit code.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("it did not end within %v", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop is signal and wait.
func (p *process) stop(t testing.TB) int {
	t.Helper()
	p.signal(t)
	return p.wait(t)
}

// addresses fills in where a process serves.
func (s *stage) addresses(t testing.TB, p *process) {
	t.Helper()
	line := p.line(t, "serving")
	s.http, s.https = address(t, line, "http"), address(t, line, "https")
	s.metrics, s.log = address(t, line, "metrics"), p.log
}
