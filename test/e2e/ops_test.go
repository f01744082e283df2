package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/testkit"
)

// A log that nobody reads holds up neither publishing, nor serving, nor the end.
func TestLogThatNobodyReads(t *testing.T) {
	s, p := folderStage(t, "--access-log", "json", "--drain-timeout", "1s")
	s.host(t, "before.test", nil)
	s.live(t, "before.test")

	// The goroutine that reads standard error waits from here on.
	read := p.Log.Hold()
	defer read()
	// Each of these is a problem, and a line: a MiB of them, in all, which no
	// pipe holds.
	for i := range 60 {
		ing := s.ingress(fmt.Sprintf("missing-%d.test", i), "nobody", "")
		path := ing.Spec.Rules[0].HTTP.Paths[0]
		for j := range 60 {
			more := *path.DeepCopy()
			more.Path, more.Backend.Service.Name = "/"+strconv.Itoa(j), fmt.Sprint("nobody-", j, "-", strings.Repeat("x", 40))
			ing.Spec.Rules[0].HTTP.Paths = append(ing.Spec.Rules[0].HTTP.Paths, more)
		}
		s.put(t, ing)
	}
	testkit.Eventually(t, "problems are found", func() string {
		if n := s.metric(t, "ingress421_ingress_problems", `reason="ServiceNotFound"`); n < 1000 {
			return fmt.Sprint(n, " problems")
		}
		return ""
	})
	began := time.Now()
	s.host(t, "after.test", nil)
	s.live(t, "after.test")
	t.Logf("a new host was live after %v", time.Since(began))
	for range 200 {
		c, err := s.dial(dialing{serverName: "after.test"})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := c.do("GET", "https://before.test/", nil); err != nil || a.StatusCode != 421 {
			t.Fatalf("%v, %v, want 421", a.Response, err)
		}
		c.close()
	}
	if n := s.metric(t, "ingress421_log_lines_lost_total", `log="stderr"`); n != 0 {
		t.Errorf("%v lines lost, though there was room", n)
	}
	began = time.Now()
	p.Signal(t)
	testkit.Eventually(t, "the process ends", func() string {
		if errors.Is(syscall.Kill(p.Cmd.Process.Pid, 0), os.ErrProcessDone) || errors.Is(syscall.Kill(p.Cmd.Process.Pid, 0), syscall.ESRCH) {
			return ""
		}
		return "it is there"
	})
	t.Logf("it ended after %v", time.Since(began))
	read()
}

// Whoever reads the log may go: a server outlives its log shipper.
func TestLogWhoseReaderIsGone(t *testing.T) {
	dir := folder(t.TempDir())
	s := &stage{ca: testkit.NewCA(t, "test CA"), objects: dir, namespace: "default", class: "e2e", listen: listenLoopback}
	s.put(t, s.ingressClass("ingress421.dev/controller"))
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testkit.Binary(t), "run", "--manifests", string(dir), "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0",
		"--metrics-addr", "127.0.0.1:0", "--admin-addr", "")
	cmd.Stderr = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	_ = writer.Close()
	log := json.NewDecoder(reader)
	for line := (map[string]any{}); line["msg"] != "serving"; {
		if err := log.Decode(&line); err != nil {
			t.Fatal(err)
		}
		s.https, _ = line["https"].(string)
		s.metrics, _ = line["metrics"].(string)
	}
	_ = reader.Close()
	s.put(t, s.ingress("problem.test", "nobody", ""))
	testkit.Eventually(t, "a line is lost", func() string {
		if s.metric(t, "ingress421_log_lines_lost_total", `log="stderr"`) == 0 {
			return "none is"
		}
		return ""
	})
	s.host(t, "after.test", nil)
	s.live(t, "after.test")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended: %v", err)
	}
}

// Whoever may write an EndpointSlice must not make a request go round, nor
// publish the metrics.
func TestOurselvesAsBackend(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	configured := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	s, p := folderStage(t, "--http-addr", fmt.Sprint("127.0.0.1:", configured))
	_, metrics, err := net.SplitHostPort(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	metricsPort, err := strconv.Atoi(metrics)
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, s.service("loop"), s.slice("loop", "127.0.0.1", int32(configured), true), s.ingress("loop.test", "loop", ""),
		s.service("metrics"), s.slice("metrics", "127.0.0.1", int32(metricsPort), true), s.ingress("metrics.test", "metrics", ""))
	for _, host := range []string{"loop.test", "metrics.test"} {
		testkit.Eventually(t, host+" is refused", func() string {
			if a := s.cleartext(t, host); a.StatusCode != 503 {
				return fmt.Sprint(a.StatusCode, " ", a.body)
			}
			return ""
		})
	}
	found := p.Log.Lines(map[string]any{"msg": "problem", "reason": "EndpointRefused"})
	if len(found) != 2 {
		t.Errorf("%d problems logged, want one for each slice: %v", len(found), found)
	}
	if n := s.metric(t, "process_open_fds"); n > 100 {
		t.Errorf("%v descriptors are open", n)
	}

	// What addresses cannot tell, such as a balancer's, is cut after few rounds.
	balancer, address, port := s.listen(t)
	t.Cleanup(func() { _ = balancer.Close() })
	go func() {
		for {
			from, err := balancer.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", s.http)
			if err != nil {
				_ = from.Close()
				return
			}
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		}
	}()
	s.put(t, s.service("ring"), s.slice("ring", address, port, true), s.ingress("ring.test", "ring", ""))
	testkit.Eventually(t, "the loop is cut", func() string {
		if a := s.cleartext(t, "ring.test"); a.StatusCode != 508 {
			return fmt.Sprint(a.StatusCode, " ", a.body)
		}
		return ""
	})
	if len(p.Log.Lines(map[string]any{"msg": "backend failed", "reason": "loop", "service": "ring"})) != 1 {
		t.Errorf("the loop is not in the log:\n%s", &p.Log)
	}
}
