package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// replicas is a backend of n endpoints that say which they are.
func replicas(t testing.TB, n int) *hostmap.Backend {
	t.Helper()
	all := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", UID: "5f1c6c0e"}
	for i := range n {
		one := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, i)
		}))
		all.Endpoints = append(all.Endpoints, one.Endpoints...)
	}
	return all
}

// routed is a.test with a route for everything.
func routed(certificate *hostmap.Certificate, route hostmap.Route) *hostmap.Map {
	route.Type, route.Path = hostmap.Prefix, "/"
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Routes: []*hostmap.Route{&route},
		Certificates: []*hostmap.Certificate{certificate},
	})}})
}

// TestAffinity: a client is given a cookie once, and stays at its endpoint with
// it; where that has gone, it is given another one.
func TestAffinity(t *testing.T) {
	b, certificate := replicas(t, 3), newAuthority(t).serverCert("a", "a.test")
	terms := hostmap.AffinityTerms{
		Cookie: "route", Path: "/app", Domain: "a.test", MaxAge: "60", Expires: time.Hour, SameSite: "None", Conditional: true, Persistent: true,
	}
	m := routed(certificate, hostmap.Route{Backend: b, Terms: hostmap.Terms{Affinity: hostmap.NewAffinity(terms)}})
	onBoth(t, m, nil, func(t *testing.T, w *world, rt http.RoundTripper) {
		first := roundTrip(t, rt, "GET", "https://a.test/", nil)
		set := first.Header.Get("Set-Cookie")
		value, attributes, _ := strings.Cut(set, ";")
		expires, rest, _ := strings.Cut(strings.TrimPrefix(attributes, " Expires="), ";")
		if at, err := http.ParseTime(expires); err != nil || time.Until(at) < 59*time.Minute {
			t.Errorf("Expires=%q", expires)
		}
		if want := " Max-Age=60; Domain=a.test; Path=/app; Secure; HttpOnly; SameSite=None"; rest != want {
			t.Errorf("%q has %q, want %q", set, rest, want)
		}
		with := func(cookie string) func(*http.Request) {
			return func(r *http.Request) { r.Header["Cookie"] = []string{"x=y", "route=foreign; " + cookie + "; z"} }
		}
		for range 10 {
			if a := roundTrip(t, rt, "GET", "https://a.test/", with(value)); a.body != first.body || a.Header["Set-Cookie"] != nil {
				t.Errorf("a client of endpoint %s comes to %s and is given %q", first.body, a.body, a.Header["Set-Cookie"])
			}
		}
		old := roundTrip(t, rt, "GET", "https://a.test/", func(r *http.Request) {
			r.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X)")
		})
		if set := old.Header.Get("Set-Cookie"); strings.Contains(set, "SameSite") {
			t.Errorf("a client that takes None for Strict is given %q", set)
		}

		fewer := *b
		fewer.Endpoints = nil
		for i, e := range b.Endpoints {
			if fmt.Sprint(i) != first.body {
				fewer.Endpoints = append(fewer.Endpoints, e)
			}
		}
		w.server.Publish(routed(certificate, hostmap.Route{Backend: &fewer, Terms: hostmap.Terms{Affinity: hostmap.NewAffinity(terms)}}))
		moved := roundTrip(t, rt, "GET", "https://a.test/", with(value))
		if moved.body == first.body || !strings.HasPrefix(moved.Header.Get("Set-Cookie"), "route=") {
			t.Errorf("where endpoint %s has gone its client comes to %s and is given %q", first.body, moved.body, moved.Header["Set-Cookie"])
		}
	})
}

// TestHashBy: requests that are alike go to one endpoint.
func TestHashBy(t *testing.T) {
	b, certificate := replicas(t, 4), newAuthority(t).serverCert("a", "a.test")
	for _, key := range []string{"$request_uri", "$host$http_x_user", "${cookie_session}", "x-$arg_id-y"} {
		m := routed(certificate, hostmap.Route{Backend: b, Terms: hostmap.Terms{HashBy: hostmap.NewHashBy(hostmap.HashByTerms{Key: key, Among: 1})}})
		t.Run(key, func(t *testing.T) {
			onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				ask := func(n int) string {
					uri := fmt.Sprintf("https://a.test/?a=b&id=%d", n)
					return roundTrip(t, rt, "GET", uri, func(r *http.Request) {
						r.Header.Set("X-User", fmt.Sprint(n))
						r.Header.Set("Cookie", fmt.Sprintf("a=b; session=%d", n))
					}).body
				}
				seen := map[string]bool{}
				for n := range 30 {
					at := ask(n)
					seen[at] = true
					if again := ask(n); again != at {
						t.Errorf("number %d goes to %s and to %s", n, at, again)
					}
				}
				if len(seen) != 4 {
					t.Errorf("30 keys go to %v", seen)
				}
			})
		})
	}
	t.Run("address", func(t *testing.T) {
		m := routed(certificate, hostmap.Route{Backend: b, Terms: hostmap.Terms{HashBy: hostmap.NewHashBy(hostmap.HashByTerms{Key: "$remote_addr", Among: 1})}})
		onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
			at := roundTrip(t, rt, "GET", "https://a.test/", nil).body
			for range 10 {
				again := roundTrip(t, rt, "GET", "https://a.test/x", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.9") }).body
				if again != at {
					t.Errorf("one address goes to %s and to %s", at, again)
				}
			}
		})
	})
	t.Run("nothing", func(t *testing.T) {
		m := routed(certificate, hostmap.Route{Backend: b, Terms: hostmap.Terms{HashBy: hostmap.NewHashBy(hostmap.HashByTerms{Key: "user-$http_x_user", Among: 1})}})
		onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
			seen := map[string]bool{}
			for range 8 {
				seen[roundTrip(t, rt, "GET", "https://a.test/", nil).body] = true
			}
			if len(seen) != 4 {
				t.Errorf("requests without a key go to %v", seen)
			}
		})
	})
}
