package mapjson

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Read reads a host map. It judges as the original does, but cannot serve: it
// has no keys, and no CAs to verify anybody with.
func Read(r io.Reader) (*hostmap.Map, error) {
	var in Map
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return nil, fmt.Errorf("read host map: %w", err)
	}
	var d decoder
	m, err := d.decode(in)
	if err != nil {
		return nil, fmt.Errorf("read host map: %w", err)
	}
	return m, nil
}

// decoder keeps what sites refer to.
type decoder struct {
	classes      map[string]*hostmap.Class
	certificates map[CertificateRef]*hostmap.Certificate
}

func (d *decoder) decode(in Map) (*hostmap.Map, error) {
	d.classes = make(map[string]*hostmap.Class)
	d.certificates = make(map[CertificateRef]*hostmap.Certificate)
	var spec hostmap.Spec
	for _, c := range in.Classes {
		class, err := readClass(c)
		if err != nil {
			return nil, fmt.Errorf("class %q: %w", c.Name, err)
		}
		d.classes[c.Name] = class
	}
	for _, c := range in.Certificates {
		certificate, err := hostmap.NewCertificate(secretRef(c.Secret), tls.Certificate{Certificate: [][]byte{c.Leaf}})
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", c.Secret, err)
		}
		d.certificates[c.CertificateRef] = certificate
		spec.Certificates = append(spec.Certificates, certificate)
	}
	var err error
	if spec.Class = d.classes[in.UnservedClass]; spec.Class == nil {
		return nil, fmt.Errorf("class %q is missing", in.UnservedClass)
	}
	if spec.Defaults, err = d.find(in.DefaultCertificates); err != nil {
		return nil, err
	}
	for _, s := range in.Sites {
		site, err := d.site(s)
		if err != nil {
			return nil, fmt.Errorf("site %q: %w", s.Host, err)
		}
		spec.Sites = append(spec.Sites, site)
	}
	return hostmap.New(spec), nil
}

func readClass(in Class) (*hostmap.Class, error) {
	rule, err := readRule(in.Rule)
	if err != nil {
		return nil, err
	}
	origin := slices.Index(originNames(), in.OriginFrame)
	if origin < 0 {
		return nil, fmt.Errorf("originFrame %q is unknown", in.OriginFrame)
	}
	c := &hostmap.Class{
		Name: in.Name, Rule: rule, Report: in.Report,
		UnservedMisdirected: in.UnservedMisdirected, CloseOnMisdirected: in.CloseOnMisdirected,
		ShareCertificates: in.ShareCertificates, DefaultCertificate: secretRef(in.DefaultCertificate),
		Origin: hostmap.OriginMode(origin), TrustedGateways: in.TrustedGateways,
		MinVersion: in.MinVersion, Unresolved: in.Unresolved, NginxAnnotations: in.NginxAnnotations,
	}
	for _, k := range in.Claims {
		c.Claims = append(c.Claims, hostmap.Claim(k))
	}
	if g := in.Guarded; g != nil {
		protocol, err := readProtocol(g.Protocol)
		if err != nil {
			return nil, err
		}
		c.Guarded = hostmap.Guarded{Port: g.Port, Protocol: protocol}
		c.Guarded.Namespace, c.Guarded.Service, _ = strings.Cut(g.Service, "/")
	}
	return c, nil
}

func (d *decoder) site(in Site) (*hostmap.Site, error) {
	site := hostmap.Site{
		Host: in.Host, Namespace: in.Namespace, Class: d.classes[in.Class], Report: in.Report,
	}
	if site.Class == nil {
		return nil, fmt.Errorf("class %q is missing", in.Class)
	}
	var err error
	if site.Terms, err = readTerms(in.Terms); err != nil {
		return nil, err
	}
	site.Terms.HTTPSRedirect, site.Terms.HSTS = in.Redirect, in.HSTS
	if site.Rule, err = readRule(in.Rule); err != nil {
		return nil, err
	}
	if site.Certificates, err = d.find(in.Certificates); err != nil {
		return nil, err
	}
	if a := in.ClientAuth; a != nil {
		site.Policy = hostmap.TLSPolicy{Depth: a.Depth, Unresolved: a.Unresolved}
		if site.Policy.Mode, err = parse(a.Mode, hostmap.ClientAuthNone, hostmap.ClientAuthOptional, hostmap.ClientAuthRequire); err != nil {
			return nil, err
		}
		if err := readSum(a.Policy, (*[sha256.Size]byte)(&site.Policy.ID)); err != nil {
			return nil, err
		}
	}
	for _, r := range in.Routes {
		rt, err := readRoute(r)
		switch {
		case err != nil:
			return nil, fmt.Errorf("path %q: %w", r.Path, err)
		case r.First:
			site.First = append(site.First, rt)
		default:
			site.Routes = append(site.Routes, rt)
		}
	}
	return hostmap.NewSite(site), nil
}

