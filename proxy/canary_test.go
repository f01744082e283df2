package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// canaryOf is a.test with a route to main and a canary.
func canaryOf(t testing.TB, change func(*hostmap.CanaryTerms, *hostmap.Terms)) *hostmap.Map {
	t.Helper()
	c, terms := hostmap.CanaryTerms{Backend: echo(t, "canary"), Total: 100}, hostmap.Terms{}
	change(&c, &terms)
	return routed(newAuthority(t).serverCert("a", "a.test"), hostmap.Route{
		Backend: echo(t, "main"), Canary: hostmap.NewCanary(c), Terms: terms,
		From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: "main"},
	})
}

// TestCanary: a header says which requests are the canary's, then a cookie, then
// the weight.
func TestCanary(t *testing.T) {
	pattern, err := hostmap.NewPathRegex("(?s:.*?)(?:de|fr$)")
	if err != nil {
		t.Fatal(err)
	}
	type canary = hostmap.CanaryTerms
	tests := []struct {
		name    string
		canary  canary
		request map[string]string
		want    string
	}{
		{"nothing is asked", canary{Header: "x-next", Cookie: "next"}, nil, "main"},
		{"all of them", canary{Weight: 100}, nil, "canary"},
		{"all of more", canary{Weight: 1000, Total: 1000}, nil, "canary"},
		{"header", canary{Header: "x-next"}, map[string]string{"X-Next": "always"}, "canary"},
		{"header against", canary{Header: "x-next", Weight: 100}, map[string]string{"X-Next": "never"}, "main"},
		{"header against, cookie for", canary{Header: "x-next", Cookie: "next"}, map[string]string{"X-Next": "never", "Cookie": "next=always"}, "main"},
		{"header without meaning", canary{Header: "x-next", Weight: 100}, map[string]string{"X-Next": "yes"}, "canary"},
		{"header with a value", canary{Header: "x-next", Value: "yes"}, map[string]string{"X-Next": "yes"}, "canary"},
		{"header with another value", canary{Header: "x-next", Value: "yes", Weight: 100}, map[string]string{"X-Next": "always"}, "canary"},
		{"header with never as another value", canary{Header: "x-next", Value: "yes"}, map[string]string{"X-Next": "always"}, "main"},
		{"header with a value, which goes before a pattern", canary{Header: "x-next", Value: "yes", Pattern: pattern}, map[string]string{"X-Next": "de"}, "main"},
		{"header by pattern", canary{Header: "x-next", Pattern: pattern}, map[string]string{"X-Next": "en, de, it"}, "canary"},
		{"header by pattern, at its end", canary{Header: "x-next", Pattern: pattern}, map[string]string{"X-Next": "en, fr"}, "canary"},
		{"header by no pattern", canary{Header: "x-next", Pattern: pattern}, map[string]string{"X-Next": "fr, en"}, "main"},
		{"cookie", canary{Header: "x-next", Cookie: "next"}, map[string]string{"Cookie": "a=b; next=always"}, "canary"},
		{"cookie against", canary{Cookie: "next", Weight: 100}, map[string]string{"Cookie": "next=never"}, "main"},
		{"cookie without meaning", canary{Cookie: "next", Weight: 100}, map[string]string{"Cookie": "next=1"}, "canary"},
		{"no endpoints", canary{Weight: 100, Backend: &hostmap.Backend{Namespace: "default", Service: "none", Port: "80"}}, nil, "main"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := canaryOf(t, func(c *canary, _ *hostmap.Terms) {
				there := *c
				*c = tt.canary
				if c.Backend == nil {
					c.Backend = there.Backend
				}
				c.Total = max(c.Total, there.Total)
			})
			onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				a := roundTrip(t, rt, "GET", "https://a.test/", func(r *http.Request) {
					for name, value := range tt.request {
						r.Header.Set(name, value)
					}
				})
				if got := a.Header.Get("X-Backend"); got != tt.want {
					t.Errorf("%d by %q, want %s", a.StatusCode, got, tt.want)
				}
			})
		})
	}
}

