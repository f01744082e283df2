package testkit

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/ingress421/ingress421/test/require"
)

// patience bounds every wait for something that must come. It is long because
// machines that test are busy; what a change really takes is measured.
const patience = 60 * time.Second

// Binary is the path of the built binary, or of the one to compare it with that
// INGRESS421_BINARY names.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("INGRESS421_BINARY"); path != "" {
		return path
	}
	return require.File(t, "bin/ingress421", "make build")
}

// Process is a program at work.
type Process struct {
	Cmd    *exec.Cmd
	Stdout Buffer
	Log    Buffer        // standard error
	Done   chan struct{} // closed when it has ended; how is in Cmd.ProcessState
}

// Start starts a program. When the test ends it is asked to stop, and must do
// so with exit code 0.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, Done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Stdout, &p.Log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.Done)
		_ = cmd.Wait() // its exit code is in ProcessState
	}()
	t.Cleanup(func() {
		if code := p.Stop(t); code != 0 {
			t.Errorf("exit code %d, want 0; it logged\n%s", code, &p.Log)
		}
		if t.Failed() {
			t.Logf("%v logged\n%s", cmd.Args, &p.Log)
		}
	})
	return p
}

// Serve is Start of `run` on ports that the system chooses, with more arguments,
// which win; it waits until requests are taken.
func Serve(t testing.TB, args ...string) *Process {
	t.Helper()
	p := Start(t, exec.Command(Binary(t), append([]string{
		"run", "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0",
		"--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
	}, args...)...))
	p.Line(t, "serving")
	return p
}

// Line waits for a line of the log with a message.
func (p *Process) Line(t testing.TB, msg string) map[string]any {
	t.Helper()
	var found []map[string]any
	Eventually(t, "log line "+msg, func() string {
		if found = p.Log.Lines(map[string]any{"msg": msg}); len(found) != 0 {
			return ""
		}
		select {
		case <-p.Done:
			t.Fatalf("it ended: %v; it logged\n%s", p.Cmd.ProcessState, &p.Log)
		default:
		}
		return "it is not there; it logged\n" + p.Log.String()
	})
	return found[0]
}

// Address is an address that the line of the log with a message names.
func (p *Process) Address(t testing.TB, msg, name string) string {
	t.Helper()
	line := p.Line(t, msg)
	address, ok := line[name].(string)
	if !ok || address == "" {
		t.Fatalf("log line %v names no address for %s", line, name)
	}
	return address
}

// Signal asks the process to stop.
func (p *Process) Signal(t testing.TB) {
	t.Helper()
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// Wait waits for the end of the process and returns its exit code.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.Done:
	case <-time.After(patience):
		_ = p.Cmd.Process.Kill()
		<-p.Done
		t.Errorf("it did not end within %v", patience)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Stop is Signal and Wait.
func (p *Process) Stop(t testing.TB) int {
	t.Helper()
	p.Signal(t)
	return p.Wait(t)
}

// Eventually tries until check returns "", and fails the test with what it
// returned last when that takes too long.
func Eventually(t testing.TB, what string, check func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		why := check()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, why)
		}
		time.Sleep(5 * time.Millisecond) // between two looks at another process
	}
}
