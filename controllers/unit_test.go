package controllers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

func TestSecretsAreKeptSlim(t *testing.T) {
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "s", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}, Labels: map[string]string{"a": "b"},
			Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: `{"data":{"password":"x"}}`},
		},
		Data: map[string][]byte{"tls.crt": {1}, "tls.key": {2}, "ca.crt": {3}, "auth": {6}, "alice": []byte("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n"), "token": []byte("$2y$"), "password": {4}, ".dockerconfigjson": {5}},
	}
	got, err := slimSecret(s)
	if err != nil {
		t.Fatal(err)
	}
	want := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{"tls.crt": {1}, "tls.key": {2}, "ca.crt": {3}, "auth": {6}, "alice": []byte("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	if got, err := slimSecret(toolscache.DeletedFinalStateUnknown{Key: "a/b"}); err != nil || got == nil {
		t.Errorf("a tombstone: %v, error %v", got, err)
	}
	if _, err := slim("text"); err == nil {
		t.Error("no error for what is no object")
	}
}

func TestSecretsThatAreNotRead(t *testing.T) {
	for _, namespaces := range [][]string{nil, {"a", "b"}} {
		options := cacheOptions(&Config{Namespaces: namespaces, Config: source.Config{DefaultCertificate: types.NamespacedName{Namespace: "c", Name: "fallback"}}})
		for kind, by := range options.ByObject {
			if _, ok := kind.(*corev1.Secret); !ok {
				continue
			}
			for typ, read := range map[string]bool{
				"kubernetes.io/tls": true, "Opaque": true, "helm.sh/release.v1": false, "kubernetes.io/service-account-token": false,
			} {
				if by.Field.Matches(fields.Set{"type": typ}) != read {
					t.Errorf("a Secret of type %s is read: %v, want %v", typ, !read, read)
				}
			}
			if len(namespaces) == 0 && by.Namespaces != nil {
				t.Errorf("Secrets of %v only, want all", by.Namespaces)
			}
			if len(namespaces) != 0 && (len(by.Namespaces) != 3 || by.Namespaces["c"].FieldSelector.String() != "metadata.name=fallback") {
				t.Errorf("Secrets of %v, want a, b, and one of c", by.Namespaces)
			}
		}
	}
}

func TestServiceAddresses(t *testing.T) {
	ingress := corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.2"}, {Hostname: "lb.example"}}}}
	tests := []struct {
		name    string
		service corev1.Service
		want    string // IPs, then host names
	}{
		{"load balancer", corev1.Service{Spec: corev1.ServiceSpec{Type: "LoadBalancer", ClusterIPs: []string{"10.0.0.1"}}, Status: ingress}, "lb.example 192.0.2.2"},
		{"load balancer without an address", corev1.Service{Spec: corev1.ServiceSpec{Type: "LoadBalancer", ClusterIPs: []string{"10.0.0.1"}}}, ""},
		{"external IPs", corev1.Service{Spec: corev1.ServiceSpec{Type: "NodePort", ClusterIPs: []string{"10.0.0.1"}, ExternalIPs: []string{"192.0.2.3"}}}, "192.0.2.3"},
		{"cluster IPs, sorted and once", corev1.Service{Spec: corev1.ServiceSpec{Type: "ClusterIP", ClusterIPs: []string{"fd00::1", "10.0.0.1", "10.0.0.1"}}}, "10.0.0.1 fd00::1"},
		{"headless", corev1.Service{Spec: corev1.ServiceSpec{Type: "ClusterIP", ClusterIPs: []string{"None"}}}, ""},
		{"external name", corev1.Service{Spec: corev1.ServiceSpec{Type: "ExternalName", ExternalName: "far.example"}}, "far.example"},
		{"nonsense", corev1.Service{Spec: corev1.ServiceSpec{Type: "ExternalName", ExternalName: "not a host"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.service.Namespace, tt.service.Name = "edge", "lb"
			other := tt.service.DeepCopy()
			other.Name, other.Spec.ExternalIPs = "other", []string{"198.51.100.1"}
			w := &writer{Config: &Config{PublishService: types.NamespacedName{Namespace: "edge", Name: "lb"}, Config: source.Config{Log: slog.New(slog.DiscardHandler)}}}
			var got []string
			found, known := w.addresses([]*corev1.Service{other, &tt.service})
			for _, a := range found {
				got = append(got, a.IP+a.Hostname)
			}
			if strings.Join(got, " ") != tt.want || known != (tt.want != "") {
				t.Errorf("addresses %q, known %v, want %q", got, known, tt.want)
			}
		})
	}
}

func TestMailboxKeepsTheNewest(t *testing.T) {
	m := newMailbox()
	var maps []*hostmap.Map
	for range 3 {
		maps = append(maps, hostmap.New(hostmap.Spec{}))
		m.put(source.Outcome{Map: maps[len(maps)-1]}) // Nobody reads, and it does not wait.
	}
	if got := (<-m.c).Map; got != maps[2] {
		t.Error("the mailbox held an older map than the newest")
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ in, want string }{{"short", "short"}, {"exactly 10", "exactly 10"}, {"more than ten", "more th..."}, {"abcdefäxyz", "abcdef..."}} {
		if got := cut(tt.in, 10); got != tt.want {
			t.Errorf("cut(%q) is %q, want %q", tt.in, got, tt.want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPatience(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		name     string
		method   string
		fails    int // attempts that get no answer
		stumbles int // attempts after them that get an error of the server's own
		deadline time.Duration
		want     error
		took     time.Duration
		live     bool // a map is published
		log      string
	}{
		{name: "an answer at once", method: "GET"},
		{name: "a read is repeated", method: "GET", fails: 3, took: 3 * time.Second, log: "cannot be reached|nothing is served yet|is back"},
		{name: "a read is repeated, with a map", method: "GET", fails: 2, took: 2 * time.Second, live: true, log: "cannot be reached|the last host map stays|is back"},
		{name: "a read that got an error is repeated", method: "GET", stumbles: 3, took: 3 * time.Second, log: "answers with an error|nothing is served yet"},
		{name: "a write that got an error is not", method: "PUT", stumbles: 1},
		{name: "until its context ends", method: "GET", fails: 100, deadline: 2500 * time.Millisecond, want: refused, took: 2500 * time.Millisecond, log: "cannot be reached"},
		{name: "a write is not", method: "PUT", fails: 1, want: refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var away, live atomic.Bool
				live.Store(tt.live)
				attempts := 0
				p := &patient{away: &away, live: &live, log: slog.New(slog.NewTextHandler(&log, nil)), next: roundTripper(func(*http.Request) (*http.Response, error) {
					if attempts++; attempts <= tt.fails {
						return nil, refused
					}
					status := http.StatusGatewayTimeout // an answer
					if attempts <= tt.fails+tt.stumbles {
						status = http.StatusInternalServerError
					}
					return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(""))}, nil
				})}
				ctx := t.Context()
				if tt.deadline != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				r, err := http.NewRequestWithContext(ctx, tt.method, "http://api.test/", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				resp, err := p.RoundTrip(r)
				if !errors.Is(err, tt.want) || (resp == nil) == (err == nil) {
					t.Errorf("response %v, error %v, want error %v", resp, err, tt.want)
				}
				if resp != nil {
					resp.Body.Close()
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				for part := range strings.SplitSeq(tt.log, "|") {
					if strings.Count(log.String(), part) != 1 && part != "" {
						t.Errorf("log has %q %d times, want once:\n%s", part, strings.Count(log.String(), part), log.String())
					}
				}
			})
		})
	}
}

// Credentials that are refused are told of, but not once a second.
func TestRefusalsAreToldLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		asked := 0
		config := &rest.Config{Host: "http://api.test", QPS: -1, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
		})}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if _, answered := awaitPolicies(ctx, config, slog.New(slog.NewTextHandler(&log, nil))); answered {
			t.Error("a refusal was taken for an answer")
		}
		if asked < 500 {
			t.Errorf("asked %d times in ten minutes, want once a second", asked)
		}
		if told := strings.Count(log.String(), "waiting for the API server"); told < 10 || told > 20 {
			t.Errorf("told %d times in ten minutes, want about once a minute", told)
		}
	})
}

