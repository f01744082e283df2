package broken

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/testkit"
)

// world is a folder of manifests in which all is well: a host, its certificate,
// and a backend that answers.
type world struct {
	ca       *testkit.CA
	objects  map[string]string // by kind and name
	endpoint string            // host:port
}

const host = "www.shop.test"

func newWorld(t *testing.T) *world {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(backend.Close)
	w := &world{ca: testkit.NewCA(t, "shop"), objects: make(map[string]string)}
	w.objects["class"] = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: ingress421.dev/controller}`
	w.objects["ingress"] = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: www
  namespace: shop
  creationTimestamp: "2026-01-02T00:00:00Z"
  annotations:
    ingress421.dev/read-timeout: 30s
spec:
  ingressClassName: edge
  tls:
  - hosts: [www.shop.test]
    secretName: www-tls
  rules:
  - host: www.shop.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: web
            port:
              name: http`
	w.objects["service"] = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]`
	w.objects["endpoints"] = endpoints(backend.Listener.Addr().String())
	w.objects["secret"] = w.secret(t, "www-tls", w.ca.Server(t, host))
	return w
}

func endpoints(address string) string {
	ip, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %s}]
endpoints: [{addresses: [%s]}]`, port, ip)
}

func (w *world) secret(t *testing.T, name string, c *testkit.Certificate) string {
	t.Helper()
	return fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: %s, namespace: shop}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}`, name, base64.StdEncoding.EncodeToString(c.PEM), base64.StdEncoding.EncodeToString(c.KeyPEM))
}

// in replaces a part of an object, which must be there.
func (w *world) in(t *testing.T, object, old, changed string) {
	t.Helper()
	text := strings.Replace(w.objects[object], old, changed, 1)
	if text == w.objects[object] {
		t.Fatalf("%s has no %q", object, old)
	}
	w.objects[object] = text
}

// write writes the objects to a folder.
func (w *world) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range w.objects {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// broken is one thing that is wrong.
type broken struct {
	name  string
	wreck func(*testing.T, *world)
	// object, field and mend are what each way of looking has to say. What
	// happens only at run time is in no manifest: check is not asked about it, and
	// explain is asked of what runs.
	object, field, mend string
	runtime             bool
	// metric is the series that tells; response is in what the client gets.
	metric, response string
}

var ten = []broken{
	{
		name: "certificate",
		wreck: func(t *testing.T, w *world) {
			w.objects["secret"] = w.secret(t, "www-tls", w.ca.Server(t, "shop.test"))
		},
		object: "Ingress shop/www", field: "spec.tls[0]", mend: "Issue one that does",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="CertificateDoesNotCoverHost"}`, response: `421 details="certificate"`,
	},
	{
		name:   "Secret",
		wreck:  func(_ *testing.T, w *world) { delete(w.objects, "secret"); w.objects["other"] = otherSecret },
		object: "Ingress shop/www", field: "spec.tls[0].secretName", mend: "create it or correct the name",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="SecretNotFound"}`, response: "unrecognized name",
	},
	{
		name: "annotation",
		wreck: func(t *testing.T, w *world) {
			w.in(t, "ingress", "ingress421.dev/read-timeout", "ingress421.dev/read-timout")
		},
		object: "Ingress shop/www", field: "ingress421.dev/read-timout", mend: "Did you mean ingress421.dev/read-timeout?",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="AnnotationUnknown"}`, response: "200",
	},
	{
		name:   "port name",
		wreck:  func(t *testing.T, w *world) { w.in(t, "ingress", "name: http", "name: htp") },
		object: "Ingress shop/www", field: "spec.rules[0].http.paths[0]", mend: "http",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="PortNotFound"}`, response: `503 details="`,
	},
	{
		name:   "class",
		wreck:  func(t *testing.T, w *world) { w.in(t, "ingress", "ingressClassName: edge", "ingressClassName: egde") },
		object: "Ingress shop/www", field: "spec.ingressClassName", mend: "Correct the name to edge",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="ClassNotFound"}`, response: "unrecognized name",
	},
	{
		name: "client CA",
		wreck: func(t *testing.T, w *world) {
			w.in(t, "ingress", "ingress421.dev/read-timeout: 30s", "ingress421.dev/client-auth-secret: www-tls")
		},
		object: "Ingress shop/www", field: "ingress421.dev/client-auth-secret", mend: "ca.crt",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="ClientAuthUnresolved"}`, response: "unrecognized name",
	},
	{
		name: "conflicting host",
		wreck: func(t *testing.T, w *world) {
			first := strings.NewReplacer("name: www\n", "name: first\n", "namespace: shop", "namespace: attic", "2026-01-02", "2026-01-01").Replace(w.objects["ingress"])
			w.objects["first"] = first[:strings.Index(first, "  tls:")] + first[strings.Index(first, "  rules:"):]
		},
		object: "Ingress shop/www", field: `Host "www.shop.test"`, mend: "Name another host",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="HostConflict"}`, response: "unrecognized name",
	},
	{
		name: "expired",
		wreck: func(t *testing.T, w *world) {
			w.objects["secret"] = w.secret(t, "www-tls", w.ca.Sign(t, &x509.Certificate{DNSNames: []string{host}, NotAfter: time.Now().Add(-time.Hour)}))
		},
		object: "www-tls", field: "spec.tls[0].secretName", mend: "renew it",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="CertificateExpired"}`, response: "200",
	},
	{
		name: "backend down",
		wreck: func(t *testing.T, w *world) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			w.endpoint = l.Addr().String()
			w.objects["endpoints"] = endpoints(w.endpoint)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		},
		object: "Service shop/web", field: "port", mend: "targetPort of the Service", runtime: true,
		metric: `upstream_requests_total{namespace="shop",result="connect",service="web"}`, response: `502 details="`,
	},
	{
		name:   "no endpoints",
		wreck:  func(_ *testing.T, w *world) { delete(w.objects, "endpoints"); w.objects["other"] = otherSlice },
		object: "Ingress shop/www", field: "spec.rules[0].http.paths[0]", mend: "EndpointSlice",
		metric: `ingress_problems{ingress="www",namespace="shop",reason="NoEndpoints"}`, response: `503 details="`,
	},
}

