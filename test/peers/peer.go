package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Cores: the proxy under test has one to itself.
const (
	proxyCore = "0"
	loadCore  = "1"
)

// Ports on loopback.
const (
	backendPort = 19001 // nginx: small and large responses
	sinkPort    = 19002 // Go: reads a body to its end, and then answers
	h2cPort     = 19003 // Go: the small response over HTTP/2 without TLS, and gRPC
	tls1Port    = 19004 // nginx: the small response over TLS, HTTP/1.1
	tls2Port    = 19005 // ... and HTTP/2
	firstPort   = 19443
	firstPlain  = 19543
)

// process is something that was started and is to be stopped.
type process struct {
	cmd *exec.Cmd
	log string
}

// peer is one proxy under test.
type peer struct {
	name  string
	port  int // TLS
	plain int // cleartext
	args  []string
	env   []string
	proc  *process
}

// judges says that it knows by itself which requests are misdirected.
func (p *peer) judges() bool { return strings.HasPrefix(p.name, "ingress421") || p.name == "before" }

// bench is one run.
type bench struct {
	dir      string
	peers    []*peer
	helpers  []*process
	samples  map[string]map[string][]sample // by load, by peer
	versions map[string]string
}

// binaries are the paths of what is measured and not found by its name.
type binaries struct {
	now    string
	before string // an earlier one, or ""
	caddy  string // may not be there
}

func newBench(dir string, bin binaries, with []string) (*bench, error) {
	b := &bench{dir: dir, samples: map[string]map[string][]sample{}}
	for _, tool := range []string{"nginx", "haproxy", "h2load", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is not installed", tool)
		}
	}
	if err := makeCertificate(dir); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	one := []string{"GOMAXPROCS=1"}
	files := map[string]string{
		"backend.conf": backendConf, "nginx.conf": nginxConf, "haproxy.cfg": haproxyConf, "Caddyfile": caddyConf,
	}
	ports, plain := map[string]int{}, map[string]int{}
	for i, name := range []string{"ingress421", "ingress421+log", "nginx", "haproxy", "caddy", "go", "before", "ingress421+nginx", "ingress421+haproxy"} {
		ports[name], plain[name] = firstPort+i, firstPlain+i
	}
	replace := strings.NewReplacer(
		"PLAINNGINX", strconv.Itoa(plain["nginx"]), "PLAINHAPROXY", strconv.Itoa(plain["haproxy"]), "PLAINCADDY", strconv.Itoa(plain["caddy"]),
		"TLS1", strconv.Itoa(tls1Port), "TLS2", strconv.Itoa(tls2Port),
		"DIR", dir, "BACKEND", strconv.Itoa(backendPort), "SINK", strconv.Itoa(sinkPort), "H2CPORT", strconv.Itoa(h2cPort),
		"NGINX", strconv.Itoa(ports["nginx"]), "HAPROXY", strconv.Itoa(ports["haproxy"]), "CADDY", strconv.Itoa(ports["caddy"]),
	)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(replace.Replace(text)), 0o600); err != nil {
			return nil, err
		}
	}
	// nginx's worker may be another user than who started it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "1m"), make([]byte, 1<<20), 0o644); err != nil {
		return nil, err
	}
	// A message of gRPC: not compressed, 32 octets, of no meaning to a proxy.
	if err := os.WriteFile(filepath.Join(dir, "grpc"), append([]byte{0, 0, 0, 0, 32}, make([]byte, 32)...), 0o644); err != nil {
		return nil, err
	}
	if err := writeManifests(dir); err != nil {
		return nil, err
	}
	if err := writeGuardManifests(dir, plain); err != nil {
		return nil, err
	}
	serve := func(folder, binary, name string, more ...string) []string {
		return append([]string{
			binary, "run", "--manifests", filepath.Join(dir, folder), "--http-addr", fmt.Sprintf("127.0.0.1:%d", plain[name]),
			"--https-addr", fmt.Sprintf("127.0.0.1:%d", ports[name]), "--metrics-addr", "127.0.0.1:0", "--admin-addr", "",
		}, more...)
	}
	run := func(binary, name string, more ...string) []string { return serve("manifests", binary, name, more...) }
	all := []*peer{
		{name: "ingress421", args: run(bin.now, "ingress421"), env: one},
		{name: "ingress421+log", args: run(bin.now, "ingress421+log", "--access-log", "json"), env: one},
		{name: "nginx", args: []string{"nginx", "-c", filepath.Join(dir, "nginx.conf")}},
		{name: "haproxy", args: []string{"haproxy", "-f", filepath.Join(dir, "haproxy.cfg")}},
		{name: "go", args: []string{self, "reverseproxy", fmt.Sprintf("127.0.0.1:%d", ports["go"]), fmt.Sprintf("127.0.0.1:%d", plain["go"]), cert, key}, env: one},
	}
	if bin.before != "" {
		all = append(all, &peer{name: "before", args: run(bin.before, "before"), env: one})
	}
	if _, err := os.Stat(bin.caddy); err == nil {
		all = append(all, &peer{name: "caddy", args: []string{bin.caddy, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile"}, env: append(one, "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)})
	}
	// A guard in front of one that is a peer itself: what the hop costs is the
	// difference.
	for _, guarded := range []string{"nginx", "haproxy"} {
		if len(with) == 0 || contains(with, guarded) {
			name := "ingress421+" + guarded
			all = append(all, &peer{name: name, args: serve("guard", bin.now, name, "--guard-class", "guarded", "--guard-upstream", "default/"+guarded+":80"), env: one})
		}
	}
	for _, p := range all {
		p.port, p.plain = ports[p.name], plain[p.name]
		if len(with) == 0 || contains(with, p.name) {
			b.peers = append(b.peers, p)
		}
	}
	b.versions = versions(bin)
	return b, nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// start runs backends and proxies, and waits until each accepts.
