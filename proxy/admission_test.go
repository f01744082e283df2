package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// admissionMap is a.test with a route to b for each thing that clients need
// memory or a response of ours for.
func admissionMap(t testing.TB, b *hostmap.Backend) *hostmap.Map {
	t.Helper()
	routes := []*hostmap.Route{
		{Path: "/shared", Terms: hostmap.Terms{CORS: hostmap.NewCORS(hostmap.CORSTerms{
			Origins: "https://one.example,https://*.two.example", Methods: "GET, PUT", Headers: "X-Own", Expose: "X-Seen", Credentials: true, MaxAge: "60",
		})}},
		{Path: "/open", Terms: hostmap.Terms{CORS: hostmap.NewCORS(hostmap.CORSTerms{Origins: "*", Methods: "GET", Credentials: true})}},
		{Path: "/metered", From: hostmap.Object{Name: "metered"}, Terms: hostmap.Terms{Quota: hostmap.Quota{PerMinute: 1, Burst: 2}}},
		{Path: "/metered/too", From: hostmap.Object{Name: "metered"}, Terms: hostmap.Terms{Quota: hostmap.Quota{PerMinute: 1, Burst: 2}}},
		{Path: "/spared", Terms: hostmap.Terms{Quota: hostmap.Quota{PerMinute: 1, Except: hostmap.NewRanges(prefixesOf("127.0.0.0/8")...)}}},
		{Path: "/one", From: hostmap.Object{Name: "one"}, Terms: hostmap.Terms{Quota: hostmap.Quota{Concurrent: 1}}},
		{Path: "/secret", Terms: hostmap.Terms{BasicAuth: hostmap.NewBasicAuth(hostmap.BasicAuthTerms{Realm: `the "vault"`, Users: "" +
			"bcrypt:$2y$05$WAlG2C.b74tpT1z/LReYM.2.r1w9PxJY4GS/espupwRDJFFNPrT6S\n" +
			"apr1:$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1\n" +
			"sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n" +
			"plain:password\n"})}},
		{Path: "/"},
	}
	for _, r := range routes {
		r.Type, r.Backend = hostmap.Prefix, b
	}
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Routes: routes,
		Certificates: []*hostmap.Certificate{newAuthority(t).serverCert("a", "a.test")},
	})}})
}

func TestScriptsOfOtherOrigins(t *testing.T) {
	b := backendOf(t, hostmap.HTTP, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://backend.example")
		w.Header().Set("X-Seen", r.Method)
	})
	onBoth(t, admissionMap(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		for _, tt := range []struct {
			name, method, path, origin string
			asks                       bool // beforehand
			status                     int
			want                       map[string]string
		}{
			{"asked", "OPTIONS", "/shared", "https://one.example", true, 204, map[string]string{
				"Access-Control-Allow-Origin": "https://one.example", "Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods": "GET, PUT", "Access-Control-Allow-Headers": "X-Own", "Access-Control-Max-Age": "60", "Vary": "origin", "X-Seen": "",
			}},
			{"a host below", "GET", "/shared", "https://a.two.example", false, 200, map[string]string{
				"Access-Control-Allow-Origin": "https://a.two.example", "Access-Control-Expose-Headers": "X-Seen", "Access-Control-Allow-Methods": "", "X-Seen": "GET",
			}},
			{"the host itself", "GET", "/shared", "https://two.example", false, 200, map[string]string{"Access-Control-Allow-Origin": "", "Vary": "origin", "X-Seen": "GET"}},
			{"a name that only looks so", "GET", "/shared", "https://evil.example/.two.example", false, 200, map[string]string{"Access-Control-Allow-Origin": ""}},
			{"another origin, asked", "OPTIONS", "/shared", "https://other.example", true, 204, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Methods": ""}},
			{"a method called OPTIONS", "OPTIONS", "/shared", "https://one.example", false, 200, map[string]string{"X-Seen": "OPTIONS"}},
			{"everybody", "GET", "/open", "https://any.example", false, 200, map[string]string{"Access-Control-Allow-Origin": "*"}},
			{"no script", "GET", "/shared", "", false, 200, map[string]string{"Access-Control-Allow-Origin": "https://backend.example", "X-Seen": "GET"}},
			{"no terms", "GET", "/", "https://one.example", false, 200, map[string]string{"Access-Control-Allow-Origin": "https://backend.example"}},
		} {
			a := roundTrip(t, rt, tt.method, "https://a.test"+tt.path, func(r *http.Request) {
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
				if tt.asks {
					r.Header.Set("Access-Control-Request-Method", "PUT")
				}
			})
			if a.StatusCode != tt.status {
				t.Errorf("%s: status %d, want %d", tt.name, a.StatusCode, tt.status)
			}
			for name, want := range tt.want {
				if got := strings.Join(a.Header[name], " and "); got != want {
					t.Errorf("%s: %s: %q, want %q", tt.name, name, got, want)
				}
			}
		}
	})
}

