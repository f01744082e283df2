package ingress

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/hostmap"
)

var redirectAnnotations = []annotation{{
	name:   v1alpha1.AnnotationSSLRedirect,
	scope:  ofHosts,
	values: booleans,
	unset:  "`\"true\"`",
	does:   "Answers http with 308 to https where a tls entry speaks of the host. Paths of ACME (`/.well-known/acme-challenge/`) are left out.",
	host: func(t *claim.Terms, value string) error {
		var on bool
		err := boolean(&on, value)
		t.NoRedirect = !on
		return err
	},
}, {
	name:   v1alpha1.AnnotationForceSSLRedirect,
	scope:  ofHosts,
	values: booleans,
	unset:  "`\"false\"`",
	does:   "Does so even where no tls entry speaks of the host (TLS ends in front of us).",
	host:   func(t *claim.Terms, value string) error { return boolean(&t.ForceRedirect, value) },
}, {
	name:   v1alpha1.AnnotationHSTS,
	scope:  ofHosts,
	values: `"true", "false" or a value of Strict-Transport-Security such as max-age=31536000; includeSubDomains`,
	unset:  "`\"false\"`",
	does:   "Sends Strict-Transport-Security in responses over TLS, so that browsers come by https alone; `true` is for a year, without subdomains. Not sent unasked: a browser holds on to it.",
	host: func(t *claim.Terms, value string) (err error) {
		t.HSTS, err = hsts(value)
		return err
	},
}, {
	name:   v1alpha1.AnnotationPermanentRedirect,
	scope:  ofRoutes,
	values: targets,
	unset:  "none",
	does:   "Answers the paths of the Ingress with 301 to there.",
	route:  func(t *hostmap.Terms, value string) error { return redirect(t, permanentRedirect, value) },
}, {
	name:   v1alpha1.AnnotationTemporalRedirect,
	scope:  ofRoutes,
	values: targets,
	unset:  "none",
	does:   "Answers the paths of the Ingress with 302 to there; goes before `permanent-redirect`.",
	route:  func(t *hostmap.Terms, value string) error { return redirect(t, temporalRedirect, value) },
}}

// What is answered without another wish.
const (
	permanentRedirect = 301
	temporalRedirect  = 302
)

const targets = "a URL of http or https, or an absolute path"

// redirect reads where requests are sent. It goes before what was read before:
// the names are read in their order.
func redirect(t *hostmap.Terms, status int, target string) error {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return errUnlisted
		}
	}
	if hostmap.IsTemplate(target) {
		return errUnlisted
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return errUnlisted
	case u.Scheme == "" && strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "//"):
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil:
	default:
		return errUnlisted
	}
	t.Redirect = hostmap.Redirect{Status: status, Target: target}
	return nil
}

// hsts reads the value of Strict-Transport-Security (RFC 6797 section 6.1): the
// directives that there are, each once, in any case and order.
func hsts(value string) (string, error) {
	switch value {
	case "true":
		return "max-age=31536000", nil
	case "false":
		return "", nil
	}
	maxAge, subdomains, preload := false, false, false
	for d := range strings.SplitSeq(value, ";") {
		name, seconds, valued := strings.Cut(strings.TrimSpace(d), "=")
		var seen *bool
		switch strings.ToLower(name) {
		case "max-age":
			if _, err := strconv.ParseUint(seconds, 10, 32); err != nil {
				return "", errUnlisted
			}
			seen, valued = &maxAge, false
		case "includesubdomains":
			seen = &subdomains
		case "preload":
			seen = &preload
		}
		if seen == nil || *seen || valued {
			return "", errUnlisted
		}
		*seen = true
	}
	if !maxAge {
		return "", errUnlisted
	}
	return value, nil
}
