package conformance

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/kube"
	"github.com/ingress421/ingress421/test/require"
)

// address is where the binary listens, and what it publishes.
const address = "10.244.0.1"

// TestConformance plays the scenarios one after the other: they claim the same
// hosts.
func TestConformance(t *testing.T) {
	require.Asked(t, "CONFORMANCE", "make test-conformance")
	testkit.Binary(t)
	if !kube.InNetwork(t) {
		return
	}
	c := newCluster(t)
	for _, f := range features {
		for _, s := range f.scenarios {
			t.Run(f.name+"/"+s.name, func(t *testing.T) {
				ns := c.namespace(t)
				ns.background(f.ingress)
				a, err := ask(s.method, s.url)
				if err != nil {
					t.Fatal(err)
				}
				check(t, a, s)
			})
		}
	}
	t.Run("ingress class/unknown class gets no address", func(t *testing.T) {
		ns := c.namespace(t)
		stray := ns.ingress("stray", rules(rule("ingress-class", backend("/", "Prefix", "ingress-class-prefix"))))
		stray.Spec.IngressClassName = new("some-invalid-class-name")
		ns.backends(stray)
		ns.create(stray)
		// Whoever has this one's address was written has read the other before.
		ns.background(defaultBackend)
		if got := ns.addresses("stray"); len(got) != 0 {
			t.Errorf("the status of an Ingress of another class has %v, want nothing", got)
		}
	})
	t.Run("load balancing/all pods have requests", func(t *testing.T) {
		ns := c.namespace(t)
		ns.background(defaultBackend)
		const replicas = 10
		ns.scale("echo-service", replicas)
		// How soon an endpoint has requests is measured elsewhere.
		testkit.Eventually(t, "requests reach all pods", func() string {
			seen := make(map[string]bool)
			for range 100 {
				a, err := ask("", "http://load-balancing/")
				if err != nil {
					t.Fatal(err)
				}
				if a.status != 200 || a.Service != "echo-service" {
					t.Fatalf("%d from %q, want 200 from echo-service", a.status, a.Service)
				}
				seen[a.Pod] = true
			}
			if len(seen) != replicas {
				return fmt.Sprintf("%d pods of %d have 100 requests", len(seen), replicas)
			}
			return ""
		})
	})
}

// answer is a response, and what a pod says that it was asked.
type answer struct {
	status int
	proto  string
	header http.Header // of the response
	body   string

	Pod, Service, Method, Host, Path, Proto string
	Header                                  http.Header // of the request
}

// echo is a pod.
func echo(pod *corev1.Pod) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer{
			Pod: pod.Name, Service: pod.Labels[serviceLabel],
			Method: r.Method, Host: r.Host, Path: r.RequestURI, Proto: r.Proto, Header: r.Header,
		})
	})
}

// ask sends a request to the binary on a connection of its own, and follows
// redirects to it. A certificate has to be for the host it was asked for.
func ask(method, to string) (answer, error) {
	transport := &http.Transport{
		DisableCompression: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(address, port))
		},
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // nobody signed it; its names are looked at
			VerifyConnection: func(s tls.ConnectionState) error {
				return s.PeerCertificates[0].VerifyHostname(s.ServerName)
			},
		},
	}
	r, err := http.NewRequest(method, to, nil)
	if err != nil {
		return answer{}, err
	}
	response, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, proto: response.Proto, header: response.Header, body: string(body)}
	if response.Header.Get("Content-Type") == "application/json" {
		err = json.Unmarshal(body, &a)
	}
	return a, err
}

// check judges an answer.
func check(t *testing.T, a answer, s scenario) {
	t.Helper()
	if s.service == "" {
		if a.status != http.StatusNotFound || a.Service != "" {
			t.Errorf("%s is answered %d by %q, want 404: %s", s.url, a.status, a.Service, a.body)
		}
		return
	}
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	method := s.method
	if method == "" {
		method = "GET"
	}
	got := []string{fmt.Sprint(a.status), a.proto, a.Service, a.Method, a.Host, a.Path, a.Proto, strings.Join(a.Header["User-Agent"], ",")}
	want := []string{"200", "HTTP/1.1", s.service, method, u.Host, u.Path, "HTTP/1.1", "Go-http-client/1.1"}
	if !slices.Equal(got, want) {
		t.Errorf("%s %s is answered\n%q, want\n%q\n%s", method, s.url, got, want, a.body)
	}
	for _, name := range []string{"Content-Length", "Content-Type", "Date", "Server"} {
		if a.header.Get(name) == "" {
			t.Errorf("the response has no %s: %v", name, a.header)
		}
	}
}

// addressesOf lists what a status shows.
func addressesOf(i *networkingv1.Ingress) []string {
	var list []string
	for _, a := range i.Status.LoadBalancer.Ingress {
		list = append(list, a.IP+a.Hostname)
	}
	return list
}
