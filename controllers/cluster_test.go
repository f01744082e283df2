package controllers_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
	"github.com/ingress421/ingress421/test/require"
)

var cluster kube.Shared

func TestMain(m *testing.M) {
	controllers.RouteLogs(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	os.Exit(cluster.Run(m))
}

// world is a namespace of a real API server, with a class of its own.
type world struct {
	client.Client
	t          testing.TB
	cluster    *kube.Cluster
	namespace  string
	class      string
	controller string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	c := cluster.Get(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	direct, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Client: direct, t: t, cluster: c, namespace: c.Namespace(t)}
	w.class, w.controller = w.namespace, "ingress421.dev/"+w.namespace
	w.create(&networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: w.class},
		Spec:       networkingv1.IngressClassSpec{Controller: w.controller},
	})
	return w
}

// create creates objects; those of the cluster are deleted when the test ends.
func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		if err := w.Create(w.t.Context(), o); err != nil {
			w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
		if o.GetNamespace() == "" {
			w.t.Cleanup(func() {
				if err := w.Delete(context.Background(), o); client.IgnoreNotFound(err) != nil {
					w.t.Errorf("delete %T %s: %v", o, o.GetName(), err)
				}
			})
		}
	}
}

func (w *world) update(o client.Object) {
	w.t.Helper()
	if err := w.Update(w.t.Context(), o); err != nil {
		w.t.Fatalf("update %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) remove(o client.Object) {
	w.t.Helper()
	if err := w.Delete(w.t.Context(), o); err != nil {
		w.t.Fatalf("delete %T %s: %v", o, o.GetName(), err)
	}
}

// in is the same world for another test, or for a subtest.
func (w *world) in(t testing.TB) *world {
	other := *w
	other.t = t
	return &other
}

// beside is the same world, and class, in a namespace that is new.
func (w *world) beside() *world {
	w.t.Helper()
	other := *w
	other.namespace = w.cluster.Namespace(w.t)
	return &other
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name}
}

// ingress sends a host's requests to port 80 of the Service web, with the
// certificate of a Secret unless that is "".
func (w *world) ingress(name, host, secret string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	i := &networkingv1.Ingress{
		ObjectMeta: w.meta(name),
		Spec: networkingv1.IngressSpec{
			IngressClassName: &w.class,
			Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", PathType: &prefix,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80},
					}},
				}}},
			}}},
		},
	}
	if secret != "" {
		i.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: secret}}
	}
	return i
}

// parameters has the class name an AuthorityPolicy of the namespace.
func (w *world) parameters(policy string) *networkingv1.IngressClass {
	w.t.Helper()
	class := new(networkingv1.IngressClass)
	if err := w.Get(w.t.Context(), client.ObjectKey{Name: w.class}, class); err != nil {
		w.t.Fatal(err)
	}
	group, scope := v1alpha1.GroupName, "Namespace"
	class.Spec.Parameters = &networkingv1.IngressClassParametersReference{
		APIGroup: &group, Kind: v1alpha1.AuthorityPolicyKind, Name: policy, Namespace: &w.namespace, Scope: &scope,
	}
	w.update(class)
	return class
}

func (w *world) service(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: w.meta(name),
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

// slice holds the endpoints of the Service web, at port 8080.
func (w *world) slice(name string, addresses ...string) *discoveryv1.EndpointSlice {
	port, portName := int32(8080), "http"
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  w.meta(name),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
	}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: "web"}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	return s
}

// secret holds a new key pair for the names.
func (w *world) secret(name string, names ...string) *corev1.Secret {
	w.t.Helper()
	c := new(testkit.CA).Server(w.t, names...)
	return &corev1.Secret{
		ObjectMeta: w.meta(name), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: c.PEM, corev1.TLSPrivateKeyKey: c.KeyPEM},
	}
}

// as is the cluster's configuration for a service account of the namespace.
func (w *world) as(account string) *rest.Config {
	c := rest.CopyConfig(w.cluster.Config)
	c.Impersonate.UserName = "system:serviceaccount:" + w.namespace + ":" + account
	c.Impersonate.Groups = []string{"system:serviceaccounts", "system:authenticated"}
	return c
}

