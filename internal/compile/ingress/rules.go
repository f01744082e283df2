package ingress

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

func (r *reader) readRules(ing *ingress) {
	spec, claims := &ing.object.Spec, ing.claims
	if spec.DefaultBackend != nil || ing.restGuarded() {
		at := place{rule: -1}
		claims.Rest = &hostmap.Route{Default: true, Backend: r.backend(ing, spec.DefaultBackend, at), From: claims.Object}
		r.setTerms(ing, claims.Rest, at)
	}
	if len(spec.Rules) == 0 && claims.Rest != nil {
		claims.Claims = []claim.Claim{{Ruled: true}}
		return
	}
	var over beyond
	claims.Claims = make([]claim.Claim, 0, min(ing.names(), claim.MaxHosts))
	for i := range spec.Rules {
		rule := &spec.Rules[i]
		field := func() string { return fmt.Sprintf("spec.rules[%d].host %s", i, problem.Quote(rule.Host)) }
		host, ok := r.host(ing, rule.Host, field)
		if !ok || !ing.takes(host, &over, field) {
			continue
		}
		out := claim.Claim{Host: host, Ruled: true}
		if rule.HTTP != nil && !ing.restGuarded() {
			out.Routes = r.readPaths(ing, place{rule: i, host: host}, rule.HTTP.Paths)
		}
		claims.Claims = append(claims.Claims, out)
	}
	r.reportBeyond(ing, &over)
}

// addAliases claims the aliases of an Ingress, which have the routes of all its
// rules.
func (r *reader) addAliases(ing *ingress) {
	if len(ing.notes.aliases) == 0 {
		return
	}
	claims := ing.claims
	var all []*hostmap.Route
	first, ruled := "", false
	for i := range claims.Claims {
		if c := &claims.Claims[i]; c.Ruled {
			if !ruled {
				first, ruled = c.Host, true
			}
			all = append(all, c.Routes...)
		}
	}
	for _, host := range ing.notes.aliases {
		claims.Claims = append(claims.Claims, claim.Claim{Host: host, Ruled: true, Alias: true, AliasOf: first, Routes: all})
	}
}

// host canonicalises the host of a rule; "" stays "", the default site.
func (r *reader) host(ing *ingress, s string, field func() string) (string, bool) {
	if s == "" {
		return "", true
	}
	return r.pattern(ing, s, field)
}

// pattern canonicalises a host.
func (r *reader) pattern(ing *ingress, s string, field func() string) (string, bool) {
	host, err := hostmap.Pattern(s)
	if err == nil {
		return host, true
	}
	if !ing.limit.full() {
		r.problems.Add(ing.claims.Object, problem.HostInvalid, "%s is no host: %s; write a DNS name, or *. before one.", field(), problem.ErrorText(err))
		ing.limit.bad++
	}
	return "", false
}

// place says where an Ingress names a backend.
type place struct {
	rule, path int // rule is -1 for the default backend
	host, text string
}

func (p place) String() string {
	if p.rule < 0 {
		return "spec.defaultBackend"
	}
	return fmt.Sprintf("spec.rules[%d].http.paths[%d] (host %s, path %s)", p.rule, p.path, problem.Host(p.host), problem.Quote(p.text))
}

func (r *reader) readPaths(ing *ingress, at place, paths []networkingv1.HTTPIngressPath) []*hostmap.Route {
	out := make([]*hostmap.Route, 0, len(paths))
	for i := range paths {
		p := &paths[i]
		at.path, at.text = i, p.Path
		route := &hostmap.Route{From: ing.claims.Object}
		if why := r.matchPath(ing, route, at, p); why != "" {
			r.problems.Add(ing.claims.Object, problem.PathInvalid, "%s: %s.", at.String(), why)
			continue
		}
		route.Backend = r.backend(ing, &p.Backend, at)
		r.setTerms(ing, route, at)
		r.addCanary(ing, route, at.host, p)
		out = append(out, route)
	}
	return ing.addAppRoot(out)
}

