package admin

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// The JSON form of a host map, as /hostmap.json tells it. It holds all that
// [hostmap.Judge] reads, so that `explain` can ask the very map that serves. A
// class's limits are not in it, nor is anything secret: of a key pair, the leaf;
// of CAs, what identifies them.
type (
	mapJSON struct {
		// Unserved names the class that judges authorities no site serves.
		Unserved     string            `json:"unservedClass"`
		Classes      []classJSON       `json:"classes"`
		Defaults     []certificateRef  `json:"defaultCertificates"`
		Certificates []certificateJSON `json:"certificates"`
		Sites        []siteJSON        `json:"sites"`
	}
	classJSON struct {
		Name            string         `json:"name"`
		Rule            string         `json:"rule"`
		Report          bool           `json:"report"`
		Unserved421     bool           `json:"unservedMisdirected"`
		Close           bool           `json:"closeOnMisdirected"`
		Share           bool           `json:"shareCertificates"`
		Default         string         `json:"defaultCertificate"` // namespace/name, "" for none
		Origin          string         `json:"originFrame"`
		TrustedGateways []netip.Prefix `json:"trustedGateways"`
		MinVersion      uint16         `json:"minVersion"` // as on the wire: 771 is TLS 1.2
		Unresolved      bool           `json:"unresolved,omitempty"`
		Claims          []claimJSON    `json:"claims,omitempty"`
	}
	claimJSON struct {
		Host       string   `json:"host"`
		Namespaces []string `json:"namespaces"`
	}
	certificateRef struct {
		Secret      string `json:"secret"`
		Fingerprint string `json:"fingerprint"`
	}
	certificateJSON struct {
		certificateRef
		Key       string    `json:"key"`
		NotBefore time.Time `json:"notBefore"`
		NotAfter  time.Time `json:"notAfter"`
		Names     []string  `json:"names"`
		Leaf      []byte    `json:"leaf"` // DER
	}
	siteJSON struct {
		Host         string           `json:"host"`      // "" is the default site
		Namespace    string           `json:"namespace"` // that owns the host
		Class        string           `json:"class"`
		Rule         string           `json:"rule"`
		Report       bool             `json:"report"`
		Redirect     bool             `json:"redirect"`
		ClientAuth   *clientAuthJSON  `json:"clientAuth,omitempty"`
		Certificates []certificateRef `json:"certificates"`
		Routes       []routeJSON      `json:"routes"`
	}
	clientAuthJSON struct {
		Mode       string `json:"mode"`
		Depth      int    `json:"depth"`
		Policy     string `json:"policy"`
		Unresolved bool   `json:"unresolved"`
	}
	routeJSON struct {
		Type    string      `json:"type"` // Exact, Prefix or Default
		Path    string      `json:"path"`
		First   bool        `json:"first,omitempty"` // tried before those that are not
		Ingress string      `json:"ingress"`
		Backend backendJSON `json:"backend"`
	}
	backendJSON struct {
		Service    string           `json:"service"`
		Port       string           `json:"port"`
		Protocol   string           `json:"protocol"`
		ServerName string           `json:"serverName,omitempty"`
		CA         string           `json:"ca,omitempty"`
		Missing    string           `json:"missing,omitempty"`
		Endpoints  []netip.AddrPort `json:"endpoints"`
	}
)

const defaultRoute = "Default"

// originNames are the origin modes by value, spelled as in an AuthorityPolicy.
func originNames() []string { return []string{"Auto", "Always", "Never"} }

