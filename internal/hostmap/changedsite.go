package hostmap

// changedSite is what becomes of a host: the site that was and the one that is,
// nil for none.
type changedSite struct{ was, is *Site }

// host is the site's.
func (c changedSite) host() string {
	if c.is != nil {
		return c.is.Host
	}
	return c.was.Host
}

// each calls f with the site that is no more and with the one that is, as far as
// there are such.
func (c changedSite) each(f func(s *Site, n int)) {
	if c.was != nil {
		f(c.was, -1)
	}
	if c.is != nil {
		f(c.is, 1)
	}
}
