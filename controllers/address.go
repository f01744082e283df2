package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/source"
)

// truce is how long a status that somebody else has changed is left alone, so
// that two controllers of one class do not write all the time.
const truce = 30 * time.Second

// written is what we wrote into the status of an Ingress, and when.
type written struct {
	addresses []networkingv1.IngressLoadBalancerIngress
	at        time.Time
	seen      bool // in the caches, which lag behind; a difference is somebody else's
}

// writeAddresses writes the addresses of our Ingresses, and returns when to do
// so again, 0 for never.
func (w *writer) writeAddresses(ctx context.Context, o *source.Outcome) (again time.Duration) {
	if len(w.PublishAddresses) == 0 && w.PublishService.Name == "" {
		return 0
	}
	wanted, known := w.addresses(o.Input.Services)
	idle, ownedOf := idle(o), compile.Owned(&o.Input)
	present := make(map[types.NamespacedName]bool, len(o.Input.Ingresses))
	for _, listed := range o.Input.Ingresses {
		if ctx.Err() != nil {
			return 0
		}
		name := client.ObjectKeyFromObject(listed)
		present[name] = true
		before, ours := w.addressed[name]
		owned := ownedOf(listed)
		target := wanted
		switch {
		case !owned && !ours, owned && !idle[name] && !known:
			continue // What is there may be right.
		case !owned || idle[name]:
			target = nil // It has left our classes, and so has our address; or nothing of it is served.
		}
		now, err := w.present(ctx, listed)
		if err != nil {
			if w.failed("Ingress", name, err) {
				again = sooner(again, retry)
			}
			continue
		}
		if owned && before.seen && !same(now, before.addresses) {
			w.Log.Warn("somebody else has changed the status of an Ingress of ours", "namespace", name.Namespace,
				"name", name.Name, "addresses", texts(now))
			before.seen = false
			w.addressed[name] = before
		}
		switch {
		case same(now, target), !owned && !same(now, before.addresses):
			// It is so already; or it is no longer ours to clear.
			before.seen = true
		case ours && owned && same(before.addresses, target) && time.Since(before.at) < truce:
			again = sooner(again, truce-time.Since(before.at))
			continue
		default:
			if err := w.patchAddresses(ctx, listed, target); err != nil {
				if w.failed("Ingress", name, err) {
					again = sooner(again, retry)
				}
				continue
			}
			before.at, before.seen = time.Now(), false
		}
		if owned {
			before.addresses = target
			w.addressed[name] = before
		} else {
			delete(w.addressed, name)
		}
	}
	for name := range w.addressed {
		if !present[name] {
			delete(w.addressed, name)
		}
	}
	return again
}

// idle are the Ingresses that clients must not be led to us for: those of which
// nothing is served, and those that are being deleted.
func idle(o *source.Outcome) map[types.NamespacedName]bool {
	found := make(map[types.NamespacedName]bool)
	for _, p := range o.Problems {
		if p.Reason == problem.NothingServed && p.Kind == "Ingress" {
			found[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = true
		}
	}
	for _, ing := range o.Input.Ingresses {
		if ing.DeletionTimestamp != nil || o.Input.TerminatingNamespaces[ing.Namespace] {
			found[client.ObjectKeyFromObject(ing)] = true
		}
	}
	return found
}

// present is the status of an Ingress as the caches have it now: the outcome
// may be older than what was written about it.
func (w *writer) present(ctx context.Context, listed *networkingv1.Ingress) ([]networkingv1.IngressLoadBalancerIngress, error) {
	var now networkingv1.Ingress
	if err := w.client.Get(ctx, client.ObjectKeyFromObject(listed), &now, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return now.Status.LoadBalancer.Ingress, nil
}

// patchAddresses replaces the addresses of one Ingress.
func (w *writer) patchAddresses(ctx context.Context, on *networkingv1.Ingress, addresses []networkingv1.IngressLoadBalancerIngress) error {
	var patch struct {
		Status struct {
			LoadBalancer struct {
				Ingress []networkingv1.IngressLoadBalancerIngress `json:"ingress"` // null clears
			} `json:"loadBalancer"`
		} `json:"status"`
	}
	patch.Status.LoadBalancer.Ingress = addresses
	text, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	// The answer is written into the object, which must not be the caches'.
	answer := &networkingv1.Ingress{}
	answer.Namespace, answer.Name = on.Namespace, on.Name
	return w.client.Status().Patch(ctx, answer, client.RawPatch(types.MergePatchType, text))
}

func same(a, b []networkingv1.IngressLoadBalancerIngress) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// addresses are those to write, sorted: the ones of the flag, else those of
// the Service: of its load balancer, else its external ones, else its own.
// Where there are none they are not known (yet): the Service may be missing for
// a moment, and a mistyped name must not clear every status.
func (w *writer) addresses(services []*corev1.Service) (out []networkingv1.IngressLoadBalancerIngress, known bool) {
	found := w.PublishAddresses
	if len(found) == 0 {
		for _, s := range services {
			if s.Namespace == w.PublishService.Namespace && s.Name == w.PublishService.Name {
				found = serviceAddresses(s)
			}
		}
	}
	var bad []string
	for _, a := range found {
		if _, err := netip.ParseAddr(a); err == nil {
			out = append(out, networkingv1.IngressLoadBalancerIngress{IP: a})
		} else if len(validation.IsDNS1123Subdomain(a)) == 0 {
			out = append(out, networkingv1.IngressLoadBalancerIngress{Hostname: a})
		} else {
			bad = append(bad, a)
		}
	}
	var complaint string
	switch {
	case len(bad) != 0:
		complaint = fmt.Sprintf("neither IP addresses nor host names: %q", bad)
	case len(out) == 0:
		complaint = fmt.Sprintf("Service %s has no address, or is not there; what is written stays", w.PublishService)
	}
	if complaint != "" && complaint != w.complaint {
		w.Log.Warn("not all addresses for Ingress status are known", "reason", complaint)
	}
	w.complaint = complaint
	slices.SortFunc(out, func(a, b networkingv1.IngressLoadBalancerIngress) int {
		return cmp.Or(cmp.Compare(a.IP, b.IP), cmp.Compare(a.Hostname, b.Hostname))
	})
	out = slices.CompactFunc(out, func(a, b networkingv1.IngressLoadBalancerIngress) bool {
		return a.IP == b.IP && a.Hostname == b.Hostname
	})
	return out, len(out) != 0
}

func texts(addresses []networkingv1.IngressLoadBalancerIngress) []string {
	var out []string
	for _, a := range addresses {
		out = append(out, cmp.Or(a.IP, a.Hostname))
	}
	return out
}

func serviceAddresses(s *corev1.Service) []string {
	var found []string
	for _, i := range s.Status.LoadBalancer.Ingress {
		found = append(found, cmp.Or(i.IP, i.Hostname))
	}
	found = append(found, s.Spec.ExternalIPs...)
	switch {
	case len(found) != 0 || s.Spec.Type == corev1.ServiceTypeLoadBalancer:
		// A load balancer that has no address yet is waited for.
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		found = append(found, s.Spec.ExternalName)
	default:
		for _, ip := range s.Spec.ClusterIPs {
			if ip != corev1.ClusterIPNone {
				found = append(found, ip)
			}
		}
	}
	return found
}