// A weight is a share of the requests, and the log says where each was sent.
func TestCanaryWeight(t *testing.T) {
	var access testkit.Buffer
	m := canaryOf(t, func(c *hostmap.CanaryTerms, _ *hostmap.Terms) { c.Weight = 25 })
	onBoth(t, m, func(c *Config) { c.AccessLog, c.AccessLogTo = AccessLogJSON, &access }, func(t *testing.T, _ *world, rt http.RoundTripper) {
		n := 0
		for range 400 {
			if roundTrip(t, rt, "GET", "https://a.test/", nil).Header.Get("X-Backend") == "canary" {
				n++
			}
		}
		if n < 50 || n > 150 {
			t.Errorf("%d of 400 requests were the canary's, and 100 should be", n)
		}
	})
	if text := access.String(); !strings.Contains(text, `"service":"canary"`) || !strings.Contains(text, `"service":"main"`) {
		t.Error("the log does not tell the canary's requests")
	}
}

// What protects the route protects its canary.
func TestCanaryIsProtected(t *testing.T) {
	protections := map[string]struct {
		status int
		terms  hostmap.Terms
	}{
		"source range": {403, hostmap.Terms{Deny: hostmap.NewRanges(prefixesOf("127.0.0.0/8")...)}},
		"password":     {401, hostmap.Terms{BasicAuth: hostmap.NewBasicAuth(hostmap.BasicAuthTerms{Realm: "vault"})}},
		"body size":    {413, hostmap.Terms{MaxBodySize: 1}},
	}
	for name, p := range protections {
		t.Run(name, func(t *testing.T) {
			m := canaryOf(t, func(c *hostmap.CanaryTerms, terms *hostmap.Terms) {
				c.Header, c.Weight = "x-next", 100
				*terms = p.terms
			})
			onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				a := roundTrip(t, rt, "POST", "https://a.test/", func(r *http.Request) {
					r.Header.Set("X-Next", "always")
					r.Body, r.ContentLength = http.NoBody, 0
					if p.status == 413 {
						r.Body, r.ContentLength = io.NopCloser(strings.NewReader("ab")), 2
					}
				})
				if a.StatusCode != p.status || a.Header.Get("X-Backend") != "" {
					t.Errorf("%d by %q, want %d", a.StatusCode, a.Header.Get("X-Backend"), p.status)
				}
			})
		})
	}
}

// A client of the canary stays with it, and one of the main backend there, unless
// each request is to be asked.
func TestCanarySessions(t *testing.T) {
	for _, aside := range []bool{false, true} {
		m := canaryOf(t, func(c *hostmap.CanaryTerms, terms *hostmap.Terms) {
			c.Header = "x-next"
			terms.Affinity = hostmap.NewAffinity(hostmap.AffinityTerms{Cookie: "c", Path: "/", CanaryAside: aside})
		})
		onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
			ask := func(next, cookie string) (by, set string) {
				a := roundTrip(t, rt, "GET", "https://a.test/", func(r *http.Request) {
					if next != "" {
						r.Header.Set("X-Next", next)
					}
					if cookie != "" {
						r.Header.Set("Cookie", cookie)
					}
				})
				set, _, _ = strings.Cut(a.Header.Get("Set-Cookie"), ";")
				return a.Header.Get("X-Backend"), set
			}
			by, main := ask("", "")
			if by != "main" || main == "" {
				t.Fatalf("a request is taken by %s, which sets %q", by, main)
			}
			by, canary := ask("always", "")
			if by != "canary" || (canary == "") != aside {
				t.Fatalf("a request for the canary is taken by %s, which sets %q", by, canary)
			}
			want := map[bool]string{false: "main", true: "canary"}
			if by, _ := ask("always", main); by != want[aside] {
				t.Errorf("a client of the main backend that asks for the canary comes to %s", by)
			}
			if !aside {
				if by, set := ask("", canary); by != "canary" || set != "" {
					t.Errorf("a client of the canary comes to %s, and is given %q", by, set)
				}
			}
		})
	}
}
