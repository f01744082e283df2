package h2

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// TestH2spec runs the conformance suite h2spec (github.com/summerwind/h2spec),
// whose path is in H2SPEC, against an echo server. No case may fail.
func TestH2spec(t *testing.T) {
	bin := os.Getenv("H2SPEC")
	if bin == "" {
		if os.Getenv("REQUIRE_TOOLS") == "1" {
			t.Fatal("H2SPEC does not name the h2spec tool")
		}
		t.Skip("H2SPEC does not name the h2spec tool")
	}
	addr := serve(t, &Config{Handle: func(s *Stream) {
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
