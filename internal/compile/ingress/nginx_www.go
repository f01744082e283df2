package ingress

import (
	"strings"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// www is the label that browsers' users put before a host, or forget.
const www = "www."

// addWWW claims for each host of an Ingress the one with www before it, or without,
// whose requests are sent to the host. Whoever has rules for that goes before.
func (r *reader) addWWW(ing *ingress) {
	if !ing.notes.fromToWWW {
		return
	}
	claims := ing.claims
	named := make(map[string]bool, 2*len(claims.Claims))
	for i := range claims.Claims {
		named[claims.Claims[i].Host] = true
	}
	for _, c := range claims.Claims {
		if c.Alias || !c.Ruled || len(c.Routes) == 0 || c.Host == "" || strings.HasPrefix(c.Host, "*.") {
			continue
		}
		from, ok := strings.CutPrefix(c.Host, www)
		if !ok {
			from = www + c.Host
		}
		if host, err := hostmap.Host(from); err != nil || host != from || named[from] || !strings.Contains(from, ".") {
			continue
		}
		if len(claims.Claims) >= claim.MaxHosts {
			r.problems.Add(claims.Object, problem.AnnotationForeign, "Annotation %q: with host %s this Ingress would have more than %d hosts; it is not sent on.", nginxPrefix+"from-to-www-redirect", problem.Host(from), claim.MaxHosts)
			return
		}
		named[from] = true
		// The backend of another path, for the form: nobody is sent to it.
		route := &hostmap.Route{Path: "/", Backend: c.Routes[0].Backend, From: claims.Object}
		if !ing.notes.closed {
			route.Terms.Redirect = hostmap.Redirect{Status: wwwRedirect, Target: "${pass_access_scheme}://" + c.Host + "${request_uri}"}
		}
		claims.Claims = append(claims.Claims, claim.Claim{Host: from, Ruled: true, Alias: true, AliasOf: c.Host, Routes: []*hostmap.Route{route}})
	}
}

// wwwRedirect is ingress-nginx's http-redirect-code.
const wwwRedirect = 308