func readRoute(in Route) (*hostmap.Route, error) {
	rt := &hostmap.Route{Path: in.Path, Default: in.Type == defaultRoute, From: readObject(in.Kind, in.Ingress)}
	var err error
	if !rt.Default {
		if rt.Type, err = parse(in.Type, hostmap.Prefix, hostmap.Exact, hostmap.Regex); err != nil {
			return nil, err
		}
	}
	if rt.Type == hostmap.Regex {
		if rt.Regex, err = hostmap.NewPathRegex(in.Path); err != nil {
			return nil, err
		}
	}
	if rt.Terms, err = readTerms(in.Terms); err != nil {
		return nil, err
	}
	if rt.Backend, err = readBackend(&in.Backend); err != nil {
		return nil, err
	}
	if in.Canary != nil {
		rt.Canary, err = readCanary(in.Canary)
	}
	return rt, err
}

func readCanary(in *Canary) (c hostmap.Canary, err error) {
	t := hostmap.CanaryTerms{
		Header: in.Header, Value: in.Value, Cookie: in.Cookie, Weight: in.Weight, Total: in.Total,
		From: readObject(in.Kind, in.Ingress),
	}
	if in.Pattern != "" {
		if t.Pattern, err = hostmap.NewPathRegex(in.Pattern); err != nil {
			return c, err
		}
	}
	if t.Backend, err = readBackend(&in.Backend); err != nil {
		return c, err
	}
	return hostmap.NewCanary(t), nil
}

func readObject(kind, name string) (o hostmap.Object) {
	o.Kind = cmp.Or(kind, kindIngress)
	o.Namespace, o.Name, _ = strings.Cut(name, "/")
	return o
}

