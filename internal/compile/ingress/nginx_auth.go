package ingress

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/compile/snippet"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxAuthAnnotations ask a service who is let in.
var nginxAuthAnnotations = []nginxAnnotation{
	{
		name: "auth-url", fate: near, protects: true, idle: []string{""},
		remark: "[Which services are asked](#external-authentication). Without a 2xx nobody comes in: 401 and 403 are passed on, all else is 503 (500 there).",
		note:   func(n *notes, value string) error { return n.auth.readURL(value) },
	},
	{
		name: "auth-signin", fate: same, idle: []string{""},
		note: func(n *notes, value string) (err error) { n.auth.signIn, err = snippet.Location(value); return err },
	},
	{
		name: "auth-signin-redirect-param", fate: same, idle: []string{""},
		note: func(n *notes, value string) error {
			if strings.Trim(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				return errForeign
			}
			n.auth.parameter = value
			return nil
		},
	},
	{
		name: "auth-response-headers", fate: same, protects: true, idle: []string{""},
		note: func(n *notes, value string) (err error) { n.auth.terms.Fields, err = authFields(value); return err },
	},
	{
		name: "auth-request-redirect", fate: same, idle: []string{""},
		note: func(n *notes, value string) (err error) { n.auth.terms.Redirect, err = snippet.Text(value); return err },
	},
	{
		name: "auth-method", fate: same, protects: true, idle: []string{""},
		note: func(n *notes, value string) error {
			if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, value) {
				return errForeign
			}
			n.auth.terms.Method = value
			return nil
		},
	},
	{
		name: "auth-always-set-cookie", fate: same, idle: []string{"false"},
		note: func(n *notes, value string) (err error) {
			n.auth.terms.AlwaysSetCookie, err = strconv.ParseBool(value)
			return err
		},
	},
	{
		name: "auth-cache-key", fate: near, idle: []string{""},
		remark: "Each replica keeps 4096 answers. A key with another variable than [those](#snippets), `$cookie_NAME` and `$remote_user` keeps none.",
		note:   func(n *notes, value string) (err error) { n.auth.terms.CacheKey, err = snippet.Text(value); return err },
	},
	{
		name: "auth-cache-duration", fate: same, idle: []string{""},
		note: func(n *notes, value string) (err error) { n.auth.terms.Cache, err = authCache(value); return err },
	},
	{name: "auth-proxy-set-headers", fate: refused, idle: []string{""}, remark: "The service gets the fields of the request."},
	{name: "auth-keepalive", fate: unneeded, remark: "Connections to the service are kept."},
	{name: "auth-keepalive-requests", fate: unneeded, remark: "Connections to the service are kept."},
	{name: "auth-keepalive-timeout", fate: unneeded, remark: "Connections to the service are kept."},
	{name: "auth-keepalive-share-vars", fate: unneeded, remark: "There are none to share."},
	{name: "enable-global-auth", fate: refused, idle: []string{"true", "false"}, remark: "There is no global authentication."},
	{
		name: "satisfy", fate: same, idle: []string{"all"},
		note: func(n *notes, value string) error {
			if value != "any" {
				return errForeign
			}
			n.terms.SatisfyAny = true
			return nil
		},
	},
}

// authNotes are ingress-nginx's annotations of external authentication.
type authNotes struct {
	terms hostmap.AuthTerms
	tls   bool
	// service and port are a Service of the cluster, "" for a host that we serve.
	service, namespace string
	port               int32
	signIn, parameter  string
}

