package browsers

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/testkit"
)

// patience bounds every wait for something that must come. It is long because
// machines that test are busy.
const patience = 60 * time.Second

const (
	namespace = "shop"
	className = "browsers"
	// nowhere is a host that is not served: whoever asks gets 421.
	nowhere = "nowhere"
)

// host is a host under shop.test, by its first label.
type host struct {
	name string
	// covers are other hosts on its certificate, which those with a
	// certificate of their own have besides.
	covers      []string
	shares      string            // the host whose certificate it has, if not its own
	annotations map[string]string // without their prefix
}

// hosts returns the hosts of the world. For each way to be refused there is a
// page with a connection of its own: after a 421, Firefox shares that
// connection no more, and any client keeps the new one.
func hosts() []host {
	strict := map[string]string{"misdirected": "same-certificate"}
	return []host{
		{name: "page", covers: []string{"share", "other"}},
		{name: "share", shares: "page"},
		{name: "other"},
		{name: "page-get", covers: []string{"get", "after"}},
		{name: "after", shares: "page-get"},
		{name: "get", annotations: strict},
		{name: "page-post", covers: []string{"post"}},
		{name: "post", annotations: strict},
		{name: "page-files", covers: []string{"files"}},
		{name: "files", annotations: strict},
		{name: "page-optional", covers: []string{"optional"}},
		{name: "optional", annotations: map[string]string{
			"client-auth-secret": "clients-ca", "client-auth": "optional",
		}},
		{name: "page-locked", covers: []string{"locked"}},
		{name: "locked", annotations: map[string]string{
			"client-auth-secret": "clients-ca", "client-auth": "require",
		}},
		{name: "page-grpc", covers: []string{"grpc", "share-grpc", "after-grpc"}, annotations: map[string]string{"backend-protocol": "GRPC"}},
		{name: "share-grpc", shares: "page-grpc", annotations: map[string]string{"backend-protocol": "GRPC"}},
		{name: "after-grpc", shares: "page-grpc", annotations: map[string]string{"backend-protocol": "GRPC"}},
		{name: "grpc", annotations: map[string]string{
			"misdirected": "same-certificate", "backend-protocol": "GRPC",
		}},
	}
}

func fullName(name string) string { return name + ".shop.test" }

func fullNames() []string {
	names := []string{fullName(nowhere)}
	for _, h := range hosts() {
		names = append(names, fullName(h.name))
	}
	return names
}

// world is the built binary, serving the hosts on loopback.
type world struct {
	caFile  string
	ca      *testkit.CA
	port    int // of https
	metrics string
	process *testkit.Process
	scraped string // the last metrics
}

// newWorld starts the binary with a class whose originFrame is as given.
func newWorld(t testing.TB, originFrame v1alpha1.OriginFrame) *world {
	t.Helper()
	w := &world{ca: testkit.NewCA(t, "ingress421 test CA")}
	dir := t.TempDir()
	w.caFile = filepath.Join(dir, "ca.pem")
	write(t, w.caFile, w.ca.PEM)
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(manifests, "all.yaml"), w.manifests(t, originFrame))

	// ORIGIN frames name the port by which clients come, so it is chosen here.
	w.port = testkit.FreePort(t)
	w.process = testkit.Serve(t, "--manifests", manifests, "--https-addr", fmt.Sprintf("127.0.0.1:%d", w.port),
		"--external-https-port", strconv.Itoa(w.port), "--access-log", "json")
	w.metrics = w.process.Address(t, "serving", "metrics")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("access log:\n%s", &w.process.Stdout)
		}
	})
	return w
}

func (w *world) url(name, path string) string {
	return fmt.Sprintf("https://%s:%d%s", fullName(name), w.port, path)
}

// entry is a line of the access log.
type entry struct {
	Authority, SNI, Method, Path, Protocol, Reason string
	Status                                         int
	SourcePort                                     int `json:"source_port"` // tells connections apart
}

// finish reads the metrics and stops the server, so that its logs are whole.
func (w *world) finish(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.metrics+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	w.scraped = string(text)
	w.process.Stop(t)
	answered := len(w.process.Stdout.Lines(map[string]any{"status": 421.0}))
	if logged := len(w.refused()); logged != answered {
		t.Errorf("%d lines of 421s for %d in the access log", logged, answered)
	}
	if counted := w.metric(t, "ingress421_misdirected_requests_total"); counted != float64(answered) {
		t.Errorf("misdirected_requests_total is %v for %d 421s in the access log", counted, answered)
	}
}

// requests returns what the finished server was asked for a host, in order.
func (w *world) requests(t testing.TB, name string) []entry {
	t.Helper()
	var found []entry
	for line := range strings.Lines(w.process.Stdout.String()) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("access log %q: %v", line, err)
		}
		if authority, _, err := net.SplitHostPort(e.Authority); err == nil {
			e.Authority = authority
		}
		if e.Authority == fullName(name) {
			found = append(found, e)
		}
	}
	return found
}

// refused returns the lines of 421s in the log of the finished server.
func (w *world) refused() []map[string]any {
	return w.process.Log.Lines(map[string]any{"msg": "misdirected"})
}

// metric returns the sum of the series of a name that have certain labels, as
// they stand in the text, when the server was finished.
func (w *world) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
lines:
	for line := range strings.Lines(w.scraped) {
		series, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found || !strings.HasPrefix(series, name+"{") {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("metric %s: %v", line, err)
		}
		sum += v
	}
	return sum
}