// grant gives a service account of the namespace what config/rbac says, without
// the resources of these names.
func (w *world) grant(account string, without ...string) {
	w.t.Helper()
	for _, file := range []string{"clusterrole.yaml", "leader.yaml"} {
		text, err := os.ReadFile(filepath.Join(require.Root(w.t), "config", "rbac", file))
		if err != nil {
			w.t.Fatal(err)
		}
		mine := strings.NewReplacer(
			"namespace: ingress421", "namespace: "+w.namespace,
			"name: ingress421\n", "name: "+account+"\n",
		).Replace(string(text))
		for _, resource := range without {
			mine = strings.ReplaceAll(mine, "["+resource+"]", "[none]")
		}
		w.kubectl(mine, "apply", "-f", "-")
		if file == "clusterrole.yaml" {
			w.t.Cleanup(func() {
				if _, err := w.cluster.Kubectl(context.Background(), mine, "delete", "--ignore-not-found", "-f", "-"); err != nil {
					w.t.Error(err)
				}
			})
		}
	}
}

func (w *world) kubectl(stdin string, args ...string) string {
	w.t.Helper()
	out, err := w.cluster.Kubectl(w.t.Context(), stdin, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// run is a running controllers.Run, and what it has published.
type run struct {
	t testing.TB

	mu      sync.Mutex
	current *hostmap.Map      // guarded by mu, as are these
	problem []hostmap.Problem // of current
	at      time.Time
	count   int
	changed chan struct{} // closed with each publication
	stopped chan struct{} // closed when Run has returned
}

// start runs controllers.Run until the test ends.
func (w *world) start(change func(*controllers.Config)) *run {
	w.t.Helper()
	r := &run{t: w.t, changed: make(chan struct{}), stopped: make(chan struct{})}
	config := controllers.Config{
		Rest: w.cluster.Config, LeaderNamespace: w.namespace,
		Config: source.Config{
			Controller: w.controller,
			Publish: func(m *hostmap.Map) {
				r.mu.Lock()
				r.current, r.at = m, time.Now()
				r.count++
				r.mu.Unlock()
			},
			Report: func(o source.Outcome) {
				r.mu.Lock()
				defer r.mu.Unlock()
				if o.Map != r.current || o.Took <= 0 {
					r.t.Errorf("reported map %p after %v, published %p", o.Map, o.Took, r.current)
				}
				r.problem = o.Problems
				close(r.changed)
				r.changed = make(chan struct{})
			},
			Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		},
	}
	if change != nil {
		change(&config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.stopped)
		if err := controllers.Run(ctx, config); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-r.stopped
	})
	return r
}

const patience = 30 * time.Second

// until waits for a map of which the condition holds, and returns when it was
// published.
func (r *run) until(what string, holds func(*hostmap.Map, []hostmap.Problem) bool) time.Time {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		m, problems, at, changed := r.current, r.problem, r.at, r.changed
		r.mu.Unlock()
		if m != nil && holds(m, problems) {
			return at
		}
		select {
		case <-changed:
		case <-r.stopped:
			r.t.Fatalf("Run has ended before %s", what)
		case <-deadline:
			r.t.Fatalf("no %s within %v; problems %v; the map is:\n%v", what, patience, problems, m)
		}
	}
}

// text waits for a map whose text has all of these.
func (r *run) text(parts ...string) time.Time {
	r.t.Helper()
	return r.until(fmt.Sprintf("map with %q", parts), func(m *hostmap.Map, _ []hostmap.Problem) bool {
		text := m.String()
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
	})
}

// problems waits for a problem of that reason.
func (r *run) problems(reason string) {
	r.t.Helper()
	r.until("problem "+reason, func(_ *hostmap.Map, problems []hostmap.Problem) bool {
		return slices.ContainsFunc(problems, func(p hostmap.Problem) bool { return p.Reason == reason })
	})
}

func (r *run) published() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// eventually asks the API server until the condition holds.
func (w *world) eventually(what string, holds func() (bool, error)) {
	w.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds()
		if ok && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("no %s within %v, error %v", what, patience, err)
		}
	}
}
