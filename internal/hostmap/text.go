package hostmap

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"
)

// String is the canonical text of a host map: one line for each class,
// certificate, site and route, in a fixed order. It serves golden files, the
// admin page and bug reports, and holds no key.
func (m *Map) String() string {
	var b strings.Builder
	seen := make(map[string]bool)
	note := func(c *Class) {
		// By content: sites that name no class have each a built-in one.
		if text := c.text(); !seen[text] {
			seen[text] = true
			b.WriteString(text)
		}
	}
	note(m.Class())
	for s := range m.AllSites() {
		note(s.Class)
	}
	for c := range m.AllCertificates() {
		c.text(&b)
	}
	for _, c := range m.defaults {
		fmt.Fprintf(&b, "default-certificate %s %s\n", c.Secret, c.ShortFingerprint())
	}
	for s := range m.AllSites() {
		s.text(&b)
	}
	return b.String()
}

func (c *Class) text() string {
	b := new(strings.Builder)
	name := c.Name
	if name == "" {
		name = "(built-in)"
	}
	fmt.Fprintf(b, "class %s rule=%s min-version=%s", name, c.Rule, strings.ReplaceAll(tls.VersionName(c.MinVersion), " ", ""))
	for _, o := range []struct {
		on   bool
		name string
	}{
		{c.Unresolved, "unresolved"},
		{c.Report, "report"},
		{c.UnservedMisdirected, "unserved=421"},
		{c.CloseOnMisdirected, "close-on-misdirected"},
		{c.ShareCertificates, "share-certificates=cluster"},
		{c.Origin == OriginAlways, "origin=always"},
		{c.Origin == OriginNever, "origin=never"},
	} {
		if o.on {
			b.WriteString(" " + o.name)
		}
	}
	if c.DefaultCertificate != (SecretRef{}) {
		fmt.Fprintf(b, " default-certificate=%s", c.DefaultCertificate)
	}
	if c.NginxAnnotations != "" {
		fmt.Fprintf(b, " nginx-annotations=%s", c.NginxAnnotations)
	}
	if g := c.Guarded; g != (Guarded{}) {
		fmt.Fprintf(b, " guards=%s:%s/%s:%s", g.Protocol, g.Namespace, g.Service, g.Port)
	}
	for _, p := range c.TrustedGateways {
		fmt.Fprintf(b, " trusts=%s", p)
	}
	for _, k := range c.Claims {
		fmt.Fprintf(b, " claims=%s:%s", k.Host, strings.Join(k.Namespaces, ","))
	}
	if c.Limits != (Limits{}) {
		fmt.Fprintf(b, " limits=%+v", c.Limits)
	}
	b.WriteByte('\n')
	return b.String()
}

func (c *Certificate) text(b *strings.Builder) {
	fmt.Fprintf(b, "certificate %s %s %s not-after=%s names=%s\n", c.Secret, c.ShortFingerprint(), c.KeyType(),
		c.NotAfter.UTC().Format(time.RFC3339), strings.Join(c.Names, ","))
}

func (s *Site) text(b *strings.Builder) {
	fmt.Fprintf(b, "site %s rule=%s", s.Label(), s.Rule)
	if s.Class.Name != "" {
		fmt.Fprintf(b, " class=%s", s.Class.Name)
	}
	if !s.ownsRoutes() {
		fmt.Fprintf(b, " namespace=%s", s.Namespace)
	}
	if s.Report {
		b.WriteString(" report")
	}
	s.Terms.text(b)
	switch {
	case s.Policy.Unresolved:
		fmt.Fprintf(b, " client-auth=%s(unresolved)", s.Policy.Mode)
	case s.Policy.Mode != ClientAuthNone:
		fmt.Fprintf(b, " client-auth=%s depth=%d policy=%x", s.Policy.Mode, s.Policy.Depth, s.Policy.ID[:8])
	}
	b.WriteString(" certificates=")
	if len(s.Certificates) == 0 {
		b.WriteString("none")
	}
	for i, c := range s.Certificates {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "%s@%s", c.Secret, c.ShortFingerprint())
	}
	b.WriteByte('\n')
	for rt := range s.AllRoutes() {
		rt.text(b)
	}
}

// ownsRoutes tells whether the objects of a site's routes are all of the
// namespace that owns its host, so that the text need not name it.
func (s *Site) ownsRoutes() bool {
	some := false
	for r := range s.AllRoutes() {
		if r.From.Namespace != s.Namespace {
			return false
		}
		some = true
	}
	return some || s.Namespace == ""
}

func (r *Route) text(b *strings.Builder) {
	if r.Default {
		b.WriteString("  default")
	} else {
		fmt.Fprintf(b, "  %s %q", r.Type, r.Path)
	}
	b.WriteString(" -> ")
	r.Backend.text(b)
	r.Terms.text(b)
	fmt.Fprintf(b, " %s=%s\n", strings.ToLower(r.From.Kind), r.From.NamespacedName())
	if r.Canary != (Canary{}) {
		fmt.Fprintf(b, "    canary -> %s\n", r.Canary)
	}
}
