package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	ctrlsource "sigs.k8s.io/controller-runtime/pkg/source"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/source"
)

const (
	// policyInterval is the time between two looks for the definition of
	// AuthorityPolicies, where it is not installed.
	policyInterval = 30 * time.Second
	// forever is longer than any wait for an API server.
	forever = 10 * 365 * 24 * time.Hour
)

// rebuild is the one constant request: whatever has changed, the whole state
// is listed.
type rebuild struct{}

// cluster lists the state out of the caches and wakes the loop.
type cluster struct {
	*Config               // immutable
	reader  client.Reader // the caches
	loop    *source.Loop
	synced  chan struct{}   // closed once the caches hold the state
	sync    sync.Once       // closes it
	wake    chan<- struct{} // wakes the writer
	// policies tells that AuthorityPolicies are in the caches; for concurrent use.
	policies atomic.Bool
	// record, namespaces and gateways tell that the record of owners, the
	// namespaces and Gateways are in the caches. Immutable.
	record, namespaces, gateways bool

	// recorded is the record of owners of resource version version. Both are
	// owned by the loop.
	recorded map[string]string
	version  string
}

// add makes the manager run the loop and all that wakes it.
func (s *cluster) add(mgr manager.Manager, config *rest.Config) error {
	no, unnamed := false, true
	c, err := controller.NewTyped("hostmap", mgr, controller.TypedOptions[rebuild]{
		Reconciler:         reconcile.TypedFunc[rebuild](s.reconcile),
		NeedLeaderElection: &no,
		SkipNameValidation: &unnamed, // A process may follow several clusters.
		CacheSyncTimeout:   forever,
	})
	if err != nil {
		return err
	}
	informers := mgr.GetCache()
	watches := []ctrlsource.TypedSource[rebuild]{
		on(informers, &networkingv1.Ingress{}, saidChanged[*networkingv1.Ingress]()),
		ctrlsource.TypedKind(informers, &networkingv1.Ingress{},
			handler.TypedEnqueueRequestsFromMapFunc(s.wakeWriter), addressesChanged()),
		on(informers, &networkingv1.IngressClass{}, anyChange[*networkingv1.IngressClass]()),
		on(informers, &corev1.Secret{}, keysChanged()),
		on(informers, &corev1.Service{}, anyChange[*corev1.Service]()),
		on(informers, &discoveryv1.EndpointSlice{}, anyChange[*discoveryv1.EndpointSlice]()),
		// A cluster without any object gets a map too.
		ctrlsource.TypedFunc[rebuild](func(_ context.Context, q workqueue.TypedRateLimitingInterface[rebuild]) error {
			q.Add(rebuild{})
			return nil
		}),
	}
	if s.record {
		watches = append(watches, on(informers, &corev1.ConfigMap{}, anyChange[*corev1.ConfigMap]()))
	}
	if s.gateways {
		watches = append(watches, on(informers, &gatewayv1.Gateway{}, saidChanged[*gatewayv1.Gateway]()))
	}
	if s.namespaces {
		watches = append(watches, on(informers, namespace(), deletionChanged()))
	}
	for _, watch := range watches {
		if err := c.Watch(watch); err != nil {
			return err
		}
	}
	if err := mgr.Add(everyReplica(s.follow)); err != nil {
		return err
	}
	policies := on(informers, &v1alpha1.AuthorityPolicy{}, saidChanged[*v1alpha1.AuthorityPolicy]())
	if s.policies.Load() {
		return c.Watch(policies)
	}
	return mgr.Add(everyReplica(func(ctx context.Context) error {
		if !s.untilPolicies(ctx, config) {
			return nil
		}
		if _, err := informers.GetInformer(ctx, &v1alpha1.AuthorityPolicy{}); err != nil {
			// The manager ends if this does, and so would serving.
			s.Log.Error("AuthorityPolicies cannot be read", "error", err)
			return nil
		}
		s.Log.Info("AuthorityPolicies are known now")
		s.policies.Store(true)
		// Those that exist come as new ones and cause a rebuild.
		return c.Watch(policies)
	}))
}

// everyReplica is a part of the manager that needs no leader.
type everyReplica func(context.Context) error

// Start implements manager.Runnable.
func (f everyReplica) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everyReplica) NeedLeaderElection() bool { return false }

// untilPolicies waits until AuthorityPolicies are known, and tells whether
// they are.
func (s *cluster) untilPolicies(ctx context.Context, config *rest.Config) bool {
	tick := time.NewTicker(policyInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if known, err := hasPolicies(ctx, config); err == nil && known {
				return true
			}
		}
	}
}

// on watches the objects of one kind.
func on[T client.Object](informers cache.Cache, kind T, when predicate.TypedPredicate[T]) ctrlsource.TypedSource[rebuild] {
	return ctrlsource.TypedKind(informers, kind,
		handler.TypedEnqueueRequestsFromMapFunc(func(context.Context, T) []rebuild { return []rebuild{{}} }), when)
}

// anyChange is every change of an object, but not its repetition.
func anyChange[T client.Object]() predicate.TypedPredicate[T] {
	return predicate.TypedResourceVersionChangedPredicate[T]{}
}

