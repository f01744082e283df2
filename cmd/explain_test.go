package cmd

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/internal/hostmap/mapjson"
	"github.com/ingress421/ingress421/internal/testkit"
)

// One question has one answer, out of a folder or from a running instance.
func TestExplain(t *testing.T) {
	ca := testkit.NewCA(t, "explain")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": manifest(t, "a", `ingress421.dev/misdirected: same-certificate`, "a.test", ca.Server(t, "a.test")),
		"web.yaml": `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [127.0.0.1]}]
`,
		"b.yaml": manifest(t, "b", `ingress421.dev/allow-source-range: 10.0.0.0/8`, "b.test", ca.Server(t, "*.test")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := process.Load(t.Context(), process.Config{Manifests: dir, Controller: v1alpha1.DefaultControllerName})
	if err != nil {
		t.Fatal(err)
	}
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hostmap.json" {
			http.NotFound(w, r)
			return
		}
		if err := mapjson.Write(w, found.Map); err != nil {
			t.Error(err)
		}
	}))
	defer admin.Close()
	for _, c := range []struct {
		args string
		code int
		says string // on either output
	}{
		{"--authority a.test", exitOK, "verdict     served by shop/web:80 (Ingress shop/a)"},
		{"--server-name b.test --authority a.test", exitOK, "verdict     421 other_certificate, retry=yes"},
		{"--server-name b.test --authority a.test:8443 -o json", exitOK, `"reason": "other_certificate"`},
		{"--server-name= --authority a.test", exitOK, "the handshake is refused"},
		{"--authority c.test", exitOK, "the handshake is refused"},
		{"--authority b.test --peer 192.0.2.1", exitOK, "403 source_range"},
		{"--authority b.test --peer 192.0.2.1 --client 10.1.2.3", exitOK, "served by shop/web:80"},
		{"--cleartext --authority a.test", exitOK, "308 to https"},
		{"", exitUsage, "--authority: want"},
		{"--authority a.test --tls 1.1", exitUsage, `--tls "1.1": want 1.2 or 1.3`},
		{"--authority a.test --peer nobody", exitUsage, `--peer "nobody": want an IP address`},
		{"--authority a.test -o html", exitUsage, `--output "html": want table or json`},
	} {
		for _, from := range [][]string{{"--manifests", dir}, {"--admin", admin.URL}} {
			var stdout, stderr bytes.Buffer
			code := Main(append(append([]string{"explain"}, strings.Fields(c.args)...), from...), &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String()+stderr.String(), c.says) {
				t.Errorf("%s %s: exit code %d, want %d and %q\n%s%s", c.args, from[0], code, c.code, c.says, &stdout, &stderr)
			}
		}
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--admin " + admin.URL + " --manifests " + dir, exitUsage, "--admin does not go with"},
		{"--admin 127.0.0.1:9421", exitUsage, "want a URL such as"},
		{"--admin " + admin.URL + "/elsewhere", exitFailed, "404 Not Found"},
	} {
		code, said := ran(append([]string{"explain", "--authority", "a.test"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", c.args, code, c.code, c.says, said)
		}
	}
}

// An Ingress for the host that is not ours is told of, by a wildcard too.
func TestExplainNamesUnownedIngresses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	text := `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ours}
spec: {controller: ingress421.dev/controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: other
  rules: [{host: a.test}, {host: "*.w.test"}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for authority, told := range map[string]bool{"A.test:8443": true, "x.w.test": true, "w.test": false, "x.y.w.test": false} {
		code, said := ran("explain", "--authority", authority, "--manifests", filepath.Dir(file))
		if code != exitOK || strings.Contains(said, "- Ingress shop/web: ") != told {
			t.Errorf("%s: exit code %d, want the Ingress named: %t\n%s", authority, code, told, said)
		}
	}
}
