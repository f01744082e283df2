package controllers_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/test/kube"
)

// The API server is away at the start, comes, goes, and comes back. Meanwhile
// nothing changes, and what has changed is live within 10 s of its return.
func TestOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	relay, config := kube.NewRelay(t, w.cluster.Config)
	w.create(w.ingress("a", "a.test", ""), w.service("web"), w.slice("web", "10.244.0.1"))
	r := w.start(func(c *controllers.Config) {
		c.Rest, c.Namespaces, c.LeaderElection = config, []string{w.namespace}, true
		c.PublishAddresses = []string{"192.0.2.1"}
	})
	away := 3 * time.Second
	<-time.After(away) // Time is what is tested: nothing may happen in it.
	if n := r.published(); n != 0 {
		t.Fatalf("%d maps without an API server", n)
	}
	relay.Mend(t)
	r.text("site a.test", "endpoints=10.244.0.1:8080")
	w.status("a", "192.0.2.1")

	before := r.published()
	relay.Cut()
	w.create(w.ingress("b", "b.test", ""))
	// Longer than the leader may go without renewing its lease.
	<-time.After(14 * time.Second)
	if n := r.published(); n != before {
		t.Errorf("%d maps without an API server", n-before)
	}
	r.text("site a.test", "endpoints=10.244.0.1:8080")
	back := time.Now()
	relay.Mend(t)
	took := r.text("site a.test", "site b.test").Sub(back)
	t.Logf("from the API server's return to the map: %v", took)
	if took > 10*time.Second {
		t.Errorf("recovery took %v, want 10s at most", took)
	}
	w.status("b", "192.0.2.1") // The leader leads again.
}

// hidden is an API server that knows no AuthorityPolicies.
type hidden struct{ next http.RoundTripper }

func (h hidden) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/apis/ingress421.dev") {
		return &http.Response{
			StatusCode: http.StatusNotFound, Request: r, Body: io.NopCloser(strings.NewReader("404 page not found\n")),
			Header: http.Header{"Content-Type": {"text/plain"}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	}
	return h.next.RoundTrip(r)
}

// An RBAC refusal is not an empty list.
func TestRefusedListChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant("fading")
	w.create(w.ingress("a", "a.test", ""))
	relay, config := kube.NewRelay(t, w.as("fading"))
	relay.Mend(t)
	r := w.start(func(c *controllers.Config) { c.Rest, c.Namespaces = config, []string{w.namespace} })
	r.text("site a.test")
	before := r.published()
	w.kubectl("", "delete", "clusterrolebinding", "fading")
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		_, err := clients.NetworkingV1().Ingresses(w.namespace).List(t.Context(), metav1.ListOptions{})
		return err
	}
	w.eventually("refusal", func() (bool, error) { return list() != nil, nil })
	// The watches begin anew, and are refused.
	relay.Cut()
	relay.Mend(t)
	var gone networkingv1.Ingress
	gone.Namespace, gone.Name = w.namespace, "a"
	w.remove(&gone)
	<-time.After(3 * time.Second)
	if n := r.published(); n != before {
		t.Errorf("%d maps out of refused lists", n-before)
	}
	w.grant("fading")
	r.until("map without the site", func(m *hostmap.Map, _ []hostmap.Problem) bool { return m.Site("a.test") == nil })
}

// With --namespace, Roles of those namespaces are enough, and one object that a
// flag names may be elsewhere.
func TestNamespacesWithRolesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	elsewhere, unread := w.cluster.Namespace(t), w.cluster.Namespace(t)
	role := func(kind, namespace, name, rules string) {
		w.kubectl(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"`+kind+`","metadata":{"name":"`+name+`","namespace":"`+namespace+`"},"rules":[`+rules+`]}`, "apply", "-f", "-")
		w.kubectl(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"`+kind+`Binding","metadata":{"name":"`+name+`","namespace":"`+namespace+`"},
			"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"`+kind+`","name":"`+name+`"},
			"subjects":[{"kind":"ServiceAccount","name":"small","namespace":"`+w.namespace+`"}]}`, "apply", "-f", "-")
	}
	read := `,"verbs":["get","list","watch"]}`
	role("Role", w.namespace, "small", `{"apiGroups":["networking.k8s.io","discovery.k8s.io","","ingress421.dev"],
		"resources":["ingresses","endpointslices","services","secrets","authoritypolicies"]`+read)
	role("Role", elsewhere, "small", `{"apiGroups":[""],"resources":["secrets"],"resourceNames":["default"]`+read)
	role("ClusterRole", "", "small-"+w.namespace, `{"apiGroups":["networking.k8s.io"],"resources":["ingressclasses"]`+read)
	t.Cleanup(func() {
		for _, kind := range []string{"clusterrole", "clusterrolebinding"} {
			if _, err := w.cluster.Kubectl(context.Background(), "", "delete", kind, "small-"+w.namespace); err != nil {
				t.Error(err)
			}
		}
	})

	fallback := w.secret("default", "fallback.test")
	fallback.Namespace = elsewhere
	stray := w.ingress("b", "b.test", "")
	stray.Namespace = unread
	w.create(fallback, stray, w.ingress("a", "a.test", ""))
	r := w.start(func(c *controllers.Config) {
		c.Rest, c.Namespaces = w.as("small"), []string{w.namespace}
		c.DefaultCertificate.Namespace, c.DefaultCertificate.Name = elsewhere, "default"
	})
	r.text("site a.test", "default-certificate "+elsewhere+"/default "+fingerprint(t, fallback))
	r.until("map without other namespaces", func(m *hostmap.Map, _ []hostmap.Problem) bool { return m.Site("b.test") == nil })
}

// A cluster without our CustomResourceDefinition is served all the same.
func TestWithoutPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.ingress("a", "a.test", ""))
	config := rest.CopyConfig(w.cluster.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return hidden{next} })
	r := w.start(func(c *controllers.Config) { c.Rest, c.Namespaces = config, []string{w.namespace} })
	r.text("site a.test")
}
