package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed" // for the Ingresses
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

//go:embed ingresses.yaml
var ingresses []byte

// namespace has all of the demo's Secrets.
const namespace = "demo"

// world is what the demo serves and what it asks with. Close it.
type world struct {
	// dir is a temporary folder with ca.crt, client.crt and client.key.
	dir string
	// manifests is the folder within dir that is served.
	manifests string
	ingresses []*networkingv1.Ingress
	// roots verifies the servers' certificates.
	roots *x509.CertPool
	// client is the client certificate that partner.shop.test accepts.
	client   tls.Certificate
	backends []*http.Server
}

// newWorld makes certificates, starts a backend for each Service that an
// Ingress names, and writes the manifests.
func newWorld(ctx context.Context) (_ *world, err error) {
	dir, err := os.MkdirTemp("", "ingress421-demo-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, manifests: filepath.Join(dir, "manifests"), roots: x509.NewCertPool()}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := os.Mkdir(w.manifests, 0o700); err != nil {
		return nil, err
	}
	if err := w.readIngresses(); err != nil {
		return nil, err
	}
	secrets, err := w.makeSecrets()
	if err != nil {
		return nil, err
	}
	services, err := w.startBackends(ctx)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		"manifests/ingresses.yaml": ingresses, "manifests/secrets.yaml": secrets, "manifests/services.yaml": services,
	} {
		if err := w.write(name, content); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// close stops the backends and removes the folder.
func (w *world) close() error {
	for _, b := range w.backends {
		_ = b.Close()
	}
	return os.RemoveAll(w.dir)
}

func (w *world) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(w.dir, filepath.FromSlash(name)), content, 0o600)
}

func (w *world) readIngresses() error {
	for _, text := range bytes.Split(ingresses, []byte("\n---\n")) {
		ing := &networkingv1.Ingress{}
		if err := yaml.UnmarshalStrict(text, ing); err != nil {
			return fmt.Errorf("read the demo's Ingresses: %w", err)
		}
		w.ingresses = append(w.ingresses, ing)
	}
	return nil
}

// makeSecrets makes the CA and all certificates, and returns the Secrets as
// YAML.
func (w *world) makeSecrets() ([]byte, error) {
	ca, err := newIssuer()
	if err != nil {
		return nil, err
	}
	w.roots.AddCert(ca.cert)
	client, err := ca.client("partner")
	if err != nil {
		return nil, err
	}
	if w.client, err = tls.X509KeyPair(client.cert, client.key); err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"ca.crt": ca.pem, "client.crt": client.cert, "client.key": client.key} {
		if err := w.write(name, content); err != nil {
			return nil, err
		}
	}
	objects := []any{secret("partners-ca", corev1.SecretTypeOpaque, map[string][]byte{"ca.crt": ca.pem})}
	for _, s := range secrets {
		pair, err := ca.server(s.hosts)
		if err != nil {
			return nil, err
		}
		objects = append(objects, secret(s.name, corev1.SecretTypeTLS, map[string][]byte{
			corev1.TLSCertKey: pair.cert, corev1.TLSPrivateKeyKey: pair.key,
		}))
	}
	return toYAML(objects)
}

// startBackends starts a backend for each Service that an Ingress names, and
// returns Services and EndpointSlices as YAML.
func (w *world) startBackends(ctx context.Context) ([]byte, error) {
	namespaces := make(map[string]string) // by Service, each of which has a name of its own
	for _, ing := range w.ingresses {
		for _, rule := range ing.Spec.Rules {
			for _, path := range rule.HTTP.Paths {
				namespaces[path.Backend.Service.Name] = ing.Namespace
			}
		}
	}
	var objects []any
	for _, name := range slices.Sorted(maps.Keys(namespaces)) {
		port, err := w.startBackend(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("start backend %s: %w", name, err)
		}
		objects = append(objects, service(namespaces[name], name), endpointSlice(namespaces[name], name, port))
	}
	return toYAML(objects)
}

// startBackend serves an echo on a port of loopback.
func (w *world) startBackend(ctx context.Context, name string) (port int32, err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	srv := &http.Server{
		Handler:           echo(name),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	w.backends = append(w.backends, srv)
	go func() { _ = srv.Serve(ln) }()
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("listening on %s", ln.Addr())
	}
	return int32(addr.Port), nil
}

// echo is a backend that says who it is and what it was sent.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		rw.Header().Set("X-Backend", name)
		fmt.Fprintf(rw, "backend %s was sent:\n\n%s %s\nHost: %s\n", name, r.Method, r.RequestURI, r.Host)
		for _, field := range slices.Sorted(maps.Keys(r.Header)) {
			for _, value := range r.Header[field] {
				fmt.Fprintf(rw, "%s: %s\n", field, value)
			}
		}
	})
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace}
}

func secret(name string, kind corev1.SecretType, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta(namespace, name), Type: kind, Data: data,
	}
}

func service(namespace, name string) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(namespace, name),
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func endpointSlice(namespace, name string, port int32) *discoveryv1.EndpointSlice {
	portName := "http"
	slice := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  meta(namespace, name),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"127.0.0.1"}}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: name}
	return slice
}

// toYAML returns objects as one file.
func toYAML(objects []any) ([]byte, error) {
	var out bytes.Buffer
	for i, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}
