package mapjson

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Write writes a host map, piece by piece: one of a hundred thousand hosts is
// some 70 MiB.
func Write(w io.Writer, m *hostmap.Map) error {
	b := bufio.NewWriterSize(w, 32<<10)
	p := pieces{b, json.NewEncoder(b)}
	p.text(`{"unservedClass":`)
	_ = p.value(m.Class().Name)
	p.text(`,"classes":`)
	_ = p.value(classesOf(m))
	p.text(`,"defaultCertificates":`)
	_ = p.value(refsOf(m.Defaults()))
	p.text(`,"certificates":[`)
	writeAll(p, m.AllCertificates(), certificateOf)
	p.text(`],"sites":[`)
	writeAll(p, m.AllSites(), siteOf)
	p.text("]}\n")
	return b.Flush()
}

// pieces writes parts of a JSON text. The first error stays with b, whose Flush
// tells it.
type pieces struct {
	b *bufio.Writer
	e *json.Encoder // to b; it ends each value with a line
}

func (p pieces) text(s string) { _, _ = p.b.WriteString(s) }

func (p pieces) value(v any) error { return p.e.Encode(v) }

// writeAll writes the forms of some values, until a write fails.
func writeAll[T, F any](p pieces, all iter.Seq[T], formOf func(T) F) {
	separator := ""
	for v := range all {
		p.text(separator)
		separator = ","
		if p.value(formOf(v)) != nil {
			return
		}
	}
}

// classesOf are the classes of a map, each once.
func classesOf(m *hostmap.Map) (out []Class) {
	seen := make(map[string]bool)
	add := func(c *hostmap.Class) {
		if !seen[c.Name] {
			seen[c.Name] = true
			out = append(out, classOf(c))
		}
	}
	add(m.Class())
	for s := range m.AllSites() {
		add(s.Class)
	}
	return out
}

// classOf is the form of a class.
func classOf(c *hostmap.Class) Class {
	out := Class{
		Name: c.Name, Rule: c.Rule.String(), Report: c.Report,
		UnservedMisdirected: c.UnservedMisdirected, CloseOnMisdirected: c.CloseOnMisdirected,
		ShareCertificates: c.ShareCertificates, DefaultCertificate: secretText(c.DefaultCertificate),
		OriginFrame: originNames()[c.Origin], TrustedGateways: notNil(c.TrustedGateways),
		MinVersion: c.MinVersion, Unresolved: c.Unresolved, NginxAnnotations: c.NginxAnnotations,
	}
	for _, k := range c.Claims {
		out.Claims = append(out.Claims, Claim{k.Host, notNil(k.Namespaces)})
	}
	if g := c.Guarded; g != (hostmap.Guarded{}) {
		out.Guarded = &Guarded{g.Namespace + "/" + g.Service, g.Port, g.Protocol.String()}
	}
	return out
}

// certificateOf is the form of a certificate.
func certificateOf(c *hostmap.Certificate) Certificate {
	return Certificate{
		CertificateRef: refOf(c), Key: c.KeyType(), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		Names: notNil(c.Names), Leaf: c.KeyPair.Certificate[0],
	}
}

// siteOf is the form of a site.
func siteOf(s *hostmap.Site) Site {
	out := Site{
		Host: s.Host, Namespace: s.Namespace, Class: s.Class.Name, Rule: s.Rule.String(), Report: s.Report,
		Redirect: s.Terms.HTTPSRedirect, HSTS: s.Terms.HSTS,
		Certificates: refsOf(s.Certificates), Routes: []Route{},
	}
	shared := s.Terms
	shared.HTTPSRedirect, shared.HSTS = false, ""
	out.Terms = termsOf(&shared)
	if p := s.Policy; p.Mode != hostmap.ClientAuthNone || p.Unresolved {
		out.ClientAuth = &ClientAuth{p.Mode.String(), p.Depth, hex.EncodeToString(p.ID[:]), p.Unresolved}
	}
	for r := range s.AllRoutes() {
		out.Routes = append(out.Routes, routeOf(r))
	}
	for i := range s.First {
		out.Routes[i].First = true
	}
	return out
}

const (
	// defaultRoute is the type of a route without path.
	defaultRoute = "Default"
	// kindIngress goes without saying.
	kindIngress = "Ingress"
)

