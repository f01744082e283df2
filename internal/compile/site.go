package compile

import (
	"slices"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// buildSites makes the site of every host. Hosts that stand in tls entries
// alone come last, because they take over routes.
func (b *builder) buildSites(hs *hosts) {
	for _, h := range hs.list {
		if h.ruled {
			b.buildSite(h, nil)
		}
	}
	for _, h := range hs.list {
		if !h.ruled {
			b.buildSite(h, hs.over(h))
		}
	}
}

func (b *builder) buildSite(h, over *host) {
	old := b.previous.Site(h.name)
	if old != nil && old.Host != h.name {
		old = nil
	}
	parts := settling(h, over)
	own, certificates := b.siteCertificates(h)
	site := hostmap.Site{
		Host:         h.name,
		Class:        h.class.Class,
		Certificates: certificates,
		Policy:       b.sitePolicy(h, parts),
		Redirect:     b.redirect(h, parts, own),
	}
	site.Rule, site.Report = b.siteRule(h, parts)
	var same bool
	if over != nil {
		site.Routes = over.site.Routes
		same = old != nil && slices.Equal(old.Routes, site.Routes)
	} else {
		site.Routes, same = b.siteRoutes(h, old)
	}
	switch {
	case same && sameSettings(old, &site):
		h.site = old
	case over != nil:
		// An Ingress has room for thousands of such hosts, and for thousands of
		// routes: their product is never built.
		h.site = hostmap.NewSiteSharing(site, over.site)
	default:
		h.site = hostmap.NewSite(site)
	}
}

// sameSettings compares everything but host and routes.
func sameSettings(old, site *hostmap.Site) bool {
	return old.Class == site.Class &&
		old.Rule == site.Rule &&
		old.Report == site.Report &&
		old.Redirect == site.Redirect &&
		old.Policy.Mode == site.Policy.Mode &&
		old.Policy.Unresolved == site.Policy.Unresolved &&
		old.Policy.ID == site.Policy.ID &&
		slices.Equal(old.Certificates, site.Certificates)
}

// siteCertificates returns the certificates of a host, and whether a tls entry
// speaks of it. Its own certificates are those of the oldest Ingress that has
// such an entry; without one it is served the default certificate. A Secret
// that cannot be used is never replaced by another one.
func (b *builder) siteCertificates(h *host) (own bool, certificates []*hostmap.Certificate) {
	var chosen []string
	for _, p := range h.parts {
		names := p.ing.secrets(h.name)
		if p.guest || names == nil {
			continue
		}
		if own {
			if !containsAll(chosen, names) {
				b.problem(p.ing.subject, CertificateConflict, "An older Ingress names other Secrets for host %s; those of this one are not served for it.", hostName(h.name))
			}
			continue
		}
		own, chosen = true, names
		certificates = b.namedCertificates(h, p.ing, names)
	}
	if !own {
		return false, h.class.defaults
	}
	preferECDSA(certificates)
	return true, certificates
}

func containsAll(all, some []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// namedCertificates returns what the Secrets that an Ingress names for a host
// hold, and reports what is wrong with them.
func (b *builder) namedCertificates(h *host, ing *ingress, names []string) []*hostmap.Certificate {
	var out []*hostmap.Certificate
	for _, name := range names {
		if name == "" {
			if len(h.class.defaults) == 0 {
				b.problem(ing.subject, SecretNotFound, "spec.tls names no Secret for host %s and there is no default certificate; its handshakes are refused.", hostName(h.name))
			}
			out = append(out, h.class.defaults...)
			continue
		}
		ref := hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name}
		if c := b.certificate(ing.subject, ref); c != nil {
			out = append(out, c)
		}
	}
	if h.name == "" {
		return out
	}
	for _, c := range out {
		if !c.CoversPattern(h.name) {
			b.problem(ing.subject, CertificateDoesNotCoverHost, "The certificate of Secret %s does not cover host %s; issue one that does.", quote(c.Secret.String()), hostName(h.name))
		}
	}
	return out
}

// sitePolicy returns what a site asks of its clients: what any of its
// Ingresses asks. Ingresses that ask differently refuse everybody.
func (b *builder) sitePolicy(h *host, parts []*part) hostmap.TLSPolicy {
	var policy *hostmap.TLSPolicy
	var asking []*ingress
	unresolved, conflict := false, false
	for _, p := range parts {
		asked := p.ing.notes.clientAuth
		if asked == nil || p.guest {
			continue
		}
		asking = append(asking, p.ing)
		switch {
		case asked.Unresolved:
			unresolved = true
		case policy == nil:
			policy = asked
		case policy.ID != asked.ID:
			conflict = true
		}
	}
	switch {
	case len(asking) == 0:
		return hostmap.TLSPolicy{}
	case !unresolved && !conflict:
		return *policy
	}
	for _, ing := range asking {
		if conflict {
			b.problem(ing.subject, ClientAuthConflict, "Ingresses ask for client certificates of host %s in different ways; it is refused.", hostName(h.name))
		} else if !ing.notes.clientAuth.Unresolved {
			b.problem(ing.subject, ClientAuthUnresolved, "Another Ingress asks for client certificates of host %s in a way that cannot be resolved; it is refused.", hostName(h.name))
		}
	}
	return hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)
}

// siteRule returns the rule of a site: that of its oldest Ingress which names
// one, else its class's.
func (b *builder) siteRule(h *host, parts []*part) (rule hostmap.Rule, report bool) {
	value := ""
	for _, p := range parts {
		v := p.ing.notes.misdirected
		switch {
		case v == "" || p.guest:
		case value == "":
			value = v
		case value != v:
			b.outvoted(p.ing, h, v1alpha1.AnnotationMisdirected)
		}
	}
	switch value {
	case "":
		return h.class.Rule, h.class.Report
	case v1alpha1.RuleReport:
		return h.class.Rule, true
	}
	return rules[value], h.class.Report
}

// redirect tells whether cleartext requests are sent to https: where a tls
// entry speaks of the host, even while its Secret is missing, because whoever
// wants TLS must not be served without it.
func (b *builder) redirect(h *host, parts []*part, own bool) bool {
	ssl := b.oldest(h, parts, v1alpha1.AnnotationSSLRedirect, func(a *annotations) *bool { return a.sslRedirect })
	force := b.oldest(h, parts, v1alpha1.AnnotationForceSSLRedirect, func(a *annotations) *bool { return a.forceSSLRedirect })
	if isTrue(force, false) {
		return true
	}
	return own && isTrue(ssl, true)
}

// oldest returns the value of the oldest Ingress that has one.
func (b *builder) oldest(h *host, parts []*part, name string, of func(*annotations) *bool) *bool {
	var value *bool
	for _, p := range parts {
		v := of(&p.ing.notes)
		switch {
		case v == nil || p.guest:
		case value == nil:
			value = v
		case *value != *v:
			b.outvoted(p.ing, h, name)
		}
	}
	return value
}

func (b *builder) outvoted(ing *ingress, h *host, annotation string) {
	b.problem(ing.subject, AnnotationConflict, "Annotation %s: an older Ingress says otherwise for host %s.", annotation, hostName(h.name))
}
