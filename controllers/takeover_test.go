package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// owned waits for a map in which the host belongs to the namespace, and fails
// when a map before it gave it to somebody else.
func (r *run) owned(host, namespace string) {
	r.t.Helper()
	r.until(host+" owned by "+namespace, func(m *hostmap.Map, _ []hostmap.Problem) bool {
		s := m.Site(host)
		if s != nil && s.Namespace != namespace {
			r.t.Errorf("%s belongs to %s, want %s", host, s.Namespace, namespace)
		}
		return s != nil && s.Host == host
	})
}

// A host stays with its owner, whoever adds it to an older Ingress, and over a
// restart, since the leader records it.
func TestOwnerKeepsHostOverARestart(t *testing.T) {
	w := newWorld(t)
	w.grant("serving")
	// Of two Ingresses of one second the first by namespace counts as older.
	victim, attacker := w.beside(), w.beside()
	if victim.namespace < attacker.namespace {
		victim, attacker = attacker, victim
	}
	host, mine := "www."+w.namespace+".test", "mine."+w.namespace+".test"
	old := attacker.ingress("old", mine, "")
	w.create(old, victim.ingress("shop", host, ""))
	serve := func(t *testing.T) *run {
		return w.in(t).start(func(c *controllers.Config) { c.Rest = w.as("serving") })
	}
	record := types.NamespacedName{Namespace: w.namespace, Name: controllers.OwnersName}

	t.Run("running", func(t *testing.T) {
		r := serve(t)
		r.owned(host, victim.namespace)
		for _, more := range []string{host, "*." + w.namespace + ".test"} {
			rule := *old.Spec.Rules[0].DeepCopy()
			rule.Host = more
			old.Spec.Rules = append(old.Spec.Rules, rule)
		}
		w.update(old)
		r.problems("HostConflict")
		r.owned(host, victim.namespace)
		w.in(t).eventually("record of "+host, func() (bool, error) {
			var cm corev1.ConfigMap
			err := w.Get(t.Context(), record, &cm)
			return strings.Contains(cm.Data[victim.namespace], host+"\n"), err
		})
		// Another replica goes by the record, though it has not seen who came first.
		serve(t).owned(host, victim.namespace)
	})
	t.Run("restarted", func(t *testing.T) { serve(t).owned(host, victim.namespace) })
	t.Run("restarted without a record", func(t *testing.T) {
		w.remove(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: record.Namespace, Name: record.Name}})
		serve(t).owned(host, attacker.namespace)
	})
}

// A namespace stays Terminating here, since nobody removes what is in it.
func TestNamespaceThatIsDeletedYields(t *testing.T) {
	w := newWorld(t)
	w.grant("serving")
	host := w.namespace + ".test"
	going := w.beside()
	w.create(going.ingress("web", host, ""))
	r := w.start(func(c *controllers.Config) {
		c.Rest = w.as("serving")
		c.PublishAddresses = []string{"192.0.2.7"}
	})
	r.owned(host, going.namespace)
	going.status("web", "192.0.2.7")
	w.create(w.ingress("web", host, ""))
	r.problems("NothingServed")
	w.remove(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: going.namespace}})
	r.until("the host in the namespace that waits", func(m *hostmap.Map, _ []hostmap.Problem) bool {
		return m.Site(host).Namespace == w.namespace
	})
	w.status("web", "192.0.2.7")
	going.status("web", "")
}

// Neither the record nor namespaces are needed to serve.
func TestServesWithoutRecordAndNamespaces(t *testing.T) {
	w := newWorld(t)
	w.grant("serving", "configmaps", "namespaces")
	other := w.beside()
	host := w.namespace + ".test"
	web := w.ingress("web", host, "")
	web.Finalizers = []string{"ingress421.dev/test"}
	w.create(web)
	r := w.start(func(c *controllers.Config) { c.Rest = w.as("serving") })
	r.owned(host, w.namespace)
	w.create(other.ingress("web", host, ""))
	r.problems("HostConflict")
	// An Ingress that is being deleted yields all the same.
	w.remove(web)
	r.until("the host in the other namespace", func(m *hostmap.Map, _ []hostmap.Problem) bool {
		return m.Site(host).Namespace == other.namespace
	})
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "web"}, web); err != nil {
		t.Fatal(err)
	}
	web.Finalizers = nil
	w.update(web)
}

// The API server refuses claims that mean nothing.
func TestClaimsAreValidated(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		namespaces, hosts []string
		ok                bool
	}{
		{[]string{"shop", "blog"}, []string{"shop.example.com", "*.shop.example.com", "_x.example", "xn--bcher-kva.example", "localhost"}, true},
		{nil, []string{"shop.example.com"}, false},
		{[]string{"shop"}, nil, false},
		{[]string{"Shop"}, []string{"shop.example.com"}, false},
		{[]string{"shop"}, []string{"Shop.example.com"}, false},
		{[]string{"shop"}, []string{"shop.example.com."}, false},
		{[]string{"shop"}, []string{"*"}, false},
		{[]string{"shop"}, []string{"a.*.example.com"}, false},
		{[]string{"shop"}, []string{"-a.example.com"}, false},
		{[]string{"shop"}, []string{strings.Repeat("a", 64) + ".example.com"}, false},
		{[]string{"shop"}, []string{"shop.example.1"}, false},
		{[]string{"shop"}, []string{"shop.example.com", "shop.example.com"}, false},
	} {
		list := func(words []string) string {
			quoted := slices.Clone(words)
			for i := range quoted {
				quoted[i] = fmt.Sprintf("%q", quoted[i])
			}
			return "[" + strings.Join(quoted, ",") + "]"
		}
		text := fmt.Sprintf("apiVersion: ingress421.dev/v1alpha1\nkind: AuthorityPolicy\nmetadata: {name: p%d, namespace: %s}\nspec: {claims: [{namespaces: %s, hosts: %s}]}\n",
			i, w.namespace, list(c.namespaces), list(c.hosts))
		out, err := w.cluster.Kubectl(t.Context(), text, "create", "-f", "-")
		if (err == nil) != c.ok {
			t.Errorf("claims of %v for %.80q: %s %v", c.namespaces, c.hosts, out, err)
		}
	}
}