// saidChanged is a change of what somebody says in spec or annotations; a
// status, which we write ourselves, is none.
func saidChanged[T client.Object]() predicate.TypedPredicate[T] {
	return predicate.TypedFuncs[T]{UpdateFunc: func(e event.TypedUpdateEvent[T]) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
			e.ObjectOld.GetUID() != e.ObjectNew.GetUID() ||
			!maps.Equal(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations())
	}}
}

// addressesChanged is a change of an Ingress's status, which concerns the
// writer only.
func addressesChanged() predicate.TypedPredicate[*networkingv1.Ingress] {
	return predicate.TypedFuncs[*networkingv1.Ingress]{
		CreateFunc: func(event.TypedCreateEvent[*networkingv1.Ingress]) bool { return false },
		DeleteFunc: func(event.TypedDeleteEvent[*networkingv1.Ingress]) bool { return false },
		UpdateFunc: func(e event.TypedUpdateEvent[*networkingv1.Ingress]) bool {
			return !same(e.ObjectOld.Status.LoadBalancer.Ingress, e.ObjectNew.Status.LoadBalancer.Ingress)
		},
	}
}

// wakeWriter has the writer look at every status again. It asks for no rebuild.
func (s *cluster) wakeWriter(context.Context, *networkingv1.Ingress) []rebuild {
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// namespace is what is read of a namespace: its metadata.
func namespace() *metav1.PartialObjectMetadata {
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return ns
}

// deletionChanged is a change of whether a namespace is being deleted.
func deletionChanged() predicate.TypedPredicate[*metav1.PartialObjectMetadata] {
	deleted := func(ns *metav1.PartialObjectMetadata) bool { return ns.DeletionTimestamp != nil }
	return predicate.TypedFuncs[*metav1.PartialObjectMetadata]{
		CreateFunc: func(e event.TypedCreateEvent[*metav1.PartialObjectMetadata]) bool { return deleted(e.Object) },
		DeleteFunc: func(e event.TypedDeleteEvent[*metav1.PartialObjectMetadata]) bool { return deleted(e.Object) },
		UpdateFunc: func(e event.TypedUpdateEvent[*metav1.PartialObjectMetadata]) bool {
			return deleted(e.ObjectOld) != deleted(e.ObjectNew)
		},
	}
}

// keysChanged is a change of what a Secret holds for us.
func keysChanged() predicate.TypedPredicate[*corev1.Secret] {
	return predicate.TypedFuncs[*corev1.Secret]{UpdateFunc: func(e event.TypedUpdateEvent[*corev1.Secret]) bool {
		return e.ObjectOld.Type != e.ObjectNew.Type || !maps.EqualFunc(e.ObjectOld.Data, e.ObjectNew.Data, slices.Equal[[]byte])
	}}
}

// reconcile wakes the loop. The first request comes once the caches hold the
// state.
func (s *cluster) reconcile(context.Context, rebuild) (ctrl.Result, error) {
	s.loop.Wake()
	s.sync.Do(func() { close(s.synced) })
	return ctrl.Result{}, nil
}

// follow runs the loop once there is a state to list.
func (s *cluster) follow(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.synced:
		s.loop.Run(ctx)
	}
	return nil
}

// list reads the whole state from the caches. The objects are the caches' own.
func (s *cluster) list(ctx context.Context) (state source.State, err error) {
	var (
		ingresses networkingv1.IngressList
		classes   networkingv1.IngressClassList
		secrets   corev1.SecretList
		services  corev1.ServiceList
		slices    discoveryv1.EndpointSliceList
		policies  v1alpha1.AuthorityPolicyList
		gateways  gatewayv1.GatewayList
	)
	lists := []client.ObjectList{&ingresses, &classes, &secrets, &services, &slices}
	if s.gateways {
		lists = append(lists, &gateways)
	}
	if s.policies.Load() {
		lists = append(lists, &policies)
	}
	for _, l := range lists {
		if err := s.reader.List(ctx, l, client.UnsafeDisableDeepCopy); err != nil {
			return state, fmt.Errorf("list %T: %w", l, err)
		}
	}
	in := &state.Input
	if s.record {
		if in.Owners, err = s.owners(ctx); err != nil {
			return state, fmt.Errorf("read the owners of hosts: %w", err)
		}
	}
	if s.namespaces {
		if in.TerminatingNamespaces, err = s.terminating(ctx); err != nil {
			return state, fmt.Errorf("list namespaces: %w", err)
		}
	}
	in.Ingresses = pointers(ingresses.Items)
	in.Classes = pointers(classes.Items)
	in.Secrets = pointers(secrets.Items)
	in.Services = pointers(services.Items)
	in.EndpointSlices = pointers(slices.Items)
	in.Policies = pointers(policies.Items)
	in.Gateways = pointers(gateways.Items)
	return state, nil
}

// terminating are the namespaces that are being deleted.
func (s *cluster) terminating(ctx context.Context) (map[string]bool, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := s.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var found map[string]bool
	for i := range list.Items {
		if ns := &list.Items[i]; ns.DeletionTimestamp != nil {
			if found == nil {
				found = make(map[string]bool)
			}
			found[ns.Name] = true
		}
	}
	return found, nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