// WriteMap writes the JSON form of a host map.
func WriteMap(w io.Writer, m *hostmap.Map) error {
	out := mapJSON{
		Unserved:     m.Class().Name,
		Classes:      []classJSON{},
		Defaults:     refs(m.Defaults()),
		Certificates: []certificateJSON{},
		Sites:        []siteJSON{},
	}
	seen := make(map[string]bool)
	class := func(c *hostmap.Class) {
		if !seen[c.Name] {
			seen[c.Name] = true
			out.Classes = append(out.Classes, classJSON{
				c.Name, c.Rule.String(), c.Report, c.UnservedMisdirected, c.CloseOnMisdirected,
				c.ShareCertificates, secretText(c.DefaultCertificate),
				originNames()[c.Origin], notNil(c.TrustedGateways), c.MinVersion, c.Unresolved, claims(c),
			})
		}
	}
	class(m.Class())
	for _, c := range m.Certificates() {
		out.Certificates = append(out.Certificates, certificateJSON{
			ref(c), keyType(c), c.NotBefore.UTC(), c.NotAfter.UTC(), notNil(c.Names), c.KeyPair.Certificate[0],
		})
	}
	for _, s := range m.Sites() {
		class(s.Class)
		site := siteJSON{
			Host: s.Host, Namespace: s.Namespace, Class: s.Class.Name, Rule: s.Rule.String(), Report: s.Report, Redirect: s.Terms.HTTPSRedirect,
			Certificates: refs(s.Certificates), Routes: []routeJSON{},
		}
		if p := s.Policy; p.Mode != hostmap.ClientAuthNone || p.Unresolved {
			site.ClientAuth = &clientAuthJSON{p.Mode.String(), p.Depth, hex.EncodeToString(p.ID[:]), p.Unresolved}
		}
		for r := range s.AllRoutes() {
			site.Routes = append(site.Routes, route(r))
		}
		for i := range s.First {
			site.Routes[i].First = true
		}
		out.Sites = append(out.Sites, site)
	}
	return json.NewEncoder(w).Encode(out)
}

func claims(c *hostmap.Class) []claimJSON {
	var out []claimJSON
	for _, k := range c.Claims {
		out = append(out, claimJSON{k.Host, notNil(k.Namespaces)})
	}
	return out
}

func route(r *hostmap.Route) routeJSON {
	k := r.Backend
	out := routeJSON{
		Type: r.Type.String(), Path: r.Path, Ingress: r.From.NamespacedName(),
		Backend: backendJSON{
			Service: k.Namespace + "/" + k.Service, Port: k.Port, Protocol: k.Protocol.String(),
			ServerName: k.ServerName, Missing: k.Missing, Endpoints: notNil(k.Endpoints),
		},
	}
	if r.Default {
		out.Type = defaultRoute
	}
	if k.CAs != nil {
		out.Backend.CA = hex.EncodeToString(k.CAID[:])
	}
	return out
}

func ref(c *hostmap.Certificate) certificateRef {
	return certificateRef{c.Secret.String(), hex.EncodeToString(c.Fingerprint[:])}
}

func refs(certificates []*hostmap.Certificate) []certificateRef {
	out := make([]certificateRef, 0, len(certificates))
	for _, c := range certificates {
		out = append(out, ref(c))
	}
	return out
}

func keyType(c *hostmap.Certificate) string {
	if c.ECDSA {
		return "ECDSA"
	}
	return "RSA"
}

// notNil makes an absent list an empty one, which JSON tells from null.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// ReadMap reads the JSON form of a host map. The map judges as the original
// does, but cannot serve: it has no keys, and no CAs to verify anybody with.
func ReadMap(r io.Reader) (*hostmap.Map, error) {
	var in mapJSON
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return nil, fmt.Errorf("read host map: %w", err)
	}
	var d mapDecoder
	m, err := d.decode(in)
	if err != nil {
		return nil, fmt.Errorf("read host map: %w", err)
	}
	return m, nil
}

// mapDecoder keeps what sites refer to.
type mapDecoder struct {
	classes      map[string]*hostmap.Class
	certificates map[certificateRef]*hostmap.Certificate
}