func readBackend(in *Backend) (k *hostmap.Backend, err error) {
	k = &hostmap.Backend{Port: in.Port, ServerName: in.ServerName, Missing: in.Missing, Endpoints: in.Endpoints, Near: in.Near}
	if k.Near < 0 || k.Near > len(k.Endpoints) {
		return nil, errors.New("a backend with more endpoints that are near than it has")
	}
	k.Namespace, k.Service, _ = strings.Cut(in.Service, "/")
	if k.Protocol, err = readProtocol(in.Protocol); err != nil {
		return nil, err
	}
	if in.CA != "" {
		k.CAs = x509.NewCertPool()
		if err := readSum(in.CA, &k.CAID); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func readTerms(in *Terms) (t hostmap.Terms, err error) {
	if in == nil {
		return t, nil
	}
	for _, p := range slices.Concat(in.Allow, in.Deny, in.excepted()) {
		if !p.IsValid() {
			return t, errors.New("an empty source range")
		}
	}
	t = hostmap.Terms{
		Redirect: hostmap.Redirect{Status: in.RedirectStatus, Target: in.RedirectTarget},
		Allow:    hostmap.NewRanges(in.Allow...), Deny: hostmap.NewRanges(in.Deny...),
		MaxBodySize: in.MaxBodySize, RewriteTarget: in.RewriteTarget,
	}
	if err = readAnswers(&t, in); err != nil {
		return t, err
	}
	if in.CORS != nil {
		t.CORS = hostmap.NewCORS(hostmap.CORSTerms(*in.CORS))
	}
	if q := in.Quota; q != nil {
		t.Quota = hostmap.Quota{PerSecond: q.PerSecond, PerMinute: q.PerMinute, Burst: q.Burst, Concurrent: q.Concurrent, Except: hostmap.NewRanges(q.Except...)}
	}
	if in.BasicAuth != nil {
		t.BasicAuth = hostmap.NewBasicAuth(hostmap.BasicAuthTerms{Realm: in.BasicAuth.Realm})
	}
	if in.Auth != nil {
		t.Auth = hostmap.NewAuth(hostmap.AuthTerms(*in.Auth))
	}
	t.SatisfyAny = in.SatisfyAny
	if in.Affinity != nil {
		t.Affinity = hostmap.NewAffinity(hostmap.AffinityTerms(*in.Affinity))
	}
	if in.HashBy != nil {
		t.HashBy = hostmap.NewHashBy(hostmap.HashByTerms(*in.HashBy))
	}
	for _, d := range []struct {
		text string
		to   *time.Duration
	}{
		{in.ConnectTimeout, &t.ConnectTimeout},
		{in.ReadTimeout, &t.ReadTimeout},
		{in.SendTimeout, &t.SendTimeout},
	} {
		if d.text == "" {
			continue
		}
		if *d.to, err = time.ParseDuration(d.text); err != nil {
			return t, err
		}
	}
	return t, nil
}

// readAnswers reads what is answered, and what is done to fields.
func readAnswers(t *hostmap.Terms, in *Terms) (err error) {
	var all []hostmap.Answer
	for _, a := range in.Answers {
		out := hostmap.Answer{Status: a.Status, Text: a.Text, Type: a.Type}
		if out.Fields, err = readEdits(a.Fields); err != nil {
			return err
		}
		if c := a.When; c != nil {
			out.When = hostmap.Condition{Of: c.Of, Texts: strings.Join(c.Texts, "\n"), Start: c.Start, End: c.End, Fold: c.Fold, Not: c.Not, Location: c.Location}
		}
		all = append(all, out)
	}
	t.Answers = hostmap.NewAnswers(all...)
	if t.RequestFields, err = readEdits(in.RequestFields); err != nil {
		return err
	}
	t.ResponseFields, err = readEdits(in.ResponseFields)
	return err
}

func readEdits(in []FieldEdit) (hostmap.FieldEdits, error) {
	out := make([]hostmap.FieldEdit, 0, len(in))
	for _, e := range in {
		op, err := parse(e.Op, hostmap.SetField, hostmap.AddField, hostmap.RemoveField)
		if err != nil {
			return hostmap.FieldEdits{}, err
		}
		out = append(out, hostmap.FieldEdit{Op: op, Name: e.Name, Value: e.Value, Unsuccessful: e.Unsuccessful})
	}
	return hostmap.NewFieldEdits(out...), nil
}

func (d *decoder) find(refs []CertificateRef) ([]*hostmap.Certificate, error) {
	var found []*hostmap.Certificate
	for _, r := range refs {
		c := d.certificates[r]
		if c == nil {
			return nil, fmt.Errorf("certificate %s with fingerprint %s is missing", r.Secret, r.Fingerprint)
		}
		found = append(found, c)
	}
	return found, nil
}

func secretRef(s string) hostmap.SecretRef {
	namespace, name, _ := strings.Cut(s, "/")
	return hostmap.SecretRef{Namespace: namespace, Name: name}
}

func readRule(s string) (hostmap.Rule, error) {
	return parse(s, hostmap.RuleCertificate, hostmap.RuleSameCertificate, hostmap.RuleServerName, hostmap.RuleOff)
}

func readProtocol(s string) (hostmap.Protocol, error) {
	return parse(s, hostmap.HTTP, hostmap.HTTPS, hostmap.H2C, hostmap.GRPC, hostmap.GRPCS)
}

// parse returns the value that is spelled like that.
func parse[T fmt.Stringer](s string, values ...T) (T, error) {
	for _, v := range values {
		if v.String() == s {
			return v, nil
		}
	}
	var zero T
	return zero, fmt.Errorf("%q is none of %v", s, values)
}

func readSum(s string, sum *[sha256.Size]byte) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(sum) {
		return fmt.Errorf("%q is no SHA-256 in hexadecimal digits", s)
	}
	copy(sum[:], b)
	return nil
}