func (b *bench) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, h := range [][]string{
		{"nginx", "-c", filepath.Join(b.dir, "backend.conf")},
		{self, "sink", fmt.Sprintf("127.0.0.1:%d", sinkPort)},
		{self, "h2c", fmt.Sprintf("127.0.0.1:%d", h2cPort)},
	} {
		p, err := b.spawn(loadCore, h, nil)
		if err != nil {
			return err
		}
		b.helpers = append(b.helpers, p)
	}
	for _, port := range []int{backendPort, sinkPort, h2cPort, tls1Port, tls2Port} {
		if err := waitFor(ctx, port); err != nil {
			return err
		}
	}
	for _, p := range b.peers {
		if p.proc, err = b.spawn(proxyCore, p.args, p.env); err != nil {
			return err
		}
		if err := waitFor(ctx, p.port); err != nil {
			text, _ := os.ReadFile(p.proc.log)
			return fmt.Errorf("%s: %w\n%s", p.name, err, text)
		}
	}
	return nil
}

func (b *bench) spawn(core string, args, env []string) (*process, error) {
	log, err := os.CreateTemp(b.dir, filepath.Base(args[0]))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("taskset", append([]string{"-c", core}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return &process{cmd: cmd, log: log.Name()}, nil
}

// stop ends everything that was started.
func (b *bench) stop() {
	all := b.helpers
	for _, p := range b.peers {
		if p.proc != nil {
			all = append(all, p.proc)
		}
	}
	for _, p := range all {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	}
	for _, p := range all {
		done := make(chan struct{})
		go func() {
			_ = p.cmd.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
	}
}

func waitFor(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return nc.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing accepts on port %d: %w", port, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// family returns the process and its children: nginx and HAProxy work in one.
func (p *process) family() []int {
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[i], pids[i]))
		if err != nil {
			continue
		}
		for _, s := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(s); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// tick is the unit of CPU time in /proc (USER_HZ is 100 on every Linux).
const tick = 10 * time.Millisecond

// cpu is the user and system time that the process and its children have used.
func (p *process) cpu() (time.Duration, error) {
	var total time.Duration
	for _, pid := range p.family() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The name, in brackets, may hold spaces; utime and stime are the 12th
		// and 13th field behind it (proc(5)).
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 13 {
			return 0, fmt.Errorf("stat of %d: %q", pid, text)
		}
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			total += time.Duration(n) * tick
		}
	}
	return total, nil
}

// rss is the resident memory of the process and its children, in bytes.
func (p *process) rss() (int64, error) {
	var total int64
	for _, pid := range p.family() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			return 0, fmt.Errorf("statm of %d: %q", pid, text)
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, err
		}
		total += n * int64(os.Getpagesize())
	}
	return total, nil
}

var versionText = regexp.MustCompile(`\d+\.\d+[-.\w~+]*`)

func versions(bin binaries) map[string]string {
	v := map[string]string{}
	for name, cmd := range map[string][]string{
		"ingress421": {bin.now, "version"}, "before": {bin.before, "version"}, "nginx": {"nginx", "-v"}, "haproxy": {"haproxy", "-v"}, "caddy": {bin.caddy, "version"}, "h2load": {"h2load", "--version"},
	} {
		out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput()
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		if name != "ingress421" && name != "before" {
			line = versionText.FindString(line)
		}
		v[name] = strings.TrimSpace(line)
	}
	return v
}