// addAppRoot sends the path "/" elsewhere, where that is asked for.
func (ing *ingress) addAppRoot(routes []*hostmap.Route) []*hostmap.Route {
	if ing.notes.appRoot == "" || len(routes) == 0 {
		return routes
	}
	i := slices.IndexFunc(routes, func(r *hostmap.Route) bool { return r.Type == hostmap.Exact && r.Path == "/" })
	if i < 0 {
		i = len(routes)
		// The backend of another path, for the form: nobody is sent to it.
		routes = append(routes, &hostmap.Route{Type: hostmap.Exact, Path: "/", Backend: routes[0].Backend, Terms: ing.notes.terms, From: ing.claims.Object})
	}
	if !ing.notes.closed {
		routes[i].Terms.RewriteTarget = ""
		routes[i].Terms.Redirect = hostmap.Redirect{Status: temporalRedirect, Target: ing.notes.appRoot}
	}
	return routes
}

// matchPath sets what paths of requests a route takes. It returns why it can
// take none.
func (r *reader) matchPath(ing *ingress, route *hostmap.Route, at place, p *networkingv1.HTTPIngressPath) string {
	route.Path = p.Path
	if r.regexHosts[ing.object.Namespace+"/"+at.host] && ing.guarded == nil {
		// ingress-nginx has one kind of location on such a host, whatever the
		// type of the path: ~* "^/path".
		route.Path = "(?i)" + cmp.Or(p.Path, "/")
		return r.matchRegex(route)
	}
	kind := networkingv1.PathTypePrefix
	if p.PathType != nil {
		kind = *p.PathType
	}
	switch kind {
	case networkingv1.PathTypePrefix:
	case networkingv1.PathTypeExact:
		route.Type = hostmap.Exact
	case networkingv1.PathTypeImplementationSpecific:
		if ing.notes.useRegex && p.Path != "" {
			return r.matchRegex(route)
		}
		if strings.ContainsAny(p.Path, patternSigns) {
			r.problems.Add(ing.claims.Object, problem.PathIsLiteral, "%s: the path is compared as it stands, by whole segments from its start; its signs have no meaning. Write it without a pattern, with the type Prefix or Exact.", at.String())
		}
	default:
		return "the pathType " + problem.Quote(string(kind)) + " is not Exact, Prefix or ImplementationSpecific"
	}
	if route.Path == "" && route.Type == hostmap.Prefix {
		route.Path = "/"
	}
	// A request's path has lost its dot segments when it is compared, so a rule
	// that has some would never be met. The API server lets them pass in paths
	// of type ImplementationSpecific.
	canonical, err := hostmap.Path(route.Path)
	if err != nil || !onlyDecoded(route.Path, canonical) {
		return "no request can have this path; it must begin with '/' and have no dot segments, spaces, '?' or '#'"
	}
	route.Path = canonical
	return ""
}

// onlyDecoded tells whether the canonical form of a path has lost needless encoding
// and nothing else: with each octet go two others and a '%', and with a dot segment
// more.
func onlyDecoded(path, canonical string) bool {
	return len(path)-len(canonical) == 2*(strings.Count(path, "%")-strings.Count(canonical, "%"))
}

// matchRegex makes a route one of a regular expression.
func (r *reader) matchRegex(route *hostmap.Route) string {
	regex, err := r.regex(route.Path)
	if err != nil {
		return "the path cannot be used: " + problem.ErrorText(err)
	}
	route.Type, route.Regex = hostmap.Regex, regex
	return ""
}

// regex compiles a regular expression. Each is compiled once as long as some route
// has it.
func (r *reader) regex(text string) (*hostmap.PathRegex, error) {
	if r.regexes == nil {
		r.regexes = make(map[string]*hostmap.PathRegex)
		for _, site := range r.previous.Sites() {
			for old := range site.AllRoutes() {
				if old.Regex != nil {
					r.regexes[old.Path] = old.Regex
				}
				if c, ok := old.Canary.Terms(); ok && c.Pattern != nil {
					r.regexes[c.Pattern.String()] = c.Pattern
				}
			}
		}
	}
	regex := r.regexes[text]
	if regex == nil {
		var err error
		if regex, err = hostmap.NewPathRegex(text); err != nil {
			return nil, err
		}
		r.regexes[text] = regex
	}
	return regex, nil
}

// patternSigns are those by which paths show that they are meant as patterns,
// as other controllers have them in paths of type ImplementationSpecific.
const patternSigns = "*([{|$^\\"
