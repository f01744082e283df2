package controllers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/source"
)

const (
	// again is the time between two attempts to reach the API server.
	again = time.Second
	// quiet bounds the time between two warnings that it has not let us in.
	quiet = time.Minute
)

// newScheme knows the kinds that are read.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, networkingv1.AddToScheme, gatewayv1.Install, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// staticMapper is newMapper as the manager asks for it.
func staticMapper(*rest.Config, *http.Client) (meta.RESTMapper, error) { return newMapper(), nil }

// newMapper knows the resources of the kinds that are read, so that nothing has
// to be discovered.
func newMapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind, scope := range map[schema.GroupVersionKind]meta.RESTScope{
		networkingv1.SchemeGroupVersion.WithKind("Ingress"):            meta.RESTScopeNamespace,
		networkingv1.SchemeGroupVersion.WithKind("IngressClass"):       meta.RESTScopeRoot,
		corev1.SchemeGroupVersion.WithKind("Secret"):                   meta.RESTScopeNamespace,
		corev1.SchemeGroupVersion.WithKind("ConfigMap"):                meta.RESTScopeNamespace,
		corev1.SchemeGroupVersion.WithKind("Namespace"):                meta.RESTScopeRoot,
		corev1.SchemeGroupVersion.WithKind("Service"):                  meta.RESTScopeNamespace,
		discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"):       meta.RESTScopeNamespace,
		v1alpha1.GroupVersion().WithKind(v1alpha1.AuthorityPolicyKind): meta.RESTScopeNamespace,
	} {
		mapper.Add(kind, scope)
		// The cache of several namespaces asks for the scope of lists.
		mapper.Add(kind.GroupVersion().WithKind(kind.Kind+"List"), scope)
	}
	// Guessing would make "gatewaies" of it.
	group := gatewayv1.SchemeGroupVersion //nolint:staticcheck // the other one is of another type
	for _, kind := range []string{"Gateway", "GatewayList"} {
		mapper.AddSpecific(group.WithKind(kind), group.WithResource("gateways"), group.WithResource("gateway"), meta.RESTScopeNamespace)
	}
	return mapper
}

// connect returns a configuration whose reads outlast an API server that is
// away. live is true from the first host map on.
func connect(c *rest.Config, log *slog.Logger, live *atomic.Bool) *rest.Config {
	c = rest.CopyConfig(c)
	if c.QPS == 0 {
		c.QPS, c.Burst = requestRate, requestBurst
	}
	var away atomic.Bool
	c.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &patient{next: next, log: log, away: &away, live: live}
	})
	return c
}

// patient repeats reads that never reached the API server, or that it had no
// answer to, until there is one or their context ends. Whoever reads would wait
// longer after each, for up to a minute.
type patient struct {
	next http.RoundTripper
	log  *slog.Logger
	away *atomic.Bool              // the last request of whatever client got no answer
	told atomic.Pointer[time.Time] // when an error that it answered with was logged
	live *atomic.Bool              // a host map is published
}

// RoundTrip implements http.RoundTripper.
func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		resp, err := p.next.RoundTrip(r)
		if err == nil {
			if p.away.Swap(false) {
				p.log.Info("the API server is back")
			}
			if r.Method != http.MethodGet || !stumbled(resp.StatusCode) {
				return resp, nil
			}
			_ = resp.Body.Close()
			err = errors.New(resp.Status)
			p.tell(r, err)
		} else if r.Context().Err() != nil || r.Method != http.MethodGet {
			return nil, err
		} else if !p.away.Swap(true) {
			p.log.Warn("the API server cannot be reached", "effect", source.Effect(p.live.Load()), "error", err)
		}
		select {
		case <-r.Context().Done():
			return nil, err
		case <-time.After(again):
		}
	}
}

// tell logs an error that the API server has answered with, unless one has been
// logged a moment ago.
func (p *patient) tell(r *http.Request, err error) {
	now := time.Now()
	if told := p.told.Load(); told == nil || now.Sub(*told) >= quiet {
		p.told.Store(&now)
		p.log.Warn("the API server answers with an error", "effect", source.Effect(p.live.Load()), "path", r.URL.Path, "error", err)
	}
}

// stumbled tells of a status that says nothing of what was asked for. 504 is an answer: what was
// asked for is newer than anything that the API server knows, as after a restore
// of its store, and whoever asks has to list anew.
func stumbled(status int) bool {
	return status == http.StatusInternalServerError || status == http.StatusBadGateway || status == http.StatusServiceUnavailable
}

// hasPolicies asks whether the cluster knows AuthorityPolicies.
func hasPolicies(ctx context.Context, config *rest.Config) (bool, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return false, err
	}
	list, err := disco.ServerResourcesForGroupVersionWithContext(ctx, v1alpha1.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, r := range list.APIResources {
		if r.Kind == v1alpha1.AuthorityPolicyKind {
			return true, nil
		}
	}
	return false, nil
}

// awaitPolicies waits for an answer of hasPolicies, or the end of ctx. No answer
// is not taken for "no": what a class asks must not be lost to an outage.
func awaitPolicies(ctx context.Context, config *rest.Config, log *slog.Logger) (known, answered bool) {
	var warned time.Time
	pause := again
	for {
		known, err := hasPolicies(ctx, config)
		if err == nil {
			if !known {
				log.Warn("the CustomResourceDefinition of AuthorityPolicies is not installed; hosts of classes that name one are refused until it is")
			}
			return known, true
		}
		if ctx.Err() != nil {
			return false, false
		}
		if now := time.Now(); warned.IsZero() || now.Sub(warned) >= pause {
			if !warned.IsZero() {
				pause = min(2*pause, quiet)
			}
			log.Warn("waiting for the API server", "error", err)
			warned = now
		}
		select {
		case <-ctx.Done():
			return false, false
		case <-time.After(again):
		}
	}
}
