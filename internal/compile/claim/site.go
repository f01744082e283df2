package claim

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
	old := b.Previous.Site(h.name)
	if old != nil && old.Host != h.name {
		old = nil
	}
	h.says = b.join(h, over)
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
		Terms:        terms.site(h.entered && h.class.Guarded == hostmap.Guarded{}),
	}
	site.Rule, site.Report = terms.rule(h.class.Class)
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
	case same && sameButRoutes(old, &site):
		h.site = old
	case twin != nil:
		// An object has room for thousands of such hosts, and for thousands of
		// routes: their product is never built.
		h.site = hostmap.NewSiteSharing(site, twin)
	default:
		h.site = hostmap.NewSite(site)
	}
}

// sameButRoutes compares everything but host and routes.
func sameButRoutes(old, site *hostmap.Site) bool {
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