func routeOf(r *hostmap.Route) Route {
	out := Route{
		Type: r.Type.String(), Path: r.Path, Kind: kindOf(r.From), Ingress: r.From.NamespacedName(),
		Terms: termsOf(&r.Terms), Backend: backendOf(r.Backend),
	}
	if r.Default {
		out.Type = defaultRoute
	}
	if c, ok := r.Canary.Terms(); ok {
		out.Canary = &Canary{
			Header: c.Header, Value: c.Value, Cookie: c.Cookie, Weight: c.Weight, Total: c.Total,
			Kind: kindOf(c.From), Ingress: c.From.NamespacedName(), Backend: backendOf(c.Backend),
		}
		if c.Pattern != nil {
			out.Canary.Pattern = c.Pattern.String()
		}
	}
	return out
}

func kindOf(o hostmap.Object) string {
	if o.Kind == kindIngress {
		return ""
	}
	return o.Kind
}

func backendOf(k *hostmap.Backend) Backend {
	out := Backend{
		Service: k.Namespace + "/" + k.Service, Port: k.Port, Protocol: k.Protocol.String(),
		ServerName: k.ServerName, Missing: k.Missing, Endpoints: notNil(k.Endpoints), Near: k.Near,
	}
	if k.CAs != nil {
		out.CA = hex.EncodeToString(k.CAID[:])
	}
	return out
}

// termsOf is nil for those that ask and do nothing.
func termsOf(t *hostmap.Terms) *Terms {
	if *t == (hostmap.Terms{}) {
		return nil
	}
	duration := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	out := &Terms{
		RedirectStatus: t.Redirect.Status, RedirectTarget: t.Redirect.Target,
		Allow: t.Allow.Prefixes(), Deny: t.Deny.Prefixes(),
		MaxBodySize: t.MaxBodySize, RewriteTarget: t.RewriteTarget,
		ConnectTimeout: duration(t.ConnectTimeout), ReadTimeout: duration(t.ReadTimeout), SendTimeout: duration(t.SendTimeout),
	}
	out.RequestFields, out.ResponseFields = editsOf(t.RequestFields), editsOf(t.ResponseFields)
	for a := range t.Answers.All() {
		out.Answers = append(out.Answers, answerOf(&a))
	}
	if k := t.CORS.Terms(); k != nil {
		out.CORS = (*CORS)(k)
	}
	if q := &t.Quota; *q != (hostmap.Quota{}) {
		out.Quota = &Quota{q.PerSecond, q.PerMinute, q.Burst, q.Concurrent, q.Except.Prefixes()}
	}
	if a := t.BasicAuth.Terms(); a != nil {
		out.BasicAuth = &BasicAuth{a.Realm}
	}
	if a := t.Auth.Terms(); a != nil {
		out.Auth = (*Auth)(a)
	}
	out.SatisfyAny = t.SatisfyAny
	if a, ok := t.Affinity.Terms(); ok {
		out.Affinity = (*Affinity)(&a)
	}
	if h, ok := t.HashBy.Terms(); ok {
		out.HashBy = (*HashBy)(&h)
	}
	return out
}

func answerOf(a *hostmap.Answer) Answer {
	out := Answer{Status: a.Status, Text: a.Text, Type: a.Type, Fields: editsOf(a.Fields)}
	if c := a.When; c != (hostmap.Condition{}) {
		out.When = &Condition{c.Of, strings.Split(c.Texts, "\n"), c.Start, c.End, c.Fold, c.Not, c.Location}
	}
	return out
}

func editsOf(edits hostmap.FieldEdits) (out []FieldEdit) {
	for e := range edits.All() {
		out = append(out, FieldEdit{e.Op.String(), e.Name, e.Value, e.Unsuccessful})
	}
	return out
}

func refOf(c *hostmap.Certificate) CertificateRef {
	return CertificateRef{c.Secret.String(), hex.EncodeToString(c.Fingerprint[:])}
}

func refsOf(certificates []*hostmap.Certificate) []CertificateRef {
	out := make([]CertificateRef, 0, len(certificates))
	for _, c := range certificates {
		out = append(out, refOf(c))
	}
	return out
}

// originNames are the origin modes by value, spelled as in an AuthorityPolicy.
func originNames() []string { return []string{"Auto", "Always", "Never"} }

// secretText is what secretRef reads; "" is no Secret.
func secretText(r hostmap.SecretRef) string {
	if r == (hostmap.SecretRef{}) {
		return ""
	}
	return r.String()
}

// notNil makes an absent list an empty one, which JSON tells from null.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
