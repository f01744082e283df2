package hostmap

// NewSiteSharing is [NewSite] for a site that has the routes of another one,
// whose index it shares: many hosts with one large set of routes cost no more
// than one. The Routes of s are not looked at; its First are tried before
// those that it shares.
func NewSiteSharing(s Site, routes *Site) *Site {
	s.Routes = nil
	site := NewSite(s)
	site.Routes, site.router = routes.Routes, routes.router
	return site
}