func (d *mapDecoder) decode(in mapJSON) (*hostmap.Map, error) {
	d.classes = make(map[string]*hostmap.Class)
	d.certificates = make(map[certificateRef]*hostmap.Certificate)
	var spec hostmap.Spec
	for _, c := range in.Classes {
		rule, err := parseRule(c.Rule)
		if err != nil {
			return nil, fmt.Errorf("class %q: %w", c.Name, err)
		}
		origin := slices.Index(originNames(), c.Origin)
		if origin < 0 {
			return nil, fmt.Errorf("class %q: originFrame %q is unknown", c.Name, c.Origin)
		}
		d.classes[c.Name] = &hostmap.Class{
			Name: c.Name, Rule: rule, Report: c.Report, UnservedMisdirected: c.Unserved421, CloseOnMisdirected: c.Close,
			ShareCertificates: c.Share, DefaultCertificate: secretRef(c.Default),
			Origin: hostmap.OriginMode(origin), TrustedGateways: c.TrustedGateways, MinVersion: c.MinVersion,
			Unresolved: c.Unresolved,
		}
		for _, k := range c.Claims {
			d.classes[c.Name].Claims = append(d.classes[c.Name].Claims, hostmap.Claim(k))
		}
	}
	for _, c := range in.Certificates {
		certificate, err := hostmap.NewCertificate(secretRef(c.Secret), tls.Certificate{Certificate: [][]byte{c.Leaf}})
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", c.Secret, err)
		}
		d.certificates[c.certificateRef] = certificate
		spec.Certificates = append(spec.Certificates, certificate)
	}
	var err error
	if spec.Class = d.classes[in.Unserved]; spec.Class == nil {
		return nil, fmt.Errorf("class %q is missing", in.Unserved)
	}
	if spec.Defaults, err = d.find(in.Defaults); err != nil {
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

func (d *mapDecoder) site(in siteJSON) (*hostmap.Site, error) {
	site := hostmap.Site{Host: in.Host, Namespace: in.Namespace, Class: d.classes[in.Class], Report: in.Report, Terms: hostmap.Terms{HTTPSRedirect: in.Redirect}}
	if site.Class == nil {
		return nil, fmt.Errorf("class %q is missing", in.Class)
	}
	var err error
	if site.Rule, err = parseRule(in.Rule); err != nil {
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
		if err := parseSum(a.Policy, (*[sha256.Size]byte)(&site.Policy.ID)); err != nil {
			return nil, err
		}
	}
	for _, r := range in.Routes {
		rt := &hostmap.Route{Path: r.Path, Default: r.Type == defaultRoute, From: hostmap.Object{Kind: "Ingress"}}
		rt.From.Namespace, rt.From.Name, _ = strings.Cut(r.Ingress, "/")
		if !rt.Default {
			if rt.Type, err = parse(r.Type, hostmap.Prefix, hostmap.Exact); err != nil {
				return nil, err
			}
		}
		k := &hostmap.Backend{Port: r.Backend.Port, ServerName: r.Backend.ServerName, Missing: r.Backend.Missing, Endpoints: r.Backend.Endpoints}
		k.Namespace, k.Service, _ = strings.Cut(r.Backend.Service, "/")
		if k.Protocol, err = parse(r.Backend.Protocol, hostmap.HTTP, hostmap.HTTPS, hostmap.H2C, hostmap.GRPC, hostmap.GRPCS); err != nil {
			return nil, err
		}
		if r.Backend.CA != "" {
			k.CAs = x509.NewCertPool()
			if err := parseSum(r.Backend.CA, &k.CAID); err != nil {
				return nil, err
			}
		}
		rt.Backend = k
		if r.First {
			site.First = append(site.First, rt)
		} else {
			site.Routes = append(site.Routes, rt)
		}
	}
	return hostmap.NewSite(site), nil
}

func (d *mapDecoder) find(refs []certificateRef) ([]*hostmap.Certificate, error) {
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

// secretText is what secretRef reads; "" is no Secret.
func secretText(r hostmap.SecretRef) string {
	if r == (hostmap.SecretRef{}) {
		return ""
	}
	return r.String()
}

func secretRef(s string) hostmap.SecretRef {
	namespace, name, _ := strings.Cut(s, "/")
	return hostmap.SecretRef{Namespace: namespace, Name: name}
}

func parseRule(s string) (hostmap.Rule, error) {
	return parse(s, hostmap.RuleCertificate, hostmap.RuleSameCertificate, hostmap.RuleServerName, hostmap.RuleOff)
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

func parseSum(s string, sum *[sha256.Size]byte) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(sum) {
		return fmt.Errorf("%q is no SHA-256 in hexadecimal digits", s)
	}
	copy(sum[:], b)
	return nil
}
