package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
)

// What annotations make of a request, under our name and under ingress-nginx's.
// Each Ingress has a host of its own, and the folder is served once.
var annotated = []struct {
	name  string // of the host
	ours  string // annotations, a line each, "" for none of ours
	nginx string
	path  string // of the path rule, "/" where empty
	ask   string // path of the request, "/" where empty
	body  int    // octets of the request
	want  string // status, Location where there is one, path that the backend is asked for
}{
	{name: "permanent", ours: "permanent-redirect: https://b.example/new", nginx: "permanent-redirect: https://b.example/new", want: "301 https://b.example/new"},
	{name: "temporal", ours: "temporal-redirect: /away", nginx: "temporal-redirect: /away", want: "302 /away"},
	{name: "code", nginx: "permanent-redirect: /away\npermanent-redirect-code: '308'", want: "308 /away"},
	{name: "root", nginx: "app-root: /app", want: "302 /app"},
	{name: "below-root", nginx: "app-root: /app", ask: "/x", want: "200 /x"},
	{name: "force", ours: "force-ssl-redirect: 'true'", nginx: "force-ssl-redirect: 'true'", want: "308 https://HOST/"},
	{name: "allowed", ours: "allow-source-range: 127.0.0.0/8", nginx: "whitelist-source-range: 127.0.0.0/8", want: "200 /"},
	{name: "not-allowed", ours: "allow-source-range: 10.0.0.0/8", nginx: "whitelist-source-range: 10.0.0.0/8", want: "403"},
	{name: "denied", ours: "deny-source-range: 127.0.0.1", nginx: "denylist-source-range: 127.0.0.1", want: "403"},
	{name: "unreadable", ours: "allow-source-range: everybody", nginx: "whitelist-source-range: everybody", want: "503"},
	{name: "misspelt", ours: "allow-source-ranges: 127.0.0.0/8", nginx: "whitelist-source-ranges: 127.0.0.0/8", want: "503"},
	{name: "not-ours", nginx: "auth-url: http://auth.example/\nauth-signin: http://auth.example/", want: "503"},
	{name: "prefix", nginx: "x-forwarded-prefix: /app", ask: "/prefix", want: "200 /app"},
	{name: "www.other", nginx: "from-to-www-redirect: 'true'", ask: "/x?y", want: "308 http://HOST/x?y"}, // asked without www
	{name: "no-service", nginx: "auth-url: http://none.default.svc.cluster.local/", want: "503"},
	{name: "service", nginx: "auth-url: http://web.default.svc.cluster.local/status/202", ask: "/x", want: "200 /x"},
	{name: "service-denies", nginx: "auth-url: http://web.default.svc/status/403", want: "403"},
	{name: "service-sends-to-sign-in", nginx: "auth-url: http://web.default.svc/status/401\nauth-signin: https://$host/in?a", ask: "/x?b", want: "302 https://HOST/in?a&rd=http://HOST%2Fx%3Fb"},
	{name: "service-errs", nginx: "auth-url: http://web.default.svc/status/500", want: "503"},
	{name: "any-of-both", nginx: "auth-url: http://web.default.svc/status/401\nwhitelist-source-range: 127.0.0.1\nsatisfy: any", ask: "/x", want: "200 /x"},
	{name: "snippet", nginx: "configuration-snippet: deny all;", want: "403"},
	{name: "snippet-nobody-reads", nginx: "configuration-snippet: auth_request /x;", want: "503"},
	{name: "snippet-redirect", nginx: "configuration-snippet: return 307 https://new.example$request_uri;", ask: "/a?b", want: "307 https://new.example/a?b"},
	{name: "snippet-server", nginx: "server-snippet: location /metrics { deny all; }", ask: "//metrics", want: "403"},
	{name: "snippet-other-path", nginx: "server-snippet: location /metrics { deny all; }", ask: "/x", want: "200 /x"},
	{name: "variables", nginx: "permanent-redirect: https://new.example$request_uri", ask: "/a?b", want: "301 https://new.example/a?b"},
	{name: "small", ours: "max-body-size: 1Ki", nginx: "proxy-body-size: 1k", body: 1024, want: "200 /"},
	{name: "large", ours: "max-body-size: 1Ki", nginx: "proxy-body-size: 1k", body: 1025, want: "413"},
	{name: "regex", ours: "rewrite-target: /$2\nuse-regex: 'true'", nginx: "rewrite-target: /$2", path: "/app(/|$)(.*)", ask: "/app/a/b?q=1", want: "200 /a/b?q=1"},
	{name: "any-case", nginx: "rewrite-target: /$2", path: "/app(/|$)(.*)", ask: "/APP/a", want: "200 /a"},
	{name: "slow", ours: "read-timeout: 50ms", ask: "/slow", want: "504"},
	{name: "other-host", ours: "upstream-host: inner.example", nginx: "upstream-vhost: inner.example", ask: "/host", want: "200 inner.example"},
}

func TestAnnotations(t *testing.T) {
	waiting := make(chan struct{})
	port := testkit.Backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-waiting
		case "/status/202", "/status/401", "/status/403", "/status/500":
			status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/"))
			w.WriteHeader(status)
		case "/prefix":
			_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Prefix"))
		case "/host":
			_, _ = io.WriteString(w, r.Host)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, r.URL.RequestURI())
		}
	}))
	var objects strings.Builder
	fmt.Fprintf(&objects, `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
`, port)
	type request struct{ host, want string }
	ask := make(map[int][]request)
	for i, a := range annotated {
		for prefix, notes := range map[string]string{"ingress421.dev/": a.ours, "nginx.ingress.kubernetes.io/": a.nginx} {
			if notes == "" {
				continue
			}
			host := a.name + "." + strings.TrimSuffix(prefix, "/")
			path := a.path
			if path == "" {
				path = "/"
			}
			fmt.Fprintf(&objects, `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  namespace: default
  annotations:
`, host)
			for note := range strings.Lines(notes) {
				fmt.Fprintf(&objects, "    %s%s\n", prefix, strings.TrimSuffix(note, "\n"))
			}
			fmt.Fprintf(&objects, `spec:
  rules:
  - host: %s
    http:
      paths:
      - {pathType: ImplementationSpecific, path: %q, backend: {service: {name: web, port: {number: 80}}}}
`, host, path)
			ask[i] = append(ask[i], request{host, strings.ReplaceAll(a.want, "HOST", host)})
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "objects.yaml"), []byte(objects.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := testkit.Serve(t, "--manifests", dir, "--nginx-annotations", "strict")
	t.Cleanup(func() { close(waiting) })
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
	for i, a := range annotated {
		for _, q := range ask[i] {
			t.Run(q.host, func(t *testing.T) {
				target := a.ask
				if target == "" {
					target = "/"
				}
				r, err := http.NewRequest(http.MethodPost, "http://"+p.Address(t, "serving", "http")+target, strings.NewReader(strings.Repeat("x", a.body)))
				if err != nil {
					t.Fatal(err)
				}
				r.Host = strings.TrimPrefix(q.host, "www.")
				if a.body == 0 {
					r.Method, r.Body = http.MethodGet, http.NoBody
				}
				answer, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				body, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Fatal(err)
				}
				got := fmt.Sprint(answer.StatusCode)
				switch {
				case answer.StatusCode == http.StatusOK:
					got += " " + string(body)
				case answer.Header.Get("Location") != "":
					got += " " + answer.Header.Get("Location")
				}
				if got != q.want {
					t.Errorf("got %q, want %q", got, q.want)
				}
			})
		}
	}
}
