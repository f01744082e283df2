package compile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
)

// cluster makes a state of n tenants, each with a namespace of its own that
// holds an Ingress for hostOf(i), a Secret, a Service and an EndpointSlice with
// two endpoints.
func cluster(t testing.TB, n int) compile.Input {
	in := compile.Input{
		Now:        time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		Controller: v1alpha1.DefaultControllerName,
		Classes: []*networkingv1.IngressClass{{
			ObjectMeta: metav1.ObjectMeta{Name: "public"},
			Spec:       networkingv1.IngressClassSpec{Controller: v1alpha1.DefaultControllerName},
		}},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	class, prefix, portName, port := "public", networkingv1.PathTypePrefix, "http", int32(8080)
	for i := range n {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)),
			DNSNames:     []string{hostOf(i)},
			NotBefore:    in.Now.AddDate(0, -1, 0),
			NotAfter:     in.Now.AddDate(0, 2, 0).Add(time.Duration(i) * time.Second),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		meta := func(name string) metav1.ObjectMeta {
			return metav1.ObjectMeta{Namespace: fmt.Sprintf("tenant-%d", i), Name: name}
		}
		backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80},
		}}
		in.Secrets = append(in.Secrets, &corev1.Secret{
			ObjectMeta: meta("cert"), Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{
				"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
				"tls.key": keyPEM,
			},
		})
		in.Ingresses = append(in.Ingresses, &networkingv1.Ingress{
			ObjectMeta: meta("web"),
			Spec: networkingv1.IngressSpec{
				IngressClassName: &class,
				TLS:              []networkingv1.IngressTLS{{Hosts: []string{hostOf(i)}, SecretName: "cert"}},
				Rules: []networkingv1.IngressRule{{
					Host: hostOf(i),
					IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
						Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: backend}},
					}},
				}},
			},
		})
		in.Services = append(in.Services, &corev1.Service{
			ObjectMeta: meta("web"),
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: portName, Port: 80}}},
		})
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  meta("web-1"),
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
			Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{fmt.Sprintf("10.0.%d.%d", i/256%256, i%256)}},
				{Addresses: []string{fmt.Sprintf("10.1.%d.%d", i/256%256, i%256)}},
			},
		}
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: "web"}
		in.EndpointSlices = append(in.EndpointSlices, slice)
	}
	return in
}

func hostOf(i int) string { return fmt.Sprintf("host-%d.example", i) }

// withAddress returns the state with another address in the EndpointSlice of
// one tenant, as an informer would: a new object in the place of the old one.
func withAddress(in compile.Input, i int, address string) compile.Input {
	slices := append([]*discoveryv1.EndpointSlice(nil), in.EndpointSlices...)
	slices[i] = slices[i].DeepCopy()
	slices[i].Endpoints[0].Addresses = []string{address}
	in.EndpointSlices = slices
	return in
}