func TestQuota(t *testing.T) {
	let := make(chan struct{})
	entered := make(chan struct{})
	b := backendOf(t, hostmap.HTTP, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/one/wait" {
			entered <- struct{}{}
			<-let
		}
	})
	onBoth(t, admissionMap(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		get := func(path string, want int) {
			t.Helper()
			if a := roundTrip(t, rt, "GET", "https://a.test"+path, nil); a.StatusCode != want || want == 503 && !strings.Contains(a.Header.Get("Proxy-Status"), "quota") {
				t.Errorf("%s: status %d, %q, want %d", path, a.StatusCode, a.Header.Get("Proxy-Status"), want)
			}
		}
		// The object's routes share it.
		get("/metered", 200)
		get("/metered/too", 200)
		get("/metered", 200)
		get("/metered", 503)
		get("/metered/too", 503)
		for range 5 {
			get("/spared", 200)
			get("/", 200)
		}
		done := make(chan struct{})
		go func() { defer close(done); get("/one/wait", 200) }()
		<-entered
		get("/one", 503)
		let <- struct{}{}
		<-done
		testkit.Eventually(t, "a request after the other is let in", func() string {
			return strings.TrimPrefix(strconv.Itoa(roundTrip(t, rt, "GET", "https://a.test/one", nil).StatusCode), "200")
		})
	})
}

func TestPasswords(t *testing.T) {
	b := backendOf(t, hostmap.HTTP, func(http.ResponseWriter, *http.Request) {})
	onBoth(t, admissionMap(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		for _, tt := range []struct {
			name, user, password string
			status               int
		}{
			{"bcrypt", "bcrypt", "password", 200},
			{"again", "bcrypt", "password", 200},
			{"apr1", "apr1", "password", 200},
			{"sha", "sha", "password", 200},
			{"wrong", "bcrypt", "Password", 401},
			{"another's", "apr1", "", 401},
			{"nobody", "nobody", "password", 401},
			{"a hash is no password", "sha", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", 401},
			{"plain text is no hash", "plain", "password", 401},
			{"none", "", "", 401},
		} {
			a := roundTrip(t, rt, "GET", "https://a.test/secret", func(r *http.Request) {
				if tt.user != "" {
					r.SetBasicAuth(tt.user, tt.password)
				}
			})
			if a.StatusCode != tt.status {
				t.Errorf("%s: status %d, want %d", tt.name, a.StatusCode, tt.status)
			}
			asks := a.Header.Get("WWW-Authenticate")
			if tt.status == 401 && asks != `Basic realm="the \"vault\"", charset="UTF-8"` || tt.status == 200 && asks != "" {
				t.Errorf("%s: %q", tt.name, asks)
			}
		}
		a := roundTrip(t, rt, "GET", "https://a.test/secret", func(r *http.Request) { r.Header.Set("Authorization", "Basic !") })
		if a.StatusCode != 401 || !strings.Contains(a.Header.Get("Proxy-Status"), "unauthorized") {
			t.Errorf("no base64: status %d, %q", a.StatusCode, a.Header.Get("Proxy-Status"))
		}
	})
}
