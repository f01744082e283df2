package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/test/require"
)

// curl, which goes on with a request when its answer is there already, must not
// mistake the end of that for an error (exit code 92).
func TestCurlSeesAnEarlyAnswer(t *testing.T) {
	curl := require.Tool(t, "curl")
	_, ca, port := toolWorld(t)
	for _, size := range []int{64 << 10, 1 << 20} { // within a stream's window, and beyond
		body := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(body, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		post := func(n int) {
			t.Helper()
			args := []string{
				"-q", "-sS", "--noproxy", "*", "--http2", "--cacert", ca, "--resolve", "a.test:" + port + ":127.0.0.1", "--max-time", "60",
				"-H", "Host: c.test", "--data-binary", "@" + body, "-w", "%{http_code} %{exitcode}\n",
			}
			for range n {
				args = append(args, "-o", os.DevNull, "https://a.test:"+port+"/")
			}
			if got, want := run(t, curl, args...), strings.Repeat("421 0\n", n); got != want {
				t.Errorf("%d octets, %d requests: %v", size, n, counted(got))
			}
		}
		post(50)
		for range 10 {
			post(1) // on a connection of its own
		}
	}
}

// counted says how often each line is there.
func counted(lines string) string {
	n := map[string]int{}
	for l := range strings.Lines(lines) {
		n[strings.TrimSpace(l)]++
	}
	return fmt.Sprint(n)
}
