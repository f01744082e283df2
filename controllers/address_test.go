package controllers

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// desk is a writer, a cluster of two Ingresses of its class with a status, and
// what it logs.
type desk struct {
	*writer
	t       *testing.T
	log     bytes.Buffer
	outcome source.Outcome
}

func newDesk(t *testing.T, c Config) *desk {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t}
	c.Controller, c.Log = "ingress421.dev/controller", slog.New(slog.NewTextHandler(&d.log, nil))
	class := "ours"
	d.outcome.Input = compile.Input{Controller: c.Controller, Classes: []*networkingv1.IngressClass{{
		ObjectMeta: metav1.ObjectMeta{Name: class}, Spec: networkingv1.IngressClassSpec{Controller: c.Controller},
	}}}
	build := fake.NewClientBuilder().WithScheme(scheme)
	for _, name := range []string{"a", "b"} {
		i := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}}
		i.Spec.IngressClassName = &class
		i.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
		d.outcome.Input.Ingresses = append(d.outcome.Input.Ingresses, i)
		build = build.WithObjects(i).WithStatusSubresource(i)
	}
	d.writer = &writer{Config: &c, client: build.Build(), addressed: make(map[types.NamespacedName]written)}
	return d
}

func (d *desk) round() time.Duration { return d.writeAddresses(d.t.Context(), &d.outcome) }

// status are the addresses of Ingress a, then of b.
func (d *desk) status() string {
	d.t.Helper()
	var all []string
	for _, listed := range d.outcome.Input.Ingresses {
		now, err := d.present(d.t.Context(), listed)
		if err != nil {
			d.t.Fatal(err)
		}
		all = append(all, strings.Join(texts(now), ","))
	}
	return strings.Join(all, " ")
}

// set has somebody else write the status of an Ingress.
func (d *desk) set(ingress int, addresses ...string) {
	d.t.Helper()
	var now networkingv1.Ingress
	if err := d.client.Get(d.t.Context(), client.ObjectKeyFromObject(d.outcome.Input.Ingresses[ingress]), &now); err != nil {
		d.t.Fatal(err)
	}
	now.Status.LoadBalancer.Ingress = nil
	for _, a := range addresses {
		now.Status.LoadBalancer.Ingress = append(now.Status.LoadBalancer.Ingress, networkingv1.IngressLoadBalancerIngress{IP: a})
	}
	if err := d.client.Status().Update(d.t.Context(), &now); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) want(status string, warnings int) {
	d.t.Helper()
	if got := d.status(); got != status {
		d.t.Errorf("status %q, want %q", got, status)
	}
	if got := strings.Count(d.log.String(), "level=WARN"); got != warnings {
		d.t.Errorf("%d warnings, want %d:\n%s", got, warnings, d.log.String())
	}
}

func TestUnknownAddressesClearNothing(t *testing.T) {
	edge := types.NamespacedName{Namespace: "n", Name: "edge"}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "edge"}}
	service.Spec.Type = corev1.ServiceTypeLoadBalancer
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	empty := service.DeepCopy()
	empty.Status.LoadBalancer.Ingress = nil
	for name, services := range map[string][]*corev1.Service{"no Service": nil, "no address": {empty}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Config{PublishService: edge})
			// A new leader that has never seen an address.
			d.outcome.Input.Services = services
			d.round()
			d.round()
			d.want("192.0.2.1 192.0.2.1", 1)
			d.outcome.Input.Services = []*corev1.Service{service}
			d.round()
			// One that loses it again: b leaves our class meanwhile.
			d.outcome.Input.Services = services
			d.outcome.Input.Ingresses[1].Spec.IngressClassName = nil
			d.round()
			d.want("192.0.2.1 ", 2)
		})
	}
}

func TestBadAddressIsToldOnce(t *testing.T) {
	d := newDesk(t, Config{PublishAddresses: []string{"192.0.2.2", "not a host"}})
	d.round()
	d.round()
	d.want("192.0.2.2 192.0.2.2", 1)
}

func TestForeignStatusIsToldOnceAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, Config{PublishAddresses: []string{"192.0.2.2"}})
		d.round()
		d.want("192.0.2.2 192.0.2.2", 0) // What was there before is no change.
		d.round()
		d.set(0, "198.51.100.1")
		if wait := d.round(); wait <= 0 || wait > truce {
			t.Errorf("next look after %v, want the rest of the truce", wait)
		}
		d.round()
		d.want("198.51.100.1 192.0.2.2", 1)
		time.Sleep(truce)
		d.round()
		d.round()
		d.want("192.0.2.2 192.0.2.2", 1)
		d.set(0, "198.51.100.1")
		d.round()
		d.want("198.51.100.1 192.0.2.2", 2)
	})
}

// Nobody is to be led here for an Ingress of which nothing is served, or which
// is going.
func TestNoAddressWhereNothingIsServed(t *testing.T) {
	d := newDesk(t, Config{PublishAddresses: []string{"192.0.2.7"}})
	d.round()
	if got := d.status(); got != "192.0.2.7 192.0.2.7" {
		t.Fatalf("status %q", got)
	}
	d.outcome.Problems = []hostmap.Problem{{Object: hostmap.Object{Kind: "Ingress", Namespace: "n", Name: "b"}, Reason: problem.NothingServed}}
	d.round()
	if got := d.status(); got != "192.0.2.7 " {
		t.Errorf("status %q while nothing of b is served", got)
	}
	d.outcome.Problems = nil
	d.round()
	if got := d.status(); got != "192.0.2.7 192.0.2.7" {
		t.Errorf("status %q when b is served again", got)
	}
	d.outcome.Input.TerminatingNamespaces = map[string]bool{"n": true}
	d.PublishAddresses = nil // not even known
	d.PublishService.Name = "none"
	d.round()
	if got := d.status(); got != " " {
		t.Errorf("status %q in a namespace that is being deleted", got)
	}
}
