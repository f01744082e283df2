package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/testkit"
)

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		args   []string
		code   int
		stderr string // something it says
	}{
		{[]string{"version"}, 0, ""},
		{[]string{"run", "--help"}, 0, ""},
		{nil, 2, "no command"},
		{[]string{"serve"}, 2, `unknown command "serve"`},
		{[]string{"run", "now"}, 2, `unexpected argument "now"`},
		{[]string{"run", "--manifest", dir}, 2, "unknown flag: --manifest"},
		{[]string{"run", "--manifests", dir, "--kubeconfig", "k"}, 2, "--manifests does not go with --kubeconfig"},
		{[]string{"run", "--manifests", dir, "--https-addr", "8443"}, 2, "--https-addr"},
		{[]string{"run", "--manifests", dir, "--access-log", "yes"}, 2, "--access-log"},
		{[]string{"run", "--manifests", dir, "--log-level", "loud"}, 2, "--log-level"},
		{[]string{"run", "--manifests", dir, "--max-streams", "0"}, 2, "--max-streams"},
		{[]string{"run", "--manifests", dir, "--read-timeout", "0s"}, 2, "--read-timeout"},
		{[]string{"run", "--manifests", dir, "--default-certificate", "name"}, 2, "--default-certificate"},
		{[]string{"run", "--manifests", dir, "--proxy-protocol-from", "everywhere"}, 2, "--proxy-protocol-from"},
		{[]string{"demo", "--record", filepath.Join(dir, "no", "such", "folder")}, 1, "no such file or directory"},
		{[]string{
			"run", "--manifests", filepath.Join(dir, "missing"), "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0",
			"--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0",
		}, 1, "read manifests"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), testkit.Binary(t), tt.args...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d, want %d and %q; it says\n%s", code, tt.code, tt.stderr, &stderr)
			}
			if (tt.code == 0) != (stdout.Len() > 0) {
				t.Errorf("standard output: %q", &stdout)
			}
		})
	}
}

