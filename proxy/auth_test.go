package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// authMap is a.test, each path of which asks a service in another way, and
// auth.test, which is served to everybody and is that service too.
func authMap(t testing.TB, b, service *hostmap.Backend) *hostmap.Map {
	t.Helper()
	dead := *service
	dead.Service, dead.Endpoints = "dead", []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}
	none := *service
	none.Service, none.Missing = "none", hostmap.MissingService
	asks := func(change func(*hostmap.AuthTerms)) hostmap.Auth {
		terms := hostmap.AuthTerms{Host: "auth.test", Path: "/check?x=${args}", Method: "GET", Redirect: "${request_uri}", Fields: "x-user,x-groups"}
		if change != nil {
			change(&terms)
		}
		return hostmap.NewAuth(terms)
	}
	user := hostmap.NewBasicAuth(hostmap.BasicAuthTerms{Realm: "r", Users: "ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}) // password
	here, elsewhere := hostmap.NewRanges(prefixesOf("127.0.0.0/8")...), hostmap.NewRanges(prefixesOf("203.0.113.0/24")...)
	routes := []*hostmap.Route{
		{Path: "/asks", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: service}},
		{Path: "/served", Terms: hostmap.Terms{Auth: asks(nil)}},
		{Path: "/own", Terms: hostmap.Terms{Auth: asks(func(a *hostmap.AuthTerms) { a.Host = "${host}" })}},
		{Path: "/nobody", Terms: hostmap.Terms{Auth: asks(func(a *hostmap.AuthTerms) { a.Host = "elsewhere.example" })}},
		{Path: "/guarded", Terms: hostmap.Terms{Auth: asks(func(a *hostmap.AuthTerms) { a.Path = "/guarded" })}},
		{Path: "/dead", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: &dead}},
		{Path: "/none", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: &none}},
		{Path: "/signin", Terms: hostmap.Terms{Auth: asks(func(a *hostmap.AuthTerms) {
			a.SignIn = "https://auth.test/start?rd=${scheme}://${http_host}${escaped_request_uri}"
		}), AuthBackend: service}},
		{Path: "/kept", Terms: hostmap.Terms{Auth: asks(func(a *hostmap.AuthTerms) { a.CacheKey, a.Cache = "${cookie_c}", "200 1h\n401 1h" }), AuthBackend: service}},
		{Path: "/any-near", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: service, Allow: here, SatisfyAny: true}},
		{Path: "/any-far", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: service, BasicAuth: user, Allow: elsewhere, SatisfyAny: true}},
		{Path: "/all-far", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: service, Allow: elsewhere}},
		{Path: "/both", Terms: hostmap.Terms{Auth: asks(nil), AuthBackend: service, BasicAuth: user}},
		{Path: "/"},
	}
	for _, r := range routes {
		r.Type, r.Backend = hostmap.Prefix, b
	}
	cert := newAuthority(t).serverCert("a", "a.test", "auth.test")
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Routes: routes, Certificates: []*hostmap.Certificate{cert}}),
		hostmap.NewSite(hostmap.Site{Host: "auth.test", Certificates: []*hostmap.Certificate{cert}, Routes: []*hostmap.Route{
			{Path: "/", Backend: service}, {Path: "/guarded", Backend: service, Terms: hostmap.Terms{BasicAuth: user}},
		}}),
	}})
}

