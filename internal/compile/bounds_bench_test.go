package compile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
)

// Objects as large as an API server takes them, each beside one tenant. The
// figures are of a rebuild after one endpoint of that tenant has changed.
func BenchmarkLargeObjects(b *testing.B) {
	for name, state := range map[string]func(testing.TB) compile.Input{
		"none":           func(b testing.TB) compile.Input { return cluster(b, 1) },
		"tls-hosts":      func(b testing.TB) compile.Input { return withTLSHosts(b, 116_000) },
		"tls-entries":    withTLSEntries,
		"paths":          withPaths,
		"service-ports":  withServicePorts,
		"bundles":        func(b testing.TB) compile.Input { return withBundles(b, 20) },
		"broken-bundles": withBrokenBundles,
		"broken-pairs":   withBrokenPairs,
		"annotations":    withAnnotations,
	} {
		b.Run(name, func(b *testing.B) {
			in := state(b)
			states := [2]compile.Input{withAddress(in, 0, "10.9.9.9"), withAddress(in, 0, "10.9.9.8")}
			m, problems, _ := compile.Build(nil, in)
			m, _, _ = compile.Build(m, states[1])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m, problems, _ = compile.Build(m, states[i%2])
			}
			b.ReportMetric(float64(len(problems)), "problems")
			sink = m
		})
	}
}

// withTLSHosts is the Ingress of 1.4 MiB that names n hosts in tls.
func withTLSHosts(t testing.TB, n int) compile.Input {
	in := cluster(t, 1)
	ing := in.Ingresses[0].DeepCopy()
	ing.Name = "large"
	ing.Spec.TLS[0].Hosts = nil
	for i := range n {
		ing.Spec.TLS[0].Hosts = append(ing.Spec.TLS[0].Hosts, fmt.Sprintf("%d.a.b", i))
	}
	in.Ingresses = append(in.Ingresses, ing)
	return in
}

func withTLSEntries(t testing.TB) compile.Input {
	in := cluster(t, 1)
	ing := in.Ingresses[0].DeepCopy()
	ing.Name = "large"
	ing.Spec.TLS = nil
	for i := range 100_000 {
		ing.Spec.TLS = append(ing.Spec.TLS, networkingv1.IngressTLS{SecretName: fmt.Sprint(i)})
	}
	in.Ingresses = append(in.Ingresses, ing)
	return in
}

func withPaths(t testing.TB) compile.Input {
	in := cluster(t, 1)
	http := in.Ingresses[0].Spec.Rules[0].HTTP
	path := http.Paths[0]
	for i := range 60_000 {
		path.Path = fmt.Sprintf("/%d", i)
		http.Paths = append(http.Paths, path)
	}
	return in
}

// withServicePorts is a Service with thousands of ports, all of them backends,
// and a thousand endpoints.
func withServicePorts(t testing.TB) compile.Input {
	const ports = 10_000
	in := cluster(t, 1)
	http := in.Ingresses[0].Spec.Rules[0].HTTP
	path := http.Paths[0]
	service, slice := in.Services[0].DeepCopy(), in.EndpointSlices[0].DeepCopy()
	service.Name, slice.Labels = "large", map[string]string{"kubernetes.io/service-name": "large"}
	slice.Name, service.Spec.Ports, slice.Ports = "large-1", nil, nil
	for i := range ports {
		name, number := fmt.Sprintf("p%d", i), int32(i+1)
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: number, TargetPort: intstr.FromInt32(number)})
		slice.Ports = append(slice.Ports, in.EndpointSlices[0].Ports[0])
		slice.Ports[i].Name, slice.Ports[i].Port = &name, &number
		path.Path = fmt.Sprintf("/%d", i)
		path.Backend.Service = &networkingv1.IngressServiceBackend{Name: "large", Port: networkingv1.ServiceBackendPort{Number: number}}
		http.Paths = append(http.Paths, path)
	}
	endpoint := slice.Endpoints[0]
	slice.Endpoints = nil
	for i := range 1000 {
		e := *endpoint.DeepCopy()
		e.Addresses = []string{fmt.Sprintf("10.7.%d.%d", i/250, i%250+1)}
		slice.Endpoints = append(slice.Endpoints, e)
	}
	in.Services, in.EndpointSlices = append(in.Services, service), append(in.EndpointSlices, slice)
	return in
}

// largeBundle is 1 MiB of CA certificates.
func largeBundle(t testing.TB) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for i := 0; ; i++ {
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i)), Subject: pkix.Name{CommonName: fmt.Sprint(i)}, IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if out.Len()+len(block) > 1<<20 {
			return out.Bytes()
		}
		out.Write(block)
	}
}

func withBundles(t testing.TB, n int) compile.Input {
	in := cluster(t, n)
	bundle := largeBundle(t)
	for i, ing := range in.Ingresses {
		ing.Annotations = map[string]string{v1alpha1.AnnotationClientAuthSecret: "ca"}
		secret := in.Secrets[i].DeepCopy()
		secret.Name, secret.Data = "ca", map[string][]byte{"ca.crt": append(fmt.Appendf(nil, "%d\n", i), bundle...)}
		in.Secrets = append(in.Secrets, secret)
	}
	return in
}

func withBrokenBundles(t testing.TB) compile.Input {
	in := withBundles(t, 20)
	for _, s := range in.Secrets {
		if s.Name == "ca" {
			s.Data["ca.crt"] = append(s.Data["ca.crt"], "-----BEGIN"...)
		}
	}
	return in
}

// withBrokenPairs are Secrets whose tls.crt of 1 MiB is broken at its end.
func withBrokenPairs(t testing.TB) compile.Input {
	in := cluster(t, 20)
	bundle := largeBundle(t)
	for _, s := range in.Secrets[1:] {
		s.Data["tls.crt"] = append(bundle, "-----BEGIN"...)
	}
	return in
}

func withAnnotations(t testing.TB) compile.Input {
	in := cluster(t, 1)
	notes := make(map[string]string)
	for i := range 10_000 {
		notes[fmt.Sprintf("%s%d", v1alpha1.AnnotationPrefix, i)] = ""
	}
	notes[v1alpha1.AnnotationServerAlias] = string(bytes.Repeat([]byte("_._,"), 64<<10))
	in.Ingresses[0].Annotations = notes
	return in
}
