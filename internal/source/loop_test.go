package source

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// lister is a source of one Ingress for one host, and what came of it.
type lister struct {
	mu sync.Mutex // of all that follows: fake time orders nothing

	host   string
	secret *corev1.Secret // of the host; may be nil
	same   bool
	err    error
	cost   time.Duration // of publishing

	at   []time.Duration // of each map, since the start
	last Outcome
	log  bytes.Buffer
}

// run runs a loop in fake time until the test ends.
func (s *lister) run(t *testing.T) *Loop {
	began := time.Now()
	l := New(Config{
		Controller: v1alpha1.DefaultControllerName,
		Publish: func(*hostmap.Map) {
			var cost time.Duration
			s.do(func() { s.at, cost = append(s.at, time.Since(began)), s.cost })
			time.Sleep(cost)
		},
		Report: func(o Outcome) { s.do(func() { s.last = o }) },
		Log:    slog.New(slog.NewTextHandler(&s.log, nil)),
	}, s.list)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	synctest.Wait()
	return l
}

// do reads and writes what both the test and the loop do.
func (s *lister) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *lister) list(context.Context) (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ing := &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "a"},
		Spec:       networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: s.host}}},
	}
	in := compile.Input{Ingresses: []*networkingv1.Ingress{ing}, AnyClass: true}
	if s.secret != nil {
		ing.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{s.host}, SecretName: s.secret.Name}}
		in.Secrets = []*corev1.Secret{s.secret}
	}
	return State{Input: in, Same: s.same}, s.err
}

// wants checks when maps were published so far, in milliseconds.
func (s *lister) wants(t *testing.T, when string, want ...int) {
	t.Helper()
	synctest.Wait()
	var got []int
	s.do(func() {
		for _, at := range s.at {
			got = append(got, int(at.Milliseconds()))
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: maps at these milliseconds (-want +got):\n%s", when, diff)
	}
}

func (s *lister) serves(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sites := s.last.Map.Sites()
	return len(sites) == 1 && sites[0].Host == host
}

func TestLoopMergesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lister{host: "a.test"}
		l := s.run(t)
		s.wants(t, "at the start", 0)
		time.Sleep(time.Minute)
		s.wants(t, "while nothing changes", 0)
		for _, host := range []string{"b.test", "c.test", "d.test", "e.test", "f.test"} {
			s.do(func() { s.host = host })
			l.Wake()
			synctest.Wait()
			time.Sleep(4 * time.Millisecond)
		}
		s.wants(t, "after changes every 4 ms", 0, 60_000, 60_020)
		if !s.serves("f.test") {
			t.Errorf("the last change is not live, but %v", s.last.Map.Sites())
		}
	})
}

// A change that comes while a map is made is in the next one.
func TestLoopForgetsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lister{host: "a.test"}
		l := s.run(t)
		time.Sleep(time.Second)
		s.do(func() { s.cost = 100 * time.Millisecond })
		l.Wake()
		synctest.Wait() // It is being published.
		s.do(func() { s.host, s.cost = "b.test", 0 })
		l.Wake()
		time.Sleep(time.Minute)
		s.wants(t, "one change during another", 0, 1000, 1500)
		if !s.serves("b.test") {
			t.Errorf("the last change is not live, but %v", s.last.Map.Sites())
		}
	})
}

// A map that costs much is not made again as soon as something changes.
func TestLoopRestsAfterCostlyTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lister{host: "a.test", cost: 3 * time.Second}
		l := s.run(t)
		time.Sleep(10 * time.Second)
		for _, step := range []struct {
			cost, rest time.Duration // from the beginning of one to that of the next
		}{
			{0, 20 * time.Millisecond},
			{100 * time.Millisecond, 500 * time.Millisecond},
			{3 * time.Second, 8 * time.Second},
		} {
			s.do(func() { s.at, s.cost = nil, step.cost })
			l.Wake()
			synctest.Wait()
			l.Wake()
			time.Sleep(time.Minute)
			synctest.Wait()
			if len(s.at) != 2 || s.at[1]-s.at[0] != step.rest {
				t.Errorf("after a map that took %v: maps at %v, want the next %v later", step.cost, s.at, step.rest)
			}
		}
		// The first one says nothing of the next.
		first := &lister{host: "a.test", cost: 3 * time.Second}
		l = first.run(t)
		l.Wake()
		time.Sleep(time.Minute)
		first.wants(t, "after a costly first map", 0, 3000)
	})
}

func TestLoopKeepsTheMapWhenListingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lister{host: "a.test", err: errors.New("away")}
		l := s.run(t)
		time.Sleep(2500 * time.Millisecond)
		s.wants(t, "while nothing can be listed")
		if n := strings.Count(s.log.String(), "nothing is served yet"); n != 3 {
			t.Errorf("told %d times, want 3:\n%s", n, &s.log)
		}
		s.do(func() { s.err = nil })
		time.Sleep(time.Second)
		s.wants(t, "after that", 3000)
		s.do(func() { s.err = errors.New("away") })
		l.Wake()
		synctest.Wait()
		if !strings.Contains(s.log.String(), "the last host map stays") {
			t.Errorf("nothing is said of the second failure:\n%s", &s.log)
		}
		s.do(func() { s.err, s.host = nil, "b.test" })
		time.Sleep(time.Minute)
		s.wants(t, "once it can again", 3000, 4500)
	})
}

// A certificate ends hours from now, and nothing else changes.
func TestLoopWakesWhenSomethingIsDue(t *testing.T) {
	for _, same := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			end := time.Now().Add(3*time.Hour + 30*time.Minute)
			c := new(testkit.CA).Sign(t, &x509.Certificate{DNSNames: []string{"a.test"}, NotAfter: end})
			s := &lister{host: "a.test", same: same, secret: &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "tls"}, Type: corev1.SecretTypeTLS,
				Data: map[string][]byte{corev1.TLSCertKey: c.PEM, corev1.TLSPrivateKeyKey: c.KeyPEM},
			}}
			s.run(t)
			time.Sleep(3 * time.Hour)
			s.wants(t, "before", 0)
			expired := func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return slices.ContainsFunc(s.last.Problems, func(p hostmap.Problem) bool { return p.Reason == "CertificateExpired" })
			}
			if expired() {
				t.Error("it is expired before it is")
			}
			time.Sleep(3 * time.Hour)
			synctest.Wait()
			if len(s.at) != 2 || s.at[1] < 3*time.Hour+30*time.Minute || s.at[1] > 3*time.Hour+30*time.Minute+2*time.Second || !expired() {
				t.Errorf("maps at %v, want one when the certificate ends; problems %v", s.at, s.last.Problems)
			}
		})
	}
}

func TestLoadCompilesOnce(t *testing.T) {
	s := &lister{host: "not a host", same: true}
	o, err := Load(t.Context(), Config{Controller: v1alpha1.DefaultControllerName}, func(ctx context.Context) (State, error) {
		state, err := s.list(ctx)
		state.Problems = []hostmap.Problem{{Kind: "Zebra", Name: "z"}, {Kind: "File", Name: "f"}}
		return state, err
	})
	if err != nil || len(o.Map.Sites()) != 0 || o.Took <= 0 {
		t.Errorf("%v after %v, error %v, want no site", o.Map, o.Took, err)
	}
	if !slices.IsSortedFunc(o.Problems, hostmap.Problem.Compare) || len(o.Problems) != 4 {
		t.Errorf("problems %v, want those with files and those with objects, in order", o.Problems)
	}
	s.err = errors.New("away")
	if _, err := Load(t.Context(), Config{}, s.list); !errors.Is(err, s.err) {
		t.Errorf("error %v, want %v", err, s.err)
	}
}

func TestLoopPublishesNoStateTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lister{host: "a.test", same: true}
		l := s.run(t)
		for range 3 {
			time.Sleep(time.Second)
			l.Wake()
		}
		s.wants(t, "without a change", 0)
	})
}

func TestLoopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		published := 0
		l := New(Config{Publish: func(*hostmap.Map) { published++; cancel() }}, new(lister).list)
		l.Run(ctx) // returns
		l.Run(ctx)
		l.Wake()
		l.Wake()
		if published != 1 {
			t.Errorf("%d maps published, want 1", published)
		}
	})
}
