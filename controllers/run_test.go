package controllers_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/controllers"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
	"github.com/ingress421/ingress421/internal/testkit"
)

// fingerprint is that of a Secret's leaf, as the text of a map has it.
func fingerprint(t *testing.T, s *corev1.Secret) string {
	t.Helper()
	c, err := hostmap.ParseCertificate(hostmap.SecretRef{}, s.Data["tls.crt"], s.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	return c.ShortFingerprint()
}

// What a command that only asks is told is what a process that follows the same
// cluster serves.
func TestLoadIsWhatRunServes(t *testing.T) {
	w := newWorld(t)
	host := w.namespace + ".test"
	w.create(w.secret("tls", host), w.service("web"), w.slice("web-1", "10.244.0.1"), w.ingress("web", host, "tls"),
		w.ingress("none", "none."+host, "missing"))
	for _, namespaces := range [][]string{nil, {w.namespace}, {w.namespace, "default"}} {
		var followed string
		var problems []hostmap.Problem
		ctx, cancel := context.WithCancel(t.Context())
		config := controllers.Config{
			Rest: w.cluster.Config, Namespaces: namespaces, LeaderNamespace: w.namespace,
			Config: source.Config{
				Controller: w.controller, Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
				Publish: func(m *hostmap.Map) { followed = m.String() },
				Report:  func(o source.Outcome) { problems = o.Problems; cancel() },
			},
		}
		if err := controllers.Run(ctx, config); err != nil {
			t.Fatal(err)
		}
		loaded, err := controllers.Load(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(followed, loaded.Map.String()); diff != "" || !strings.Contains(followed, host) {
			t.Errorf("namespaces %v: the map (-run +load):\n%s", namespaces, diff)
		}
		if diff := cmp.Diff(problems, loaded.Problems); diff != "" || len(problems) == 0 {
			t.Errorf("namespaces %v: problems (-run +load):\n%s", namespaces, diff)
		}
	}
}

func TestLoadSaysWhyItCannot(t *testing.T) {
	w := newWorld(t)
	_, err := controllers.Load(t.Context(), controllers.Config{
		Rest: w.as("nobody"), Config: source.Config{Controller: w.controller, Log: slog.New(slog.DiscardHandler)},
	})
	if err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("error %v, want one that says what is forbidden", err)
	}
}

// TestMapFollowsTheCluster runs with no more rights than config/rbac gives, and
// logs the time from the API server's answer to the map that has the change.
func TestMapFollowsTheCluster(t *testing.T) {
	w := newWorld(t)
	w.grant("serving")
	r := w.start(func(c *controllers.Config) { c.Rest = w.as("serving") })
	r.until("first map without a site", func(m *hostmap.Map, _ []hostmap.Problem) bool { return len(m.Sites()) == 0 })

	host := w.namespace + ".test"
	secret := w.secret("tls", host)
	ing := w.ingress("web", host, "tls")
	w.create(ing)
	r.problems("SecretNotFound")
	w.create(secret, w.service("web"))
	slice := w.slice("web-1", "10.244.0.1")
	w.create(slice)
	r.text("site "+host, "certificates="+w.namespace+"/tls@"+fingerprint(t, secret), "endpoints=10.244.0.1:8080")

	took := make(map[string][]time.Duration)
	for i := range 5 {
		next := w.secret("tls", host)
		next.ResourceVersion = ""
		secret.Data = next.Data
		w.update(secret)
		answered := time.Now()
		took["Secret"] = append(took["Secret"], r.text("tls@"+fingerprint(t, secret)).Sub(answered))

		address := fmt.Sprintf("10.244.1.%d", i+1)
		slice.Endpoints[0].Addresses = []string{address}
		w.update(slice)
		answered = time.Now()
		took["EndpointSlice"] = append(took["EndpointSlice"], r.text("endpoints="+address+":8080").Sub(answered))
	}
	other := w.ingress("other", "other."+host, "")
	w.create(other)
	answered := time.Now()
	took["Ingress"] = append(took["Ingress"], r.text("site other."+host).Sub(answered))
	for kind, d := range took {
		slices.Sort(d)
		t.Logf("%s: from the API server's answer to the map: median %v, slowest %v", kind, d[len(d)/2], d[len(d)-1])
		if d[len(d)-1] > time.Second {
			t.Errorf("%s: a change took %v, want it live within a second", kind, d[len(d)-1])
		}
	}

	// A Secret that breaks leaves the last good certificate.
	good := fingerprint(t, secret)
	secret.Data["tls.key"] = []byte("garbage")
	w.update(secret)
	r.problems("CertificateInvalid")
	r.text("tls@" + good)
	w.remove(secret)
	r.problems("SecretNotFound")
	r.text("tls@" + good)

	w.remove(ing)
	r.until("map without the site", func(m *hostmap.Map, _ []hostmap.Problem) bool { return m.Site(host) == nil })
	class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: w.class}}
	w.remove(class)
	r.until("map without any site", func(m *hostmap.Map, _ []hostmap.Problem) bool { return len(m.Sites()) == 0 })
}

