package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
)

const (
	class        = "conformance"
	serviceLabel = "service" // of a pod: the Service that it is for
)

// cluster is an API server with controllers, pods, and the binary at work.
type cluster struct {
	client client.Client
	ca     *testkit.CA
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	k := kube.Start(t)
	k.Controllers(t, "deployment-controller", "replicaset-controller", "endpointslice-controller", "namespace-controller")
	k.Pods(t, echo)
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(k.Config)
	config.QPS = -1
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := direct.Create(t.Context(), &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: class},
		Spec:       networkingv1.IngressClassSpec{Controller: "ingress421.dev/controller"},
	}); err != nil {
		t.Fatal(err)
	}
	testkit.Serve(t, "--kubeconfig", k.Kubeconfig, "--publish-address", address,
		"--http-addr", address+":80", "--https-addr", address+":443")
	return &cluster{direct, testkit.NewCA(t, "test CA")}
}

// namespace is what one scenario has.
type namespace struct {
	*cluster
	t    *testing.T
	name string
}

// namespace makes one, and deletes it when the test ends; what is in it takes
// longer to go.
func (c *cluster) namespace(t *testing.T) *namespace {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "ingress-conformance-"}}
	if err := c.client.Create(t.Context(), ns); err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := c.client.Delete(context.Background(), ns); err != nil {
			t.Errorf("delete namespace %s: %v", ns.Name, err)
		}
	})
	return &namespace{c, t, ns.Name}
}

func (n *namespace) create(objects ...client.Object) {
	n.t.Helper()
	for _, o := range objects {
		o.SetNamespace(n.name)
		if err := n.client.Create(n.t.Context(), o); err != nil {
			n.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
}

func (n *namespace) get(name string, o client.Object) error {
	return n.client.Get(n.t.Context(), client.ObjectKey{Namespace: n.name, Name: name}, o)
}

// ingress is an Ingress of our class with that spec.
func (n *namespace) ingress(name, spec string) *networkingv1.Ingress {
	n.t.Helper()
	i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &i.Spec); err != nil {
		n.t.Fatal(err)
	}
	i.Spec.IngressClassName = new(class)
	return i
}

// background creates an Ingress with all that it names, and waits until its
// status shows where it is served.
func (n *namespace) background(spec string) {
	n.t.Helper()
	i := n.ingress("background", spec)
	for _, entry := range i.Spec.TLS {
		c := n.ca.Server(n.t, entry.Hosts...)
		n.create(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: entry.SecretName}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{corev1.TLSCertKey: c.PEM, corev1.TLSPrivateKeyKey: c.KeyPEM},
		})
	}
	n.backends(i)
	n.create(i)
	testkit.Eventually(n.t, "the status shows an address", func() string {
		if got := n.addresses(i.Name); !slices.Equal(got, []string{address}) {
			return fmt.Sprintf("it has %v", got)
		}
		return ""
	})
}

func (n *namespace) addresses(ingress string) []string {
	n.t.Helper()
	var i networkingv1.Ingress
	if err := n.get(ingress, &i); err != nil {
		n.t.Fatal(err)
	}
	return addressesOf(&i)
}

// backends creates a Deployment and a Service for each backend that an Ingress
// names, and waits until they have endpoints.
func (n *namespace) backends(i *networkingv1.Ingress) {
	n.t.Helper()
	named := make(map[string]networkingv1.ServiceBackendPort)
	add := func(b *networkingv1.IngressBackend) {
		if b != nil {
			named[b.Service.Name] = b.Service.Port
		}
	}
	add(i.Spec.DefaultBackend)
	for _, r := range i.Spec.Rules {
		for _, p := range r.HTTP.Paths {
			add(&p.Backend)
		}
	}
	for name, port := range named {
		if port.Number == 0 {
			port.Number = 8080
		}
		labels := map[string]string{serviceLabel: name}
		n.create(
			&appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec: appsv1.DeploymentSpec{
					Selector: &metav1.LabelSelector{MatchLabels: labels},
					Template: corev1.PodTemplateSpec{
						ObjectMeta: metav1.ObjectMeta{Labels: labels},
						Spec: corev1.PodSpec{Containers: []corev1.Container{{
							Name: "echo", Image: "echo", Ports: []corev1.ContainerPort{{ContainerPort: 3000}},
						}}},
					},
				},
			},
			&corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec: corev1.ServiceSpec{
					Selector: labels,
					Ports:    []corev1.ServicePort{{Name: port.Name, Port: port.Number, TargetPort: intstr.FromInt32(3000)}},
				},
			})
	}
	for name := range named {
		n.endpoints(name, 1)
	}
}

// endpoints waits until a Service has so many.
func (n *namespace) endpoints(service string, want int) {
	n.t.Helper()
	testkit.Eventually(n.t, fmt.Sprintf("Service %s has %d endpoints", service, want), func() string {
		var slices discoveryv1.EndpointSliceList
		if err := n.client.List(n.t.Context(), &slices, client.InNamespace(n.name),
			client.MatchingLabels{discoveryv1.LabelServiceName: service}); err != nil {
			n.t.Fatal(err)
		}
		ready := 0
		for _, s := range slices.Items {
			for _, e := range s.Endpoints {
				if e.Conditions.Ready != nil && *e.Conditions.Ready {
					ready++
				}
			}
		}
		if ready != want {
			return fmt.Sprintf("it has %d", ready)
		}
		return ""
	})
}

// scale gives a Deployment so many pods, and waits until they are endpoints of
// the Service of its name.
func (n *namespace) scale(deployment string, replicas int) {
	n.t.Helper()
	var d appsv1.Deployment
	if err := n.get(deployment, &d); err != nil {
		n.t.Fatal(err)
	}
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, replicas))
	if err := n.client.Patch(n.t.Context(), &d, patch); err != nil {
		n.t.Fatal(err)
	}
	n.endpoints(deployment, replicas)
}
