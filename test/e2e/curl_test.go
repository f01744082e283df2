package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// TestCurl looks at a 421 with a client that nobody here has written, and that
// does not retry.
func TestCurl(t *testing.T) {
	curl := require.Tool(t, "curl")
	s, _ := folderStage(t)
	s.host(t, "curl.test", nil)
	s.host(t, "curl-other.test", nil)
	s.live(t, "curl.test", "curl-other.test")
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, s.ca.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	port := s.https[strings.LastIndexByte(s.https, ':')+1:]
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, curl, append([]string{
			"--silent", "--show-error", "--noproxy", "*", "--cacert", ca, "--resolve", "*:" + port + ":127.0.0.1",
		}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %v: %v\n%s", args, err, out)
		}
		return strings.ReplaceAll(string(out), "\r\n", "\n")
	}
	url := "https://curl.test:" + port + "/"
	const body = "421 Misdirected Request: certificate\nThe certificate of this connection does not cover the requested host.\n"
	fields := []string{
		"content-type: text/plain; charset=utf-8", "cache-control: no-store",
		`proxy-status: ingress421; error=http_request_denied; details="certificate"`,
		"server: ingress421", fmt.Sprintf("content-length: %d", len(body)),
	}
	for _, tt := range []struct{ flag, version, status string }{
		{"--http2", "2", "HTTP/2 421"},
		{"--http1.1", "1.1", "HTTP/1.1 421 Misdirected Request"},
	} {
		before := s.metric(t, "ingress421_misdirected_requests_total")
		head, got, _ := strings.Cut(run(tt.flag, "--include", "--retry", "0", "-H", "Host: curl-other.test", url), "\n\n")
		lines := strings.Split(strings.TrimSpace(head), "\n")
		if status := strings.TrimSpace(lines[0]); status != tt.status {
			t.Errorf("%s: status line %q, want %q", tt.flag, status, tt.status)
		}
		want := make(map[string]bool)
		for _, f := range fields {
			want[f] = true
		}
		seen := make(map[string]bool)
		for _, l := range lines[1:] {
			name, value, _ := strings.Cut(l, ":")
			if name = strings.ToLower(name); name != "date" {
				seen[name+":"+value] = true
			}
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", tt.flag, diff)
		}
		if diff := cmp.Diff(body, got); diff != "" {
			t.Errorf("%s: body (-want +got):\n%s", tt.flag, diff)
		}
		if n := s.metric(t, "ingress421_misdirected_requests_total") - before; n != 1 {
			t.Errorf("%s: %v requests were refused, want the one", tt.flag, n)
		}

		// Two requests on one connection, and one of its own: as browsers do.
		out := run(tt.flag, "-w", "%{http_version} %{response_code} %{num_connects}\n", "-o", "/dev/null",
			url, "-o", "/dev/null", "-H", "Host: curl-other.test", url+"again",
			"--next", "--silent", "--noproxy", "*", "--cacert", ca, "--resolve", "*:"+port+":127.0.0.1",
			tt.flag, "-w", "%{http_version} %{response_code}\n", "-o", "/dev/null", "https://curl-other.test:"+port+"/")
		if want := fmt.Sprintf("%[1]s 421 1\n%[1]s 421 0\n%[1]s 200\n", tt.version); out != want {
			t.Errorf("%s: version, status and new connections\n%s, want\n%s", tt.flag, out, want)
		}
	}
	if out := run("--http2", "-H", "Accept: application/problem+json", "-H", "Host: curl-other.test", url); !strings.HasPrefix(out, `{"type":`) {
		t.Errorf("problem+json: %s", out)
	}
	if out := run("--http2", url); !strings.HasPrefix(out, "GET curl.test") {
		t.Errorf("curl.test answered %q", out)
	}
}

// TestDemo runs the demo as a stranger does, and then what it prints to be
// tried by hand.
func TestDemo(t *testing.T) {
	curl := require.Tool(t, "curl")
	p := testkit.Start(t, exec.Command(testkit.Binary(t), "demo", "--keep"))
	testkit.Eventually(t, "the lines to try by hand", func() string {
		if out := p.Stdout.String(); !strings.Contains(out, "# with one: 200\n  ask ") || !strings.HasSuffix(out, "\n") {
			return "they are not there; it printed\n" + out + p.Log.String()
		}
		return ""
	})
	text := p.Stdout.String()
	_, byHand, _ := strings.Cut(text, "in another terminal:\n")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", strings.ReplaceAll(byHand, "curl -si", curl+" -si --noproxy '*'"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("what it prints: %v\n%s\n%s", err, byHand, out)
	}
	statuses := regexp.MustCompile(`(?m)^HTTP/\S+ (\d+)`).FindAllStringSubmatch(string(out), -1)
	var got []string
	for _, s := range statuses {
		got = append(got, s[1])
	}
	if diff := cmp.Diff([]string{"200", "421", "200", "421", "421", "200"}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s\n%s", diff, out)
	}
	if err := p.Cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.Wait(t); code != 0 {
		t.Errorf("after Ctrl-C: exit code %d, want 0\n%s\n%s", code, text, &p.Log)
	}
}
