package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/internal/testkit"
)

// patience bounds every wait for something that must come. It is long because
// machines that test are busy; what a change really takes is measured.
const patience = 20 * time.Second

// stage is a running server with its objects and its backends.
type stage struct {
	ca                   *testkit.CA
	objects              objects
	namespace            string
	class                string
	http, https, metrics string // host:port
	log                  *testkit.Buffer
	// listen opens a listener for a backend and returns the address that an
	// EndpointSlice may name for it.
	listen func(t testing.TB) (ln net.Listener, address string, port int32)
}

// objects is where the server reads its objects: a folder or an API server.
type objects interface {
	// put creates an object, or replaces the one of its name.
	put(t testing.TB, o client.Object)
	remove(t testing.TB, o client.Object)
}

func (s *stage) put(t testing.TB, list ...client.Object) {
	t.Helper()
	for _, o := range list {
		s.objects.put(t, o)
	}
}

func (s *stage) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: s.namespace}
}

// secret is a kubernetes.io/tls Secret.
func (s *stage) secret(name string, p *testkit.Certificate) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: s.meta(name), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: p.PEM, corev1.TLSPrivateKeyKey: p.KeyPEM},
	}
}

// caSecret is a Secret with CA certificates.
func (s *stage) caSecret(name string, ca []byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: s.meta(name), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"ca.crt": ca},
	}
}

// ingress sends all requests for a host to port 80 of a Service. secret "" is
// no TLS; annotations are pairs of name, without its prefix, and value.
func (s *stage) ingress(host, service, secret string, annotations ...string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	ing := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: s.meta(strings.ReplaceAll(host, "*", "wildcard")),
		Spec: networkingv1.IngressSpec{
			IngressClassName: &s.class,
			Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", PathType: &prefix,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: service, Port: networkingv1.ServiceBackendPort{Name: "http"},
					}},
				}}},
			}}},
		},
	}
	if secret != "" {
		ing.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: secret}}
	}
	if len(annotations) != 0 {
		ing.Annotations = make(map[string]string)
		for i := 0; i < len(annotations); i += 2 {
			ing.Annotations["ingress421.dev/"+annotations[i]] = annotations[i+1]
		}
	}
	return ing
}

func (s *stage) service(name string) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: s.meta(name),
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

// slice makes a Service's only endpoint that of an address, which may be
// unready.
func (s *stage) slice(service, address string, port int32, ready bool) *discoveryv1.EndpointSlice {
	name := "http"
	slice := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  s.meta(service + "-1"),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	return slice
}

// backend is a pod that says its name, and repeats what it was sent.
type backend struct {
	name, address string
	port          int32
}

// backend starts one. handler nil is the echo.
func (s *stage) backend(t testing.TB, name string, handler http.HandlerFunc) backend {
	t.Helper()
	ln, address, port := s.listen(t)
	if handler == nil {
		handler = func(w http.ResponseWriter, r *http.Request) { echo(w, r, name) }
	}
	srv := &http.Server{Handler: handler}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return backend{name, address, port}
}

// echo says the name of a backend, and repeats what it was sent.
func echo(w http.ResponseWriter, r *http.Request, name string) {
	for field, values := range r.Header {
		w.Header()["Echo-"+field] = values
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Backend", name)
	fmt.Fprintf(w, "%s %s%s %s", r.Method, r.Host, r.RequestURI, body)
}

// host serves a host with a certificate for names (the host itself where none
// is given) and a Service and a backend of its name's first label.
func (s *stage) host(t testing.TB, host string, names []string, annotations ...string) *testkit.Certificate {
	t.Helper()
	name, _, _ := strings.Cut(host, ".")
	if names == nil {
		names = []string{host}
	}
	p := s.ca.Server(t, names...)
	b := s.backend(t, name, nil)
	s.put(t, s.secret(name+"-tls", p), s.service(name), s.slice(name, b.address, b.port, true),
		s.ingress(host, name, name+"-tls", annotations...))
	return p
}

// live waits until a host is served: its handshake succeeds and a request of
// its own is answered by its backend.
func (s *stage) live(t testing.TB, hosts ...string) {
	t.Helper()
	for _, host := range hosts {
		name, _, _ := strings.Cut(host, ".")
		testkit.Eventually(t, host+" is served", func() string {
			c, err := s.dial(dialing{serverName: host})
			if err != nil {
				return err.Error()
			}
			defer c.close()
			a, err := c.do("GET", "https://"+host+"/", nil)
			if err != nil {
				return err.Error()
			}
			if a.StatusCode != 200 || a.Header.Get("X-Backend") != name {
				return fmt.Sprintf("%d from %q", a.StatusCode, a.Header.Get("X-Backend"))
			}
			return ""
		})
	}
}

// metric returns the value of a series, given as the name and some of its
// labels as they stand in the text; the sum where several have them.
func (s *stage) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	_, text := get(t, "http://"+s.metrics+"/metrics")
	sum := 0.0
lines:
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if series, _, _ := strings.Cut(line, "{"); series != name && line[:max(at, 0)] != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(line, l) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("metric %s: %v", line, err)
		}
		sum += v
	}
	return sum
}

// problem waits until an Ingress has a problem, or no longer has it.
func (s *stage) problem(t testing.TB, ingress, reason string, has bool) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("Ingress %s has the problem %s = %v", ingress, reason, has), func() string {
		n := s.metric(t, "ingress421_ingress_problems", `ingress="`+ingress+`"`, `reason="`+reason+`"`)
		if (n > 0) != has {
			return fmt.Sprintf("ingress_problems is %v", n)
		}
		return ""
	})
}

// get fetches an address of the server's own.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