// readURL reads the URL of a service.
func (a *authNotes) readURL(value string) error {
	const host = "host.invalid"
	text, err := snippet.Location(value)
	if err != nil || strings.HasPrefix(text, "/") {
		return lostError("It is no URL that is understood.")
	}
	text = strings.Replace(text, "://"+hostmap.VariableText("http_host"), "://"+hostmap.VariableText("host"), 1)
	ofHost := strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(text, "http://"), "https://"), hostmap.VariableText("host"))
	u, err := url.Parse(strings.Replace(text, hostmap.VariableText("host"), host, 1))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return lostError("It is no URL that is understood.")
	}
	name, port, err := hostmap.Authority(u.Host)
	if err != nil {
		return lostError("Its host is none.")
	}
	a.tls = u.Scheme == "https"
	rest := text[len(u.Scheme)+len("://"):]
	authority, path, _ := strings.Cut(rest, "/")
	a.terms.Host, a.terms.Path = authority, "/"+path
	if a.port = int32(port); a.port == 0 {
		a.port = 80
		if a.tls {
			a.port = 443
		}
	}
	if labels := strings.Split(name, "."); !ofHost && len(labels) > 2 && labels[2] == "svc" {
		a.service, a.namespace = labels[0], labels[1]
	}
	return nil
}

// settleAuth gives routes what is said of external authentication.
func (r *reader) settleAuth(ing *ingress) {
	a, t := &ing.notes.auth, &ing.notes.terms
	if a.terms.Host == "" {
		return
	}
	terms := a.terms
	if terms.Method == "" {
		terms.Method = "GET"
	}
	if terms.Redirect == "" {
		terms.Redirect = hostmap.VariableText("request_uri")
	}
	if terms.CacheKey == "" {
		terms.Cache = ""
	} else if terms.Cache == "" {
		terms.Cache = "200 5m0s\n202 5m0s\n401 5m0s"
	}
	terms.SignIn = a.signInTarget()
	t.Auth = hostmap.NewAuth(terms)
	if a.service == "" {
		return
	}
	to := object.Upstream{}
	if a.tls {
		to.Protocol = hostmap.HTTPS
	}
	backend, found := r.services.Backend(types.NamespacedName{Namespace: a.namespace, Name: a.service}, object.Port{Number: a.port}, &to)
	if found.Reason != "" {
		reason, message := found.Reason, found.Message
		if a.namespace != ing.object.Namespace {
			// What there is in another namespace is not told.
			reason = problem.NoEndpoints
			message = "Service " + problem.Quote(a.namespace+"/"+a.service) + " cannot be asked at port " + strconv.Itoa(int(a.port)) + "; look whether it exists, has that port, and has endpoints that are ready."
		}
		r.problems.Add(ing.claims.Object, reason, "Annotation %q: %s Nobody is let in meanwhile (503).", nginxPrefix+"auth-url", message)
	}
	t.AuthBackend = backend
}

// signInTarget is where clients sign in, with where they came from.
func (a *authNotes) signInTarget() string {
	if a.signIn == "" {
		return ""
	}
	parameter := a.parameter
	if parameter == "" {
		parameter = "rd"
	}
	_, query, asked := strings.Cut(a.signIn, "?")
	if strings.HasPrefix(query, parameter+"=") || strings.Contains(query, "&"+parameter+"=") {
		return a.signIn
	}
	sign := "?"
	if asked {
		sign = "&"
	}
	return a.signIn + sign + parameter + "=${pass_access_scheme}://${http_host}${escaped_request_uri}"
}

// authFields reads names of fields, separated by commas, of which none frames a
// message or is by what a proxy is known.
func authFields(value string) (string, error) {
	var out []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		canonical, err := snippet.FieldName(name)
		if err != nil {
			return "", err
		}
		out = append(out, canonical)
	}
	return strings.Join(out, ","), nil
}

// authCache reads durations of answers: statuses and a time, separated by
// commas.
func authCache(value string) (string, error) {
	var out []string
	for part := range strings.SplitSeq(value, ",") {
		words := strings.Fields(part)
		n := len(words)
		if n < 2 {
			return "", errForeign
		}
		d, err := snippet.Duration(words[n-1])
		if err != nil {
			return "", err
		}
		for _, status := range words[:n-1] {
			switch status {
			case "200", "201", "202", "204", "401", "403":
				out = append(out, status+" "+d.String())
			default:
				return "", errForeign
			}
		}
	}
	return strings.Join(out, "\n"), nil
}