// Nothing to list is no reason to wait for something.
func TestNothingGetsAMap(t *testing.T) {
	w := newWorld(t)
	w.remove(&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: w.class}})
	r := w.start(func(c *controllers.Config) { c.Namespaces = []string{w.namespace} })
	r.until("map", func(m *hostmap.Map, _ []hostmap.Problem) bool { return len(m.Sites()) == 0 })
}

func addresses(i *networkingv1.Ingress) string {
	var all []string
	for _, a := range i.Status.LoadBalancer.Ingress {
		all = append(all, a.IP+a.Hostname)
	}
	return strings.Join(all, " ")
}

// status waits for the addresses of an Ingress.
func (w *world) status(name, want string) {
	w.t.Helper()
	var last string
	w.eventually("status "+want+" of "+name, func() (bool, error) {
		var i networkingv1.Ingress
		err := w.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: name}, &i)
		last = addresses(&i)
		return last == want, err
	})
}

func TestStatusIsWrittenAndCausesNoMap(t *testing.T) {
	w := newWorld(t)
	w.grant("writing")
	foreign := w.ingress("foreign", "foreign.test", "")
	foreign.Spec.IngressClassName = nil
	w.create(foreign, w.ingress("web", "web.test", ""), w.service("web"))
	foreign.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "198.51.100.9"}}
	if err := w.Status().Update(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	r := w.start(func(c *controllers.Config) {
		c.Rest, c.LeaderElection = w.as("writing"), true
		c.Namespaces = []string{w.namespace}
		c.PublishAddresses = []string{"lb.example", "192.0.2.7", "192.0.2.7"}
	})
	r.text("site web.test")
	w.status("web", "lb.example 192.0.2.7")

	// Each of these is one change and one map. A map more would be that of the
	// status, which the API server tells of before the next change.
	before := r.published()
	for i := range 5 {
		name := fmt.Sprint("late-", i)
		w.create(w.ingress(name, name+".test", ""))
		w.status(name, "lb.example 192.0.2.7")
		r.text("site " + name + ".test")
	}
	w.create(w.service("mark"), w.ingress("last", "last.test", ""))
	r.text("site last.test")
	if n := r.published() - before; n > 7 {
		t.Errorf("%d maps for 7 changes", n)
	}

	// It leaves our class: our address goes, and nobody else's.
	var web networkingv1.Ingress
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "web"}, &web); err != nil {
		t.Fatal(err)
	}
	web.Spec.IngressClassName = nil
	w.update(&web)
	w.status("web", "")
	w.status("foreign", "198.51.100.9")

	var lease = w.kubectl("", "-n", w.namespace, "get", "lease", controllers.LeaseName, "-o", "jsonpath={.spec.holderIdentity}")
	if lease == "" {
		t.Error("the lease has no holder")
	}
}

func TestForeignStatusIsSeenInAQuietCluster(t *testing.T) {
	w := newWorld(t)
	web := w.ingress("web", "web.test", "")
	w.create(web, w.ingress("first", "first.test", ""))
	set := func(address string) {
		t.Helper()
		web.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: address}}
		if err := w.Status().Update(t.Context(), web); err != nil {
			t.Fatal(err)
		}
	}
	set("192.0.2.7")
	r := w.start(func(c *controllers.Config) { c.PublishAddresses = []string{"192.0.2.7"} })
	w.status("first", "192.0.2.7")
	// The round after the one that has seen the status of web.
	w.create(w.ingress("second", "second.test", ""))
	w.status("second", "192.0.2.7")
	before := r.published()
	set("198.51.100.1")
	w.status("web", "192.0.2.7")
	if n := r.published() - before; n != 0 {
		t.Errorf("%d maps for a change of status", n)
	}
}

func TestStatusFromTheService(t *testing.T) {
	w := newWorld(t)
	edge := w.service("edge")
	edge.Spec.Type = corev1.ServiceTypeLoadBalancer
	w.create(edge, w.ingress("web", "web.test", ""), w.service("web"))
	w.start(func(c *controllers.Config) {
		c.PublishService = types.NamespacedName{Namespace: w.namespace, Name: "edge"}
	})
	edge.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.9"}, {IP: "192.0.2.8"}}
	if err := w.Status().Update(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	w.status("web", "192.0.2.8 192.0.2.9")
	edge.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "lb.example"}}
	if err := w.Status().Update(t.Context(), edge); err != nil {
		t.Fatal(err)
	}
	w.status("web", "lb.example")
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(edge), edge); err != nil {
		t.Fatal(err)
	}
	edge.Spec.Type, edge.Status = corev1.ServiceTypeClusterIP, corev1.ServiceStatus{}
	edge.Spec.ExternalIPs = []string{"192.0.2.5"}
	w.update(edge)
	w.status("web", "192.0.2.5")
}

