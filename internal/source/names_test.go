package source

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// zone answers for DNS.
type zone struct {
	mu      sync.Mutex
	asked   []string
	address string
	err     error
}

func (z *zone) set(address string, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.address, z.err = address, err
}

// take returns what was asked since it was called last, sorted.
func (z *zone) take() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	slices.Sort(z.asked)
	text := strings.Join(z.asked, " ")
	z.asked = nil
	return text
}

func (z *zone) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, host)
	if z.err != nil {
		return nil, z.err
	}
	return []netip.Addr{netip.MustParseAddr(z.address)}, nil
}

// What stands behind a name is served as soon as it is known, and again when it
// is another; a resolver that fails takes nothing away, and a name that is gone
// does.
func TestExternalNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prefix := networkingv1.PathTypePrefix
		in := compile.Input{
			AnyClass: true,
			Services: []*corev1.Service{{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "out"},
				Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "out.example.com"},
			}},
			Ingresses: []*networkingv1.Ingress{{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "a"},
				Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "a.test", IngressRuleValue: networkingv1.IngressRuleValue{
					HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix,
						Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "out", Port: networkingv1.ServiceBackendPort{Number: 443}}},
					}}},
				}}}},
			}},
		}
		var mu sync.Mutex
		var live string
		listed := false
		l := New(Config{
			Options: compile.Options{ExternalNames: true},
			Publish: func(m *hostmap.Map) {
				mu.Lock()
				defer mu.Unlock()
				live = m.String()
			},
		}, func(context.Context) (State, error) {
			state := State{Input: in, Same: listed}
			listed = true
			return state, nil
		})
		z := new(zone)
		z.set("203.0.113.1", nil)
		l.names.lookup = z.lookup
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.Run(ctx) }()
		defer func() { cancel(); <-ended }()

		want := func(when, endpoints string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !strings.Contains(live, "endpoints="+endpoints+" ") {
				t.Errorf("%s the map has not the endpoints %s:\n%s", when, endpoints, live)
			}
		}
		time.Sleep(time.Second)
		want("at first", "203.0.113.1:443")
		z.set("203.0.113.2", nil)
		time.Sleep(refresh + time.Second)
		want("with another address", "203.0.113.2:443")
		z.set("", errors.New("the resolver is away"))
		time.Sleep(refresh + time.Second)
		want("without a resolver", "203.0.113.2:443")
		z.set("", &net.DNSError{IsNotFound: true})
		time.Sleep(refresh + time.Second)
		want("without such a name", "none")
		for _, host := range z.asked {
			if host != "out.example.com." {
				t.Errorf("asked for %q, want the name as a whole one", host)
			}
		}
	})
}

// A new name has nobody else's looked up again, and an EndpointSlice whose
// addresses stay is the same object: a list has new Services each time.
func TestNewNamesAreLookedUpAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.Buffer
		n := newNames(slog.New(slog.NewTextHandler(&log, nil)), func() {})
		z := new(zone)
		z.set("203.0.113.1", nil)
		n.lookup = z.lookup
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); n.run(ctx) }()
		defer func() { cancel(); <-ended }()

		add := func(names ...string) (slices []*discoveryv1.EndpointSlice) {
			var in compile.Input
			for _, name := range names {
				in.Services = append(in.Services, &corev1.Service{
					ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name},
					Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: name + ".example"},
				})
			}
			n.add(&in)
			synctest.Wait()
			return in.EndpointSlices
		}
		add("a")
		before := add("a")
		if after := add("a", "b"); !slices.Contains(after, before[0]) {
			t.Error("an EndpointSlice was made again although nothing of it changed")
		}
		if got := z.take(); got != "a.example. b.example." {
			t.Errorf("asked for %s, want each name once", got)
		}
		time.Sleep(refresh)
		synctest.Wait()
		if got := z.take(); got != "a.example. b.example." {
			t.Errorf("asked for %s after a while, want both names", got)
		}
		z.set("", errors.New("the resolver is away"))
		time.Sleep(refresh)
		synctest.Wait()
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "names=2") {
			t.Errorf("logged, want that two names cannot be looked up, once:\n%s", text)
		}
	})
}