// TestNotReadyBeforeTheFirstMap gives the process an API server that never
// answers.
func TestNotReadyBeforeTheFirstMap(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := `{"apiVersion": "v1", "kind": "Config", "current-context": "a",
"clusters": [{"name": "a", "cluster": {"server": "http://` + silent.Addr().String() + `"}}],
"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}], "users": [{"name": "a", "user": {}}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := testkit.Start(t, exec.Command(testkit.Binary(t), "run", "--kubeconfig", kubeconfig, "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0",
		"--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"))
	metrics := p.Address(t, "listening", "metrics")
	for path, want := range map[string]int{"/readyz": 503, "/livez": 200, "/metrics": 200} {
		if code, body := get(t, "http://"+metrics+path); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
	if found := p.Log.Lines(map[string]any{"msg": "serving"}); len(found) != 0 {
		t.Error("it serves without a host map")
	}
	if code := p.Stop(t); code != 0 {
		t.Errorf("asked to stop before it served: exit code %d, want 0", code)
	}
}

func TestReadyAfterTheFirstMap(t *testing.T) {
	s, p := folderStage(t)
	if code, _ := get(t, "http://"+s.metrics+"/readyz"); code != 200 {
		t.Errorf("/readyz: %d, want 200", code)
	}
	began := time.Now()
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("an idle process stopped within %.0f ms", ms(time.Since(began)))
	if text := p.Stdout.String(); text != "" {
		t.Errorf("it wrote to standard output without an access log: %q", text)
	}
}

// TestTerminationDrains: what is under way when the process is asked to stop
// is finished, on both protocols.
func TestTerminationDrains(t *testing.T) {
	s, p := folderStage(t)
	entered, release := make(chan struct{}, 2), make(chan struct{})
	b := s.backend(t, "slow", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered <- struct{}{}
			<-release
		}
		w.Header().Set("X-Backend", "slow")
		_, _ = io.WriteString(w, "done")
	})
	s.put(t, s.secret("slow-tls", s.ca.Server(t, "slow.test")), s.service("slow"),
		s.slice("slow", b.address, b.port, true), s.ingress("slow.test", "slow", "slow-tls"))
	s.live(t, "slow.test")

	type result struct {
		a   answer
		err error
	}
	results := make(chan result, 2)
	for _, http1 := range []bool{false, true} {
		c := s.open(t, dialing{serverName: "slow.test", http1: http1})
		go func() {
			a, err := c.do("GET", "https://slow.test/slow", nil)
			results <- result{a, err}
		}()
	}
	idle := s.open(t, dialing{serverName: "slow.test"})
	idle.get(t, "slow.test").want(t, 200, "slow")
	<-entered
	<-entered

	p.Signal(t)
	testkit.Eventually(t, "/readyz fails", func() string {
		if code, _ := get(t, "http://"+s.metrics+"/readyz"); code != 503 {
			return "it says that it is ready"
		}
		return ""
	})
	testkit.Eventually(t, "an idle connection is told", func() string {
		if idle.h2.CanTakeNewRequest() {
			return "it takes requests"
		}
		return ""
	})
	select {
	case <-p.Done:
		t.Fatal("it ended while requests were under way")
	case r := <-results:
		t.Fatalf("a request ended before its backend answered: %v", r.err)
	default:
	}
	close(release)
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Errorf("a request under way: %v", r.err)
			continue
		}
		r.a.want(t, 200, "slow")
	}
	began := time.Now()
	if code := p.Wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("it ended %.0f ms after the last request", ms(time.Since(began)))
	if len(p.Log.Lines(map[string]any{"msg": "stopped"})) != 1 {
		t.Errorf("it did not log that it stopped:\n%s", &p.Log)
	}
}

// TestDrainTimeout: a request that does not end cannot hold the process.
func TestDrainTimeout(t *testing.T) {
	s, p := folderStage(t, "--drain-timeout", "500ms")
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	b := s.backend(t, "stuck", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stuck" {
			close(entered)
			<-release
		}
		w.Header().Set("X-Backend", "stuck")
	})
	s.put(t, s.secret("stuck-tls", s.ca.Server(t, "stuck.test")), s.service("stuck"),
		s.slice("stuck", b.address, b.port, true), s.ingress("stuck.test", "stuck", "stuck-tls"))
	s.live(t, "stuck.test")
	c := s.open(t, dialing{serverName: "stuck.test"})
	ended := make(chan error, 1)
	go func() {
		_, err := c.do("GET", "https://stuck.test/stuck", nil)
		ended <- err
	}()
	<-entered
	if code := p.Stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if err := <-ended; err == nil {
		t.Error("the request was answered")
	}
}

func TestAccessLog(t *testing.T) {
	s, p := folderStage(t, "--access-log", "json")
	s.host(t, "access.test", nil)
	s.live(t, "access.test")
	c := s.open(t, dialing{serverName: "access.test"})
	c.get(t, "access.test", "User-Agent", "a \"browser\"").want(t, 200, "access")
	c.get(t, "elsewhere.test").want(t, 421, "")
	var lines []map[string]any
	testkit.Eventually(t, "access log lines", func() string {
		lines = nil
		for line := range strings.Lines(p.Stdout.String()) {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				return err.Error()
			}
			lines = append(lines, fields)
		}
		if !slices.ContainsFunc(lines, func(l map[string]any) bool { return l["authority"] == "elsewhere.test" }) {
			return "the last request is not there"
		}
		return ""
	})
	last := lines[len(lines)-1]
	for k, v := range map[string]any{
		"sni": "access.test", "status": 421.0, "reason": "certificate", "method": "GET", "path": "/", "protocol": "h2", "source": "127.0.0.1",
	} {
		if last[k] != v {
			t.Errorf("%s = %v, want %v", k, last[k], v)
		}
	}
}
