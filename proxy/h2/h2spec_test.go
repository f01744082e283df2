package h2

import (
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/test/require"
)

// TestH2spec runs the conformance suite h2spec (github.com/summerwind/h2spec)
// against an echo server. No case may fail.
func TestH2spec(t *testing.T) {
	bin := require.File(t, "bin/tools/h2spec", "make tools")
	addr := serve(t, &config{Handle: func(s *Stream) {
		buf := make([]byte, 4<<10)
		for {
			if _, err := s.Read(buf); err != nil {
				break
			}
		}
		s.Respond(200, []hpack.HeaderField{{Name: "content-type", Value: "text/plain"}}, []byte("hello, h2spec"))
	}})
	host, port, _ := net.SplitHostPort(addr)
	for _, mode := range []string{"default", "strict"} {
		t.Run(mode, func(t *testing.T) {
			args := []string{"--tls", "--insecure", "--host", host, "--port", port, "--timeout", "3"}
			if mode == "strict" {
				args = append(args, "--strict")
			}
			out, err := exec.Command(bin, args...).CombinedOutput()
			summary := regexp.MustCompile(`\d+ tests, .* failed`).FindString(string(out))
			if err != nil || !strings.HasSuffix(summary, ", 0 failed") {
				_, failures, _ := strings.Cut(string(out), "Failures:")
				t.Errorf("h2spec: %v, %s\n%s", err, summary, failures)
			}
			t.Log(summary)
		})
	}
}
