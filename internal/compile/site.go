package compile

import (
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// buildSites makes the site of every host. Those that take over routes come
// last, wildcards first.
func (b *builder) buildSites(hs *hosts) {
	aliased := make(map[string]*hostmap.Site)
	for _, h := range hs.list {
		if !h.ruled {
			continue
		}
		key := h.sharedRoutes()
		b.buildSite(h, nil, aliased[key])
		if key != "" && aliased[key] == nil {
			aliased[key] = h.site
		}
	}
	for _, h := range hs.list {
		if h.ruled {
			continue
		}
		over := h.wildcard
		if over == nil {
			over = hs.over(h)
		}
		b.buildSite(h, over, nil)
	}
}

// buildSite makes the site of a host. over is the host that has the rules of one
// without; twin is a site with the very routes, where there is one.
func (b *builder) buildSite(h, over *host, twin *hostmap.Site) {
	old := b.previous.Site(h.name)
	if old != nil && old.Host != h.name {
		old = nil
	}
	h.says = b.settle(h, over)
	h.entered = over != nil && over.entered
	terms := h.says.terms()
	certificates := b.siteCertificates(h, over)
	site := hostmap.Site{
		Host:         h.name,
		Namespace:    h.namespace,
		Class:        h.class.Class,
		Certificates: certificates,
		Policy:       h.says.tlsPolicy(),
		Contested:    h.contested,
		Terms:        hostmap.Terms{HTTPSRedirect: terms.redirect(h.entered)},
	}
	site.Rule, site.Report = terms.ruleOf(h.class.Class)
	same := true
	if over != nil {
		twin = over.site
		site.First, same = b.siteRoutes(h, old, true)
	}
	if twin != nil {
		site.Routes = twin.Routes
		same = same && old != nil && slices.Equal(old.Routes, site.Routes)
	} else {
		site.Routes, same = b.siteRoutes(h, old, false)
	}
	switch {
	case same && sameSettings(old, &site):
		h.site = old
	case twin != nil:
		// An Ingress has room for thousands of such hosts, and for thousands of
		// routes: their product is never built.
		h.site = hostmap.NewSiteSharing(site, twin)
	default:
		h.site = hostmap.NewSite(site)
	}
}

// sameSettings compares everything but host and routes.
func sameSettings(old, site *hostmap.Site) bool {
	return old.Namespace == site.Namespace &&
		old.Contested == site.Contested &&
		old.Class == site.Class &&
		old.Rule == site.Rule &&
		old.Report == site.Report &&
		old.Terms == site.Terms &&
		old.Policy.Mode == site.Policy.Mode &&
		old.Policy.Unresolved == site.Policy.Unresolved &&
		old.Policy.ID == site.Policy.ID &&
		slices.Equal(old.Certificates, site.Certificates)
}

// siteCertificates returns the certificates of a host, and notes whether a tls
// entry speaks of it. Its own certificates are those of the oldest Ingress that
// has such an entry. Without one it has those of the host whose rules hold for
// it, else the default certificate. A Secret that cannot be used is never
// replaced by another one.
func (b *builder) siteCertificates(h, over *host) (certificates []*hostmap.Certificate) {
	var (
		own    bool
		chosen []string
		first  *ingress // that chose them
	)
	for _, p := range h.parts {
		names := p.ing.secrets(h.name)
		if p.guest || names == nil {
			continue
		}
		if own {
			if missing := without(names, chosen); len(missing) != 0 {
				b.problem(p.ing.subject, CertificateConflict, "%s: Secret %s is not served for host %s, because %s names Secret %s for it, and comes first. Name the same Secrets in both.",
					p.ing.secretField(missing[0]), secretName(missing[0]), hostName(h.name), first.to(p.ing), secretNames(chosen))
			}
			continue
		}
		own, chosen, first = true, names, p.ing
		certificates = b.namedCertificates(h, p.ing, names)
	}
	switch {
	case own:
		h.entered = true
		preferECDSA(certificates)
		return certificates
	case over != nil:
		return over.site.Certificates
	case h.namespace == "":
		return nil // It is kept for somebody who does not claim it.
	}
	return h.class.defaults
}

// without returns those of some words that are not among others.
func without(some, others []string) (missing []string) {
	for _, s := range some {
		if !slices.Contains(others, s) {
			missing = append(missing, s)
		}
	}
	return missing
}

// secretName is the name of a Secret in messages; "" is the default
// certificate.
func secretName(name string) string {
	if name == "" {
		return "(default)"
	}
	return quote(name)
}

func secretNames(names []string) string {
	var out []string
	for _, name := range names {
		out = append(out, secretName(name))
	}
	return list(out)
}

// namedCertificates returns what the Secrets that an Ingress names for a host
// hold, and reports what is wrong with them.
func (b *builder) namedCertificates(h *host, ing *ingress, names []string) []*hostmap.Certificate {
	var out []*hostmap.Certificate
	for _, name := range names {
		if name == "" {
			if len(h.class.defaults) == 0 {
				b.problem(ing.subject, SecretNotFound, "%s: no Secret is named for host %s and there is no default certificate; its handshakes are refused. Name a Secret.", ing.secretField(name), hostName(h.name))
			}
			out = append(out, h.class.defaults...)
			continue
		}
		ref := hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name}
		if c := b.certificate(ing.subject, func() string { return ing.secretField(name) }, ref); c != nil {
			out = append(out, c)
		}
	}
	if h.name == "" {
		return out
	}
	for _, c := range out {
		if !c.CoversPattern(h.name) {
			field, of := "spec.tls", "The default certificate"
			if c.Secret.Namespace == ing.object.Namespace {
				field, of = ing.secretField(c.Secret.Name), "The certificate of Secret "+quote(c.Secret.String())
			}
			b.problem(ing.subject, CertificateDoesNotCoverHost, "%s: %s does not cover host %s; it covers: %s. Issue one that does.", field, of, hostName(h.name), covered(c))
		}
	}
	return out
}

// covered lists what a certificate covers for messages.
func covered(c *hostmap.Certificate) string {
	names := c.Names[:min(len(c.Names), maxListed)]
	var out []string
	for _, name := range names {
		out = append(out, quote(name))
	}
	if n := len(c.Names) - len(names); n != 0 {
		return list(out) + " and " + thousands(n) + " more"
	}
	return list(out)
}