func TestLibrariesWhisper(t *testing.T) {
	var log bytes.Buffer
	l := slog.New(demoted{slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})}).With("a", 1).WithGroup("g")
	l.Info("starting")
	l.Warn("odd", "b", 2)
	if got := log.String(); strings.Contains(got, "starting") || !strings.Contains(got, "level=WARN msg=odd a=1 g.b=2") {
		t.Errorf("log %q, want the warning only", got)
	}
}

func TestGathererLeavesTheRuntimeOut(t *testing.T) {
	families, err := Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			t.Errorf("%s would be gathered twice", f.GetName())
		}
	}
}

// What cannot be written is tried again in seconds, though somebody else's
// status is left alone for longer.
func TestFailedWriteIsNotHeldUpByATruce(t *testing.T) {
	for _, tt := range []struct{ a, b, want time.Duration }{
		{0, 0, 0}, {retry, 0, retry}, {0, truce, truce}, {truce, retry, retry}, {retry, truce, retry},
	} {
		if got := sooner(tt.a, tt.b); got != tt.want {
			t.Errorf("sooner of %v and %v is %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// Finding overlaps takes long for many hosts, and is rested after.
func TestOverlapsAreFoundAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cost := 100 * time.Millisecond
		var at []time.Duration
		began := time.Now()
		s := &overlaps{outcomes: newMailbox(), wake: make(chan struct{}, 1), find: func(*hostmap.Map) map[string]Overlaps {
			at = append(at, time.Since(began))
			time.Sleep(cost)
			return nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.run(ctx) }()
		var o source.Outcome
		for range 60 { // a minute, in which the map changes every second
			o.Map = hostmap.New(hostmap.Spec{})
			s.outcomes.put(o)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		s.outcomes.put(o) // The same again.
		time.Sleep(time.Minute)
		cancel()
		<-done
		for i := range at {
			if i != 0 && at[i]-at[i-1] < overlapsShare*cost {
				t.Errorf("found at %v, want %v between", at, overlapsShare*cost)
			}
		}
		if len(at) < 5 || len(at) > 8 {
			t.Errorf("found %d times, want about 6: at %v", len(at), at)
		}
		if _, known := s.of(nil); !known {
			t.Error("nothing is known, want that there is none")
		}
	})
}
