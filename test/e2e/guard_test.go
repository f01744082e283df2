package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// guardedController starts what stands behind the guard, for a stage whose
// backend "app" it forwards to, and returns its port.
type guardedController struct {
	name, protocol string
	start          func(t *testing.T, s *stage, app backend) int32
}

var guardedControllers = []guardedController{
	{"http", "http", func(_ *testing.T, _ *stage, app backend) int32 { return app.port }},
	{"h2c", "h2c", func(t *testing.T, s *stage, _ backend) int32 {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		return serveGuarded(t, &http.Server{Handler: echoed("app"), Protocols: protocols}, nil)
	}},
	{"https", "https", func(t *testing.T, s *stage, _ backend) int32 {
		return serveGuarded(t, &http.Server{Handler: echoed("app")}, s.ca.Server(t, "*.example.test"))
	}},
	{"nginx", "http", startNginx},
	{"haproxy", "http", startHAProxy},
}

// Requests that pass the rule arrive at the guarded controller as they came,
// whatever the paths and backends of its Ingresses; the others are answered 421.
func TestGuard(t *testing.T) {
	for _, g := range guardedControllers {
		t.Run(g.name, func(t *testing.T) {
			s, _ := folderStage(t, "--guard-class", "guarded", "--guard-upstream", "default/controller:80", "--guard-protocol", g.protocol)
			s.class = "guarded"
			s.put(t, s.ingressClass("somebody.else/controller"))
			app := s.backend(t, "app", nil)
			s.put(t, s.service("controller"), s.slice("controller", "127.0.0.1", g.start(t, s, app), true))

			// One certificate for both; the second host is the first one's
			// neighbour under a wildcard that does not cover the third.
			wild := s.ca.Server(t, "*.example.test")
			s.put(t, s.secret("wild", wild), s.secret("other", s.ca.Server(t, "other.test")))
			for host, secret := range map[string]string{"app.example.test": "wild", "too.example.test": "wild", "other.test": "other"} {
				ing := s.ingress(host, "nobody", secret)
				ing.Annotations = map[string]string{"nginx.ingress.kubernetes.io/rewrite-target": "/$2"}
				pattern := networkingv1.PathTypeImplementationSpecific
				ing.Spec.Rules[0].HTTP.Paths[0].PathType = &pattern
				ing.Spec.Rules[0].HTTP.Paths[0].Path = "/a(/|$)(.*)"
				s.put(t, ing)
			}
			s.live(t, "app.example.test")

			for _, http1 := range []bool{false, true} {
				c := s.open(t, dialing{serverName: "app.example.test", http1: http1})
				for _, host := range []string{"app.example.test", "too.example.test"} {
					a, err := c.do("POST", "https://"+host+"/a/b%2Fc?q=1", strings.NewReader("content"), "X-Own", "kept", "X-Forwarded-For", "192.0.2.1")
					if err != nil {
						t.Fatal(err)
					}
					if want := "POST " + host + "/a/b%2Fc?q=1 content"; a.StatusCode != 200 || a.body != want {
						t.Errorf("%d %q arrived, want %q", a.StatusCode, a.body, want)
					}
					if a.Header.Get("Echo-X-Own") != "kept" || a.Header.Get("Echo-X-Forwarded-Proto") != "https" ||
						strings.Contains(strings.Join(a.Header["Echo-X-Forwarded-For"], ","), "192.0.2.1") {
						t.Errorf("arrived with %v", a.Header)
					}
				}
				c.get(t, "other.test").want(t, http.StatusMisdirectedRequest, "")
				c.get(t, "nobody.example.test").want(t, http.StatusNotFound, "")
			}
			// Whether cleartext is sent to https is the guarded controller's to say.
			a := s.cleartext(t, "app.example.test")
			if want := "GET app.example.test/path?q=1 "; a.StatusCode != 200 || a.body != want || a.Header.Get("Echo-X-Forwarded-Proto") != "http" {
				t.Errorf("in cleartext %d %q, want %q", a.StatusCode, a.body, want)
			}
			s.problem(t, "app.example.test", "ServiceNotFound", false)
			s.problem(t, "app.example.test", "PathIsLiteral", false)
		})
	}
}

// echoed says its name, and repeats what it was sent.
func echoed(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echo(w, r, name) })
}

func serveGuarded(t *testing.T, srv *http.Server, p *testkit.Certificate) int32 {
	ln, _, port := listenLoopback(t)
	t.Cleanup(func() { srv.Close() })
	if p == nil {
		go srv.Serve(ln)
		return port
	}
	srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{p.TLS}}
	go srv.ServeTLS(ln, "", "")
	return port
}

func startNginx(t *testing.T, _ *stage, app backend) int32 {
	return startNginxWith(t, app, `
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  server {
    listen 127.0.0.1:%[1]d;
    location / {
      proxy_pass http://127.0.0.1:%[2]d; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }
  }`)
}

// startNginxWith runs nginx with what its http section is to say beside where
// files go.
func startNginxWith(t *testing.T, app backend, section string) int32 {
	return startProxy(t, app, []string{"nginx", "-c"}, `
daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
`+section+`
}
`, "-p", ".")
}

func startHAProxy(t *testing.T, _ *stage, app backend) int32 { return startHAProxyWith(t, app, "") }

// startHAProxyWith runs HAProxy, which speaks a protocol on both sides.
func startHAProxyWith(t *testing.T, app backend, protocol string) int32 {
	return startProxy(t, app, []string{"haproxy", "-db", "-f"}, `
defaults
  mode http
  timeout connect 10s
  timeout client 1m
  timeout server 1m
listen guarded
  bind 127.0.0.1:%[1]d `+protocol+`
  server app 127.0.0.1:%[2]d `+protocol+`
`)
}

// startProxy runs a proxy of the system's until the test ends.
func startProxy(t *testing.T, app backend, command []string, config string, more ...string) int32 {
	tool := require.Tool(t, command[0])
	dir, port := t.TempDir(), testkit.FreePort(t)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, port, app.port), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, append(append(command[1:len(command):len(command)], file), more...)...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Asked to, for a master that is killed leaves its workers behind.
	t.Cleanup(func() { _, _ = cmd.Process.Signal(syscall.SIGTERM), cmd.Wait() })
	testkit.Eventually(t, command[0]+" listens", func() string {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return err.Error()
		}
		c.Close()
		return ""
	})
	return int32(port)
}