func TestEventForEachNewProblem(t *testing.T) {
	w := newWorld(t)
	w.grant("telling")
	ing := w.ingress("web", "web.test", "missing")
	w.create(ing)
	r := w.start(func(c *controllers.Config) {
		c.Rest, c.Namespaces = w.as("telling"), []string{w.namespace}
	})
	r.problems("SecretNotFound")
	reasons := func() (map[string]int, error) {
		var list eventsv1.EventList
		err := w.List(t.Context(), &list, client.InNamespace(w.namespace))
		found := make(map[string]int)
		for _, e := range list.Items {
			if e.Regarding.Kind == "Ingress" && e.Regarding.Name == "web" && e.Regarding.UID == ing.UID && e.Type == "Warning" {
				n := 1
				if e.Series != nil {
					n += int(e.Series.Count)
				}
				found[e.Reason] += n
			}
		}
		return found, err
	}
	w.eventually("event SecretNotFound", func() (bool, error) {
		found, err := reasons()
		return found["SecretNotFound"] == 1 && found["ServiceNotFound"] == 1, err
	})
	// Rounds with the same problem, each known by a new one of another Ingress.
	for i := range 3 {
		name := fmt.Sprint("mark-", i)
		w.create(w.ingress(name, name+".test", "missing"))
		w.eventually("event of "+name, func() (bool, error) {
			var list eventsv1.EventList
			err := w.List(t.Context(), &list, client.InNamespace(w.namespace))
			return slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool { return e.Regarding.Name == name }), err
		})
	}
	w.create(&corev1.Secret{ObjectMeta: w.meta("missing"), Data: map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("y")}})
	w.eventually("event CertificateInvalid", func() (bool, error) {
		found, err := reasons()
		return found["CertificateInvalid"] == 1, err
	})
	if found, err := reasons(); err != nil || found["SecretNotFound"] != 1 {
		t.Errorf("events %v, error %v, want SecretNotFound once", found, err)
	}
}

// Problems of one reason at one object are told of one by one, and the next
// leaders go on with their Events.
func TestEventForEachMessage(t *testing.T) {
	w := newWorld(t)
	ing := w.ingress("web", "web.test", "")
	path := ing.Spec.Rules[0].HTTP.Paths[0]
	for _, name := range []string{"b", "c"} {
		more := *path.DeepCopy()
		more.Path, more.Backend.Service.Name = "/"+name, name
		ing.Spec.Rules[0].HTTP.Paths = append(ing.Spec.Rules[0].HTTP.Paths, more)
	}
	w.create(ing)
	var log testkit.Buffer
	for leader := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := controllers.Run(ctx, controllers.Config{
				Rest: w.cluster.Config, LeaderNamespace: w.namespace, Namespaces: []string{w.namespace},
				Config: source.Config{
					Controller: w.controller, Publish: func(*hostmap.Map) {}, Log: slog.New(slog.NewTextHandler(&log, nil)),
				},
			}); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		w.eventually("three events", func() (bool, error) {
			var list eventsv1.EventList
			err := w.List(t.Context(), &list, client.InNamespace(w.namespace))
			notes := make(map[string]bool)
			for _, e := range list.Items {
				told := leader == 0 || e.Series != nil && e.ResourceVersion != ""
				if e.Reason == "ServiceNotFound" && e.Regarding.UID == ing.UID && told {
					notes[e.Note] = true
				}
			}
			if len(list.Items) > 3 {
				t.Fatalf("%d events for three problems", len(list.Items))
			}
			return len(notes) == 3, err
		})
		cancel()
		<-ended
	}
	if strings.Contains(log.String(), "cannot write an event") || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("logged:\n%s", log.String())
	}
}

// A namespace that goes takes its problems along without a word.
func TestNoEventInANamespaceThatGoes(t *testing.T) {
	w := newWorld(t)
	other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "goes-" + w.namespace}}
	if err := w.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	ing := w.ingress("web", "web.test", "")
	ing.Namespace = other.Name
	ing.Finalizers = []string{"ingress421.dev/test"}
	w.create(ing)
	if err := w.Delete(t.Context(), other); err != nil { // it stays Terminating, for the finalizer
		t.Fatal(err)
	}
	var log testkit.Buffer
	r := w.start(func(c *controllers.Config) {
		c.Namespaces = []string{w.namespace, other.Name}
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	// The Ingress beside it is told of after it.
	z := w.ingress("z", "z.test", "")
	w.create(z)
	r.problems("ServiceNotFound")
	w.eventually("the event of another Ingress", func() (bool, error) {
		var list eventsv1.EventList
		err := w.List(t.Context(), &list, client.InNamespace(w.namespace))
		return slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool { return e.Regarding.UID == z.UID }), err
	})
	if strings.Contains(log.String(), "event") || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("logged:\n%s", log.String())
	}
	ing.Finalizers = nil
	w.update(ing)
}
