package e2e

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// TestOutOfDescriptors opens more connections than the process may have files.
// Who is connected goes on being served, and when there is room again all are.
func TestOutOfDescriptors(t *testing.T) {
	const limit = 100
	dir := folder(t.TempDir())
	s := &stage{ca: testkit.NewCA(t, "test CA"), objects: dir, namespace: "default", class: "e2e", listen: listenLoopback}
	s.put(t, s.ingressClass("ingress421.dev/controller"))
	s.host(t, "files.test", nil)
	p := testkit.Start(t, exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, limit), "sh", testkit.Binary(t), "run", "--manifests", string(dir),
		"--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"))
	s.addresses(t, p)
	s.live(t, "files.test")
	good := s.open(t, dialing{serverName: "files.test"})
	good.get(t, "files.test").want(t, 200, "files")

	var open []net.Conn
	for range 3 * limit {
		nc, err := net.DialTimeout("tcp", s.https, patience)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, nc)
	}
	began := time.Now()
	testkit.Eventually(t, "the log tells of it", func() string {
		if len(p.Log.Lines(map[string]any{"msg": "connections have to wait"})) == 0 {
			return p.Log.String()
		}
		return ""
	})
	for range 20 {
		good.get(t, "files.test").want(t, 200, "files")
	}
	if lines := strings.Count(p.Log.String(), "too many open files"); lines > 20+2*int(time.Since(began).Seconds()) {
		t.Errorf("%d lines of the log say that files are too many", lines)
	}
	for _, nc := range open {
		nc.Close()
	}
	s.live(t, "files.test")
}

// TestFullDisk: neither log line nor access log is worth a request.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		require.Missing(t, "/dev/full")
	}
	defer full.Close()
	dir := folder(t.TempDir())
	s := &stage{ca: testkit.NewCA(t, "test CA"), objects: dir, namespace: "default", class: "e2e", listen: listenLoopback}
	s.put(t, s.ingressClass("ingress421.dev/controller"))
	s.host(t, "full.test", nil)
	address := func() string { return "127.0.0.1:" + strconv.Itoa(testkit.FreePort(t)) }
	s.http, s.https, s.metrics = address(), address(), address()
	cmd := exec.Command("sh", "-c", `exec "$@" >/dev/full 2>&1`, "sh", testkit.Binary(t), "run", "--manifests", string(dir), "--access-log", "json",
		"--log-level", "debug", "--http-addr", s.http, "--https-addr", s.https, "--metrics-addr", s.metrics, "--admin-addr", "127.0.0.1:0")
	testkit.Start(t, cmd)
	s.live(t, "full.test")
	c := s.open(t, dialing{serverName: "full.test"})
	for range 500 {
		c.get(t, "full.test").want(t, 200, "full")
		c.get(t, "nobody.test").want(t, 421, "")
	}
	if lost := s.metric(t, "ingress421_log_lines_lost_total"); lost == 0 {
		t.Error("lines are lost, and log_lines_lost_total does not say so")
	}
}

// TestRandomClients: names that clients make up, as hosts, methods and server
// names, make no series and stay nowhere in memory.
func TestRandomClients(t *testing.T) {
	const requests, handshakes = 20_000, 1_000
	s, p := folderStage(t)
	s.host(t, "real.test", nil)
	s.live(t, "real.test")
	name := func() string { return strconv.FormatUint(rand.Uint64(), 36) }
	c := s.open(t, dialing{serverName: "real.test"})
	ask := func(n int) {
		for range n {
			a, err := c.do(strings.ToUpper(name()), "https://"+name()+".test/"+name(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a.StatusCode != http.StatusMisdirectedRequest {
				t.Fatalf("%d for a host that nobody serves", a.StatusCode)
			}
		}
	}
	shake := func(n int) {
		for range n {
			if nc, _, err := s.shake(name()+".test", "h2", new(net.Dialer)); err == nil {
				nc.Close()
				t.Fatal("a handshake for a name that nobody serves")
			}
		}
	}
	series := func() int {
		_, text := get(t, "http://"+s.metrics+"/metrics")
		return strings.Count(text, "\ningress421_")
	}
	ask(requests / 5)
	shake(10)
	before, was := settled(t, p), series()
	ask(requests)
	shake(handshakes)
	grown := settled(t, p) - before
	t.Logf("%d requests and %d handshakes: %d KiB more", requests, handshakes, grown>>10)
	if grown > 5<<20 {
		t.Errorf("%d octets more after requests for hosts that nobody serves", grown)
	}
	if is := series(); is != was {
		t.Errorf("%d series, there were %d", is, was)
	}
}

// TestSecretsAreNotTold: what is secret appears nowhere that is not asked for it:
// not in the log, at whatever level, the access log, the metrics or the page.
func TestSecretsAreNotTold(t *testing.T) {
	const password, token, cookie = "canary-password", "canary-token", "canary-cookie"
	s, p := folderStage(t, "--log-level", "debug", "--access-log", "json", "--nginx-annotations", "strict")
	cert := s.host(t, "secret.test", nil)
	users := &corev1.Secret{ObjectMeta: s.meta("users"), Data: map[string][]byte{"auth": []byte("canary-user:{SHA}" + base64.StdEncoding.EncodeToString(make([]byte, 20)) + "\n")}}
	users.APIVersion, users.Kind = "v1", "Secret"
	guarded := s.ingress("guarded.test", "secret", "guarded-tls")
	guarded.Annotations = map[string]string{"nginx.ingress.kubernetes.io/auth-type": "basic", "nginx.ingress.kubernetes.io/auth-secret": "users"}
	s.put(t, users, s.secret("guarded-tls", s.ca.Server(t, "guarded.test")), guarded)
	s.live(t, "secret.test")
	testkit.Eventually(t, "guarded.test asks for a password", func() string {
		c, err := s.dial(dialing{serverName: "guarded.test"})
		if err != nil {
			return err.Error()
		}
		defer c.close()
		a, err := c.do("GET", "https://guarded.test/?token="+token, nil,
			"Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("canary-user:"+password)), "Cookie", "session="+cookie)
		if err != nil || a.StatusCode != http.StatusUnauthorized {
			return fmt.Sprintf("%v, error %v", a.Response, err)
		}
		return ""
	})
	broken := s.secret("secret-tls", cert)
	broken.Data[corev1.TLSCertKey] = []byte("garbage")
	s.put(t, broken)
	s.problem(t, "secret.test", "CertificateInvalid", true)

	key := strings.Split(string(cert.KeyPEM), "\n")[1]
	canaries := map[string]string{
		"a private key": key, "a private key in base64": base64.StdEncoding.EncodeToString(cert.KeyPEM)[:60], "a password": password,
		"a password as sent":  base64.StdEncoding.EncodeToString([]byte("canary-user:" + password)),
		"a hash of passwords": "{SHA}", "a cookie": cookie,
	}
	told := map[string]string{"log": p.Log.String(), "access log": p.Stdout.String()}
	admin := p.Address(t, "serving", "admin")
	for _, page := range []string{
		"/", "/hosts", "/certificates", "/backends", "/problems", "/overlaps", "/misdirected",
		"/hosts.json", "/certificates.json", "/backends.json", "/problems.json", "/overlaps.json", "/misdirected.json",
	} {
		_, told["page "+page] = get(t, "http://"+admin+page)
	}
	_, told["metrics"] = get(t, "http://"+s.metrics+"/metrics")
	for where, text := range told {
		if text == "" {
			t.Errorf("%s is empty", where)
		}
		for what, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s tells %s", where, what)
			}
		}
	}
}
