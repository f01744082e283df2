package ingress

import (
	"fmt"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/internal/compile/class"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// The rows are whole, and no name stands twice.
func TestNginxAnnotationsAreWhole(t *testing.T) {
	for row := range nginxRows {
		if nginxNamed(row.name) != row {
			t.Errorf("%s stands twice", row.name)
		}
		reads := row.note != nil || annotationNamed(row.as) != nil
		if reads != (row.fate == same || row.fate == near) {
			t.Errorf("%s: read %v, fate %d", row.name, reads, row.fate)
		}
		if row.fate != same && !strings.HasSuffix(row.remark, ".") {
			t.Errorf("%s: want a sentence", row.name)
		}
	}
}

// readOne reads an Ingress that has one annotation of ingress-nginx's.
func readOne(name, value string, mode Nginx) (*hostmap.Route, bool, []hostmap.Problem) {
	m, problems := new(hostmap.Map), new(problem.List)
	secrets := object.NewSecrets(nil, m, metav1.Now().Time, problems)
	claimants := Read(Input{
		Ingresses: []*networkingv1.Ingress{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "i", Annotations: map[string]string{nginxPrefix + name: value}},
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "a.example", IngressRuleValue: networkingv1.IngressRuleValue{
				HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
					Path: "/", Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "s"}},
				}}},
			}}}},
		}},
		Classes:  class.Resolve(class.Find(nil, class.Selection{Any: true}), class.Input{Previous: m, Secrets: secrets, Problems: problems}),
		Secrets:  secrets,
		Services: object.NewServices(object.Input{Previous: m, Problems: problems}),
		Previous: m,
		Nginx:    mode,
		Problems: problems,
	})
	c := claimants[0]
	return c.Claims[0].Routes[0], c.Says.ClientAuth.Asked && c.Says.ClientAuth.Policy == nil, problems.Sorted()
}

// What protects and cannot be honoured lets nobody in, is told under off, and
// closes nothing where that is asked for, but for client certificates.
func TestNginxProtectionIsNeverLost(t *testing.T) {
	for row := range nginxRows {
		if !row.protects || row.name == "auth-tls-verify-depth" { // which alone asks for nothing
			continue
		}
		const value = "no value that can be read"
		route, refused, _ := readOne(row.name, value, NginxStrict)
		if route.Backend.Missing != hostmap.MissingProtection && !refused {
			t.Errorf("%s: under strict others come in", row.name)
		}
		route, _, _ = readOne(row.name, value, NginxLenient)
		if route.Backend.Missing == hostmap.MissingProtection {
			t.Errorf("%s: under lenient the path is closed", row.name)
		}
		_, _, problems := readOne(row.name, value, NginxOff)
		if text := fmt.Sprint(problems); !strings.Contains(text, nginxPrefix+row.name) || !strings.Contains(text, problem.AnnotationForeign) {
			t.Errorf("%s: under off nothing is said: %s", row.name, text)
		}
	}
	if route, _, _ := readOne("auth-of-tomorrow", "x", NginxStrict); route.Backend.Missing != hostmap.MissingProtection {
		t.Error("a name that is like those that protect closes nothing")
	}
}

func TestNginxValues(t *testing.T) {
	for _, c := range []struct {
		read        func(string) (string, error)
		value, want string
	}{
		{nginxSize, "8m", "8Mi"},
		{nginxSize, "8M", "8Mi"},
		{nginxSize, "512k", "512Ki"},
		{nginxSize, "1G", "1Gi"},
		{nginxSize, "1024", "1024"},
		{nginxSize, "8mm", ""},
		{nginxSize, "m", ""},
		{nginxSize, "8Mi", ""},
		{nginxSize, "-8m", ""},
		{nginxSeconds, "60", "60s"},
		{nginxSeconds, "60s", "60s"},
		{nginxSeconds, "1m", ""},
		{nginxSeconds, "", ""},
		{nginxBoolean, "TRUE", "true"},
		{nginxBoolean, "0", "false"},
		{nginxBoolean, "on", ""},
		{nginxProtocol, "grpcs", "GRPCS"},
		{nginxProtocol, "AUTO_HTTP", ""},
	} {
		got, err := c.read(c.value)
		if err != nil {
			got = ""
		}
		if got != c.want {
			t.Errorf("%q is read as %q, want %q", c.value, got, c.want)
		}
	}
}

// docs/from-ingress-nginx.md is made of the table (go test -run Nginx -update).
func TestNginxReference(t *testing.T) {
	testPage(t, "../../../docs/from-ingress-nginx.md", nginxReference())
}

