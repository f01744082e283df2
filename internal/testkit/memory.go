package testkit

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingress421/ingress421/test/require"
)

// Memory is what a line of the process's status says, such as VmRSS, in octets.
// Where there is no /proc the test does not run: see package require.
func (p *Process) Memory(t testing.TB, title string) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		require.Missing(t, "/proc (Linux)")
	}
	n, err := p.memory(title)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *Process) memory(title string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if n, _ := fmt.Sscanf(line, title+": %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no %s in\n%s", title, text)
}

// MostMemory looks at Memory again and again until the returned function is
// called, which tells the most there was.
func (p *Process) MostMemory(t testing.TB, title string) (end func() int) {
	t.Helper()
	most := p.Memory(t, title)
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			n, err := p.memory(title)
			if err != nil {
				t.Error(err)
				return
			}
			most = max(most, n)
		}
	})
	stop := sync.OnceFunc(func() { close(over); watch.Wait() })
	t.Cleanup(stop)
	return func() int {
		stop()
		return max(most, p.Memory(t, title))
	}
}
