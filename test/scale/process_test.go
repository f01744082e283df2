package scale

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/testkit"
)

// clockTick is the unit of processor time in /proc (USER_HZ), the same on all
// of Linux that Go runs on.
const clockTick = time.Second / 100

// process is the binary at work on a core of its own.
type process struct {
	*testkit.Process
	ready time.Duration // from its start until it served
}

// start starts the binary and waits until it serves.
func start(t *testing.T, kubeconfig string) *process {
	t.Helper()
	begun := time.Now()
	p := testkit.Start(t, exec.Command("taskset", "-c", "0", testkit.Binary(t), "run", "--kubeconfig", kubeconfig,
		"--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
		"--publish-address", "192.0.2.1"))
	p.Line(t, "serving")
	return &process{p, time.Since(begun)}
}

// cpu is the processor time it has used, of user and system.
func (p *process) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var ticks int
	for _, at := range []int{11, 12} { // utime and stime, counted from the state
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// settle waits until the process has nothing to do but to wait: less than a
// twentieth of a core over two seconds.
func (p *process) settle(t *testing.T) {
	t.Helper()
	const look = 2 * time.Second
	for range int(3 * time.Minute / look) {
		before := p.cpu(t)
		time.Sleep(look) // the time over which its use of the processor is looked at
		if p.cpu(t)-before < look/20 {
			return
		}
	}
	t.Error("it does not come to rest")
}
