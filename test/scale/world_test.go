package scale

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
)

const (
	hostsPerIngress     = 10
	endpointsPerIngress = 5

	podPort   = 8080
	writers   = 24 // that create objects at the same time
	namespace = "default"
	className = "scale"
)

// world is what the API server holds: for each ten hosts an Ingress, a Secret,
// a Service and an EndpointSlice with five endpoints, all under one name.
type world struct {
	ca        *testkit.CA
	clients   *kubernetes.Clientset
	ingresses int
}

// newWorld fills an API server.
func newWorld(t *testing.T, c *kube.Cluster, hosts int) *world {
	t.Helper()
	config := rest.CopyConfig(c.Config)
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ca: testkit.NewCA(t, "scale CA"), clients: clients, ingresses: hosts / hostsPerIngress}
	class := &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: className},
		Spec:       networkingv1.IngressClassSpec{Controller: "ingress421.dev/controller"},
	}
	if _, err := clients.NetworkingV1().IngressClasses().Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	next := make(chan int)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for n := range next {
				if err := w.create(t, n); err != nil {
					t.Errorf("create %s: %v", name(n), err)
				}
			}
		})
	}
	for n := range w.ingresses {
		next <- n
	}
	close(next)
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return w
}

func name(n int) string    { return fmt.Sprintf("app-%05d", n) }
func host(n, i int) string { return fmt.Sprintf("h%d.app-%05d.scale.test", i, n) }
func pod(n, i int) string  { return fmt.Sprintf("10.%d.%d.%d", 1+i, n/250, n%250+1) }

func hostsOf(n int) []string {
	all := make([]string, hostsPerIngress)
	for i := range all {
		all[i] = host(n, i)
	}
	return all
}

// create writes the objects of ten hosts.
func (w *world) create(t *testing.T, n int) error {
	ctx, create := t.Context(), metav1.CreateOptions{}
	meta := metav1.ObjectMeta{Name: name(n)}
	if _, err := w.clients.CoreV1().Secrets(namespace).Create(ctx, w.secret(t, n), create); err != nil {
		return err
	}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone,
		Ports:     []corev1.ServicePort{{Name: "http", Port: 80}},
	}}
	if _, err := w.clients.CoreV1().Services(namespace).Create(ctx, service, create); err != nil {
		return err
	}
	addresses := make([]string, endpointsPerIngress)
	for i := range addresses {
		addresses[i] = pod(n, i)
	}
	if _, err := w.clients.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice(n, addresses...), create); err != nil {
		return err
	}
	_, err := w.clients.NetworkingV1().Ingresses(namespace).Create(ctx, ingress(name(n), n, hostsOf(n)...), create)
	return err
}

// secret is a Secret with a certificate for the hosts of an Ingress, another
// one at each call.
func (w *world) secret(t *testing.T, n int) *corev1.Secret {
	cert := w.ca.Server(t, hostsOf(n)...)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name(n)},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: cert.PEM, corev1.TLSPrivateKeyKey: cert.KeyPEM},
	}
}

func slice(n int, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name(n), Labels: map[string]string{discoveryv1.LabelServiceName: name(n)}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(podPort)), Protocol: new(corev1.ProtocolTCP)}},
	}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	return s
}

// ingress sends hosts to the Service of the n-th Ingress, with its certificate.
func ingress(title string, n int, hosts ...string) *networkingv1.Ingress {
	in := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: title},
		Spec: networkingv1.IngressSpec{
			IngressClassName: new(className),
			TLS:              []networkingv1.IngressTLS{{Hosts: hosts, SecretName: name(n)}},
		},
	}
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: name(n), Port: networkingv1.ServiceBackendPort{Name: "http"},
	}}
	for _, h := range hosts {
		in.Spec.Rules = append(in.Spec.Rules, networkingv1.IngressRule{Host: h, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{
				{Path: "/", PathType: new(networkingv1.PathTypePrefix), Backend: backend},
			}},
		}})
	}
	return in
}

// The changes that are timed. Each names the pod that answers afterwards, or
// the certificate.

// moveEndpoint gives the n-th Service one endpoint, of an address it did not have.
func (w *world) moveEndpoint(ctx context.Context, n, round int) (address string, err error) {
	address = pod(n, round%endpointsPerIngress)
	_, err = w.clients.DiscoveryV1().EndpointSlices(namespace).Update(ctx, slice(n, address), metav1.UpdateOptions{})
	return address, err
}

// moveHosts sends the hosts of the n-th Ingress to the Service of another.
func (w *world) moveHosts(ctx context.Context, n, to int) error {
	in := ingress(name(n), to, hostsOf(n)...)
	in.Spec.TLS[0].SecretName = name(n)
	_, err := w.clients.NetworkingV1().Ingresses(namespace).Update(ctx, in, metav1.UpdateOptions{})
	return err
}

// renew replaces the certificate of the n-th Ingress, and returns it.
func (w *world) renew(t *testing.T, n int) (*x509.Certificate, error) {
	s := w.secret(t, n)
	pair, err := tls.X509KeyPair(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	_, err = w.clients.CoreV1().Secrets(namespace).Update(t.Context(), s, metav1.UpdateOptions{})
	return pair.Leaf, err
}