// Of a kind of which manifests hold nothing at all nothing is said.
const (
	otherSecret = `
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: shop}
type: Opaque`
	otherSlice = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: other, namespace: shop, labels: {kubernetes.io/service-name: other}}
addressType: IPv4
endpoints: []`
)

// lookings are the ways of looking at a broken world.
type lookings struct{ explain, check, page, log, metric, response string }

func (b *broken) look(t *testing.T, w *world) lookings {
	t.Helper()
	dir := w.write(t)
	var l lookings
	l.explain = said(t, "explain", "--manifests", dir, "--authority", host)
	l.check = said(t, "check", dir)
	p := testkit.Serve(t, "--manifests", dir, "--log-format", "json")
	l.response = request(w.ca, p.Address(t, "serving", "https"))
	l.page = get(t, p.Address(t, "serving", "admin"), "/problems.json") + get(t, p.Address(t, "serving", "admin"), "/backends.json") +
		get(t, p.Address(t, "serving", "admin"), "/explain.json?"+url.Values{"authority": {host}}.Encode())
	if b.runtime { // Nothing is wrong with the objects.
		l.explain = said(t, "explain", "--admin", "http://"+p.Address(t, "serving", "admin"), "--authority", host)
		p.Line(t, "backend failed")
	}
	l.metric = get(t, p.Address(t, "serving", "metrics"), "/metrics")
	l.log = unescaped(p.Log.String())
	return l
}

// said is what a command prints. It ends with 3 where it has found something.
func said(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), testkit.Binary(t), args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run() // how it ended is in ProcessState
	if c.ProcessState == nil || c.ProcessState.ExitCode() != 0 && c.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v: %v, %s", args, c.ProcessState, &errs)
	}
	return out.String()
}

func get(t *testing.T, address, path string) string {
	t.Helper()
	r, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return unescaped(string(text))
}

// unescaped has the quotes in texts that are quoted in JSON.
func unescaped(text string) string { return strings.ReplaceAll(text, `\"`, `"`) }

// request asks for the host as clients that share no connection do, and returns
// the status and why, or the error. Names and dates are not checked: what is
// looked at is what the server says.
func request(ca *testkit.CA, address string) string {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: host, RootCAs: ca.Roots(), InsecureSkipVerify: true}, // see above
	}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, "https://"+address+"/", http.NoBody)
	if err != nil {
		return err.Error()
	}
	r.Host = host
	resp, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Proxy-Status"))
}

// rate is 0 for nothing, 1 for something, 2 for the object, 3 for the object, the
// field and the mend.
func (b *broken) rate(text string) int {
	has := func(part string) bool { return strings.Contains(text, part) }
	kind, full, ok := strings.Cut(b.object, " ")
	if !ok {
		full = b.object
	}
	namespace, name, _ := strings.Cut(full, "/")
	named := has(b.object) || has(fmt.Sprintf(`"namespace":%q,"name":%q`, namespace, name)) ||
		has(fmt.Sprintf(`"namespace":%q,%q:%q`, namespace, strings.ToLower(kind), name))
	switch {
	case named && has(b.field) && has(b.mend):
		return 3
	case named:
		return 2
	case has(host), has(full):
		return 1
	}
	return 0
}

func TestTenBrokenThings(t *testing.T) {
	for _, b := range ten {
		t.Run(b.name, func(t *testing.T) {
			w := newWorld(t)
			b.wreck(t, w)
			l := b.look(t, w)
			rates := make(map[string]int)
			for _, way := range []struct{ name, text string }{
				{"explain", l.explain}, {"check", l.check}, {"page", l.page}, {"log", l.log},
			} {
				if b.runtime && way.name == "check" {
					continue
				}
				n := b.rate(way.text)
				rates[way.name] = n
				if n < 3 {
					t.Errorf("%s says %d of 3, want %q, %q and %q in\n%s", way.name, n, b.object, b.field, b.mend, way.text)
				}
			}
			t.Logf("rated %v; the client gets %s", rates, l.response)
			if !strings.Contains(l.metric, "ingress421_"+b.metric) {
				t.Errorf("no series %s", b.metric)
			}
			for part := range strings.FieldsSeq(b.response) {
				if !strings.Contains(l.response, part) {
					t.Errorf("the client gets %q, want %q", l.response, b.response)
				}
			}
		})
	}
}