// A service lets requests in, by whichever protocols; whatever keeps it from
// saying so keeps them out.
func TestAuth(t *testing.T) {
	for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.HTTPS, hostmap.H2C} {
		t.Run(protocol.String(), func(t *testing.T) {
			var asked, reached atomic.Int32
			b := backendOf(t, hostmap.HTTP, func(w http.ResponseWriter, r *http.Request) {
				reached.Add(1)
				if strings.HasSuffix(r.URL.Path, "/500") {
					w.WriteHeader(http.StatusInternalServerError)
				}
				fmt.Fprintf(w, "user %q groups %q said %q body %d", r.Header.Values("X-User"), r.Header.Values("X-Groups"), r.Header.Get("X-Said"), r.ContentLength)
			})
			service := backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				h := w.Header()
				h.Set("X-User", "ada")
				h.Set("X-Other", "no")
				h.Add("Set-Cookie", "s=1")
				h.Add("Set-Cookie", "t=2")
				want := fmt.Sprintf("GET auth.test/check https://a.test%s POST nginx-ingress-controller", r.Header.Get("X-Auth-Request-Redirect"))
				got := fmt.Sprintf("%s %s%s %s %s %s", r.Method, r.Host, r.URL.Path, r.Header.Get("X-Original-Url"), r.Header.Get("X-Original-Method"), r.Header.Get("X-Sent-From"))
				if got != want || r.Header.Get("X-Real-Ip") != "127.0.0.1" || r.Header.Get("X-Forwarded-For") != "127.0.0.1" || r.ContentLength != 0 {
					t.Errorf("asked %s, want %s; %v", got, want, r.Header)
				}
				switch r.Header.Get("Authorization") {
				case "yes":
				case "no":
					w.WriteHeader(http.StatusForbidden)
				case "moved":
					h.Set("Location", "https://auth.test/")
					w.WriteHeader(http.StatusFound)
				case "broken":
					w.WriteHeader(http.StatusInternalServerError)
				case "gone":
					panic(http.ErrAbortHandler)
				default:
					h.Set("WWW-Authenticate", "Bearer")
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			service.Service = "service"
			onBoth(t, authMap(t, b, service), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				const in = `user ["ada"] groups [] said "" body 4`
				for _, tt := range []struct {
					target, authorization, cookie string
					status                        int
					want                          string // content, or details, then www-authenticate, location, set-cookie
					asked                         int32
				}{
					{"/asks?q", "yes", "", 200, in + "; s=1; t=2", 1},
					{"/asks/500", "yes", "", 500, in, 1},
					{"/asks", "", "", 401, "401 Unauthorized: auth_denied\n; Bearer", 1},
					{"/asks", "no", "", 403, "403 Forbidden: auth_denied\n", 1},
					{"/asks", "moved", "", 503, "503 Service Unavailable: auth_unavailable\n", 1},
					{"/asks", "broken", "", 503, "503 Service Unavailable: auth_unavailable\n", 1},
					{"/served?q", "yes", "", 200, in + "; s=1; t=2", 1},
					{"/served", "no", "", 403, "403 Forbidden: auth_denied\n", 1},
					{"/nobody", "yes", "", 503, "503 Service Unavailable: auth_unavailable\n", 0},
					{"/guarded", "yes", "", 503, "503 Service Unavailable: auth_unavailable\n", 0},
					{"/own", "yes", "", 200, `user [] groups [] said "" body 4`, 0}, // the backend of a.test itself says yes
					{"/dead", "yes", "", 503, "503 Service Unavailable: auth_unavailable\n", 0},
					{"/none", "yes", "", 503, "503 Service Unavailable: auth_unavailable\n", 0},
					{"/signin?a=b&c", "", "", 302, "; https://auth.test/start?rd=https://a.test%2Fsignin%3Fa%3Db%26c; s=1; t=2", 1},
					{"/signin", "no", "", 403, "403 Forbidden: auth_denied\n", 1},
					{"/kept", "yes", "c=1", 200, in + "; s=1; t=2", 1},
					{"/kept", "", "c=1", 200, in + "; s=1; t=2", 0},
					{"/kept", "", "b=1; c=2", 401, "401 Unauthorized: auth_denied\n; Bearer", 1},
					{"/kept", "yes", "c=2", 401, "401 Unauthorized: auth_denied\n; Bearer", 0},
					{"/kept?other", "yes", "c=2", 200, in + "; s=1; t=2", 1},
					{"/kept", "no", "c=3", 403, "403 Forbidden: auth_denied\n", 1},
					{"/kept", "yes", "c=3", 200, in + "; s=1; t=2", 1},
					{"/any-near", "", "", 200, `user [] groups [] said "" body 4`, 0},
					{"/any-far", "", "", 401, "401 Unauthorized: auth_denied\n; Bearer", 1},
					{"/any-far", "yes", "", 200, in + "; s=1; t=2", 1},
					{"/any-far", "Basic YWRhOnBhc3N3b3Jk", "", 200, `user [] groups [] said "" body 4`, 0},
					{"/all-far", "yes", "", 403, "403 Forbidden: source_range\n", 0},
					{"/both", "yes", "", 401, "401 Unauthorized: unauthorized\n; Basic realm=\"r\", charset=\"UTF-8\"", 0},
				} {
					before, backend := asked.Load(), reached.Load()
					a := roundTrip(t, rt, "POST", "https://a.test"+tt.target, func(r *http.Request) {
						r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 4
						for _, name := range []string{"X-User", "X-Groups", "X-Original-Url", "X-Sent-From", "X-Real-Ip", "X-Forwarded-For"} {
							r.Header.Set(name, "spoofed")
						}
						if tt.authorization != "" {
							r.Header.Set("Authorization", tt.authorization)
						}
						if tt.cookie != "" {
							r.Header.Set("Cookie", tt.cookie)
						}
					})
					got := strings.Join(slices.Concat([]string{a.body}, a.Header.Values("Www-Authenticate"), a.Header.Values("Location"), a.Header.Values("Set-Cookie")), "; ")
					if a.StatusCode != tt.status || got != tt.want {
						t.Errorf("%s, %q: %d %q\nwant %d %q", tt.target, tt.authorization, a.StatusCode, got, tt.status, tt.want)
					}
					if n := asked.Load() - before; n != tt.asked {
						t.Errorf("%s, %q: the service was asked %d times, want %d", tt.target, tt.authorization, n, tt.asked)
					}
					if tt.status >= 300 && tt.status != 500 && reached.Load() != backend {
						t.Errorf("%s, %q: the backend was reached", tt.target, tt.authorization)
					}
				}
				a := roundTrip(t, rt, "POST", "https://a.test/asks", func(r *http.Request) { r.Header.Set("Authorization", "gone") })
				if a.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("a service that ends its connection: %d", a.StatusCode)
				}
			})
		})
	}
}