func nginxReference() string {
	var b strings.Builder
	b.WriteString(`# Annotations of ingress-nginx

` + "`--nginx-annotations`" + ` says what becomes of annotations that begin with ` + "`nginx.ingress.kubernetes.io/`" + `:

- ` + "`off`" + ` (the default): they are not read. Each that would protect something is a problem ` + "`AnnotationForeign`" + ` on its Ingress.
- ` + "`strict`" + `: those that we have work as they do there. What has no effect is a problem. **What protects and cannot be honoured closes
  the paths of its Ingress: 503 for everybody**, rather than let in whom it was to keep out.
- ` + "`lenient`" + `: the same, but nothing is closed. Client certificates that cannot be resolved refuse the host all the same.

In the AuthorityPolicy of a class ` + "`nginxAnnotations: Off`, `Strict` or `Lenient`" + ` says it for the Ingresses of that class, whatever the flag says.

Where [our own annotation](annotations.md) for the same thing stands beside, that is read. Snippets are never executed. Behind a guard
these annotations are the guarded controller's, and are not touched.

In ingress-nginx one Ingress with ` + "`use-regex` or `rewrite-target`" + ` makes all paths of its hosts regular expressions that are not
case-sensitive and match from the path's beginning on, whatever their type. So it is here, for the Ingresses of the same namespace.
The syntax is [RE2's](https://github.com/google/re2/wiki/Syntax): a path with a look-ahead is a problem and is left out.

## Snippets

A snippet is read as data and does what it says there, if all of it is understood:

- ` + "`more_set_headers`, `more_clear_headers`, `add_header`, `proxy_hide_header`" + ` for responses, our own too; ` + "`proxy_set_header`, `more_set_input_headers`," + `
  ` + "`more_clear_input_headers`" + ` for requests to backends, the last two in a ` + "`configuration-snippet`" + ` alone. Fields that frame messages and ` + "`Host`" + ` are not changed.
- ` + "`client_max_body_size`, `proxy_connect_timeout`, `proxy_read_timeout`, `proxy_send_timeout`" + `.
- ` + "`return`" + ` with a status, a text or a URL; ` + "`rewrite`" + ` that redirects all paths, or one.
- ` + "`deny` and `allow`" + `, what is denied first, and ` + "`all`" + ` at the end.
- ` + "`if`" + ` around a ` + "`return`" + `, on one variable: alone, with ` + "`=`, `!=`" + `, or with a regular expression that stands for a few texts
  (` + "`~* (bot|crawler)`, `~ ^/admin`, `~ \\.git$`" + `).
- ` + "`location`" + ` in a ` + "`server-snippet`" + `, around ` + "`deny all` or `return`" + `. It holds for the host, whichever Ingress a path is of, and for all
  that a backend may read as that path (` + "`//metrics`, `/%6detrics`" + `).
- What needs nothing here: buffers, logs, gzip, HTTP versions, the fields by which nginx lets WebSockets pass.

Variables are ` + "`$host`, `$http_host`, `$http_NAME`, `$scheme`, `$pass_access_scheme`, `$request_uri`, `$uri`, `$args`, `$is_args`, `$request_method`,\n`$remote_addr`, `$the_real_ip`, `$namespace` and `$ingress_name`" + `. ` + "`return`" + ` is given only after the rule has let a request in, and in a
` + "`configuration-snippet`" + ` after source ranges: a 421 and a 403 stay.

## External authentication

` + "`auth-url`" + ` asks one of these, over connections of our own, and nobody else:

- **A Service of the cluster**, ` + "`http://NAME.NAMESPACE.svc.cluster.local:PORT/path`" + `, of any namespace, by its endpoints.
- **A host that we serve to everybody**, ` + "`https://auth.example.com/oauth2/auth` or `https://$host/oauth2/auth`" + `: the backend of that
  host and path is asked. It must not ask for client certificates, passwords, source ranges or the like.

No other name is looked up: whoever may write an Ingress would have us ask what only we can reach. Where a service cannot be asked within
15 seconds, or answers anything else than 2xx, 401 and 403, the request gets 503.
`)
	for _, part := range []struct {
		fate         fate
		title, about string
	}{
		{same, "The same", "They work as they do there."},
		{near, "Near", "They work, with a difference."},
		{unneeded, "Not needed", "What they set has no counterpart here, and nothing is lost."},
		{refused, "Refused", "They have no effect. Those in bold protect something, and close the paths of their Ingress under `strict`."},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", part.title, part.about)
		if part.fate == same {
			b.WriteString("| annotation | read as |\n|---|---|\n")
		} else {
			b.WriteString("| annotation | remark |\n|---|---|\n")
		}
		for row := range nginxRows {
			if row.fate != part.fate {
				continue
			}
			name, remark := "`"+row.name+"`", row.remark
			if row.protects && row.fate == refused {
				name = "**" + name + "**"
			}
			switch {
			case row.fate == same && row.as == "":
				remark = "itself"
			case row.fate == same:
				remark = "[`" + strings.TrimPrefix(row.as, "ingress421.dev/") + "`](annotations.md)"
			}
			fmt.Fprintf(&b, "| %s | %s |\n", name, remark)
		}
	}
	return b.String()
}