// manifests returns all objects as YAML, and starts the backends.
func (w *world) manifests(t testing.TB, originFrame v1alpha1.OriginFrame) []byte {
	t.Helper()
	clients := testkit.NewCA(t, "a CA nobody has a certificate of")
	class, controller, scope, ns := className, "ingress421.dev/controller", networkingv1.IngressClassParametersReferenceScopeNamespace, namespace
	group := v1alpha1.GroupName
	objects := []any{
		&networkingv1.IngressClass{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "IngressClass"},
			ObjectMeta: metav1.ObjectMeta{Name: class},
			Spec: networkingv1.IngressClassSpec{Controller: controller, Parameters: &networkingv1.IngressClassParametersReference{
				APIGroup: &group, Kind: v1alpha1.AuthorityPolicyKind, Name: "policy", Scope: &scope, Namespace: &ns,
			}},
		},
		&v1alpha1.AuthorityPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: v1alpha1.AuthorityPolicyKind},
			ObjectMeta: meta("policy"),
			Spec: v1alpha1.AuthorityPolicySpec{
				OriginFrame: originFrame,
				// nowhere.shop.test has a certificate, and no Ingress.
				TLS:         v1alpha1.TLSSpec{DefaultCertificateRef: &v1alpha1.SecretReference{Name: "nowhere-tls"}},
				Misdirected: v1alpha1.MisdirectedSpec{UnservedAuthority: v1alpha1.UnservedMisdirected},
			},
		},
		secret("clients-ca", corev1.SecretTypeOpaque, map[string][]byte{"ca.crt": clients.PEM}),
		w.tlsSecret(t, "nowhere-tls", fullName(nowhere)),
	}
	for _, backend := range []struct {
		name    string
		handler http.Handler
	}{{"web", web()}, {"health", health()}} {
		objects = append(objects, service(backend.name), slice(backend.name, testkit.Backend(t, backend.handler)))
	}
	for _, h := range hosts() {
		secretName := h.name + "-tls"
		if h.shares != "" {
			secretName = h.shares + "-tls"
		} else {
			names := []string{fullName(h.name)}
			for _, other := range h.covers {
				names = append(names, fullName(other))
			}
			objects = append(objects, w.tlsSecret(t, secretName, names...))
		}
		backend := "web"
		if h.annotations["backend-protocol"] == "GRPC" {
			backend = "health"
		}
		objects = append(objects, ingress(h, secretName, backend))
	}
	var out bytes.Buffer
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "---\n%s", text)
	}
	return out.Bytes()
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace}
}

func secret(name string, kind corev1.SecretType, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta(name), Type: kind, Data: data,
	}
}

func (w *world) tlsSecret(t testing.TB, name string, hosts ...string) *corev1.Secret {
	t.Helper()
	c := w.ca.Server(t, hosts...)
	return secret(name, corev1.SecretTypeTLS, map[string][]byte{corev1.TLSCertKey: c.PEM, corev1.TLSPrivateKeyKey: c.KeyPEM})
}

func service(name string) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(name),
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func slice(service string, port int32) *discoveryv1.EndpointSlice {
	name := "http"
	s := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  meta(service + "-1"),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}},
	}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	return s
}

func ingress(h host, secretName, backend string) *networkingv1.Ingress {
	class, prefix := className, networkingv1.PathTypePrefix
	ing := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: meta(h.name),
		Spec: networkingv1.IngressSpec{
			IngressClassName: &class,
			TLS:              []networkingv1.IngressTLS{{Hosts: []string{fullName(h.name)}, SecretName: secretName}},
			Rules: []networkingv1.IngressRule{{Host: fullName(h.name), IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", PathType: &prefix,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: backend, Port: networkingv1.ServiceBackendPort{Name: "http"},
					}},
				}}},
			}}},
		},
	}
	ing.Annotations = make(map[string]string)
	for name, value := range h.annotations {
		ing.Annotations["ingress421.dev/"+name] = value
	}
	return ing
}

//go:embed page.html
var pageHTML []byte

// web is the backend of all hosts but grpc: the page, what a page loads, and an
// echo.
func web() http.Handler {
	mux := http.NewServeMux()
	file := func(path, contentType string, content []byte) {
		mux.HandleFunc(path, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", contentType)
			rw.Header().Set("Cache-Control", "no-store")
			_, _ = rw.Write(content)
		})
	}
	file("/page", "text/html; charset=utf-8", pageHTML)
	file("/style.css", "text/css", []byte("h1 { color: #063 }"))
	file("/script.js", "text/javascript", []byte("window.fromScript = 'ran'"))
	file("/image.svg", "image/svg+xml", []byte(
		`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><circle cx="20" cy="20" r="18" fill="#063"/></svg>`))
	mux.HandleFunc("/echo", func(rw http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			rw.Header().Set("Access-Control-Allow-Origin", origin)
			rw.Header().Set("Access-Control-Allow-Credentials", "true")
			rw.Header().Set("Access-Control-Expose-Headers", "X-Host")
		}
		rw.Header().Set("X-Host", r.Host[:strings.IndexByte(r.Host+":", ':')])
		body, err := io.ReadAll(r.Body)
		if err != nil {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = rw.Write(body)
	})
	return mux
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
