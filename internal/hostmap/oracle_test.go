package hostmap_test

import (
	"bytes"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// oracle judges requests a second time, from the text of the rule and of RFC
// 9110 section 7.4 alone: linear scans over the sites as they were given, names
// of certificates compared as they stand in the certificate. It shares types
// with the package and no code, so that a mistake must be made twice to pass.
type oracle struct {
	sites    []*hostmap.Site
	class    *hostmap.Class
	defaults []*hostmap.Certificate
}

// ruling is what the oracle says of a request. Retry is "" where it means
// nothing.
type ruling struct {
	Action   hostmap.Action
	Status   int
	Reason   hostmap.Reason
	Reported hostmap.Reason
	Retry    string
	Close    bool
	Site     *hostmap.Site
	Route    *hostmap.Route
}

func (o *oracle) judge(f *hostmap.Facts, r hostmap.Request) ruling {
	site := o.site(r.Host)
	class := o.class
	if site != nil {
		class = site.Class
	}
	refuse := func(reason hostmap.Reason) ruling {
		return ruling{Action: hostmap.ActionRefuse, Status: 421, Reason: reason, Retry: o.retry(f, r, reason), Close: class.CloseOnMisdirected, Site: site}
	}

	// 1. "does :scheme agree with the connection (https on TLS, http on
	// cleartext)?" Schemes are case-insensitive: RFC 9110 section 4.2.3.
	if r.Scheme != "" && !strings.EqualFold(r.Scheme, map[bool]string{true: "https", false: "http"}[f.TLS]) {
		return refuse(hostmap.ReasonScheme)
	}

	var reported hostmap.Reason
	if f.TLS {
		// 3. "Never opt-out, never report-only", so before 2, which skips only
		// 4, 4b and 5.
		if !o.policyHolds(f, site) {
			return refuse(hostmap.ReasonTLSPolicy)
		}
		if !o.trusted(f, site) {
			for _, step := range o.certificateSteps(f, r.Host, site) {
				switch {
				case step.holds:
				case step.number == "4b" || !o.reportOnly(site):
					return refuse(step.reason)
				case reported == "":
					reported = step.reason
				}
			}
		}
	} else {
		// "Cleartext connections run 1, [...] 3, 6 and 7."
		if site != nil && (site.Policy.Unresolved || site.Policy.Mode != hostmap.ClientAuthNone) {
			return refuse(hostmap.ReasonTLSPolicy)
		}
	}

	v := ruling{Reported: reported, Site: site}
	if reported != "" {
		v.Retry = o.retry(f, r, reported)
	}
	switch {
	case site == nil && class.UnservedMisdirected:
		v := refuse(hostmap.ReasonUnserved)
		v.Reported = reported
		return v
	case site == nil:
		v.Action, v.Status, v.Reason = hostmap.ActionRefuse, 404, hostmap.ReasonUnserved
	default:
		if v.Route = routeOf(site, r.Path); v.Route == nil {
			v.Action, v.Status, v.Reason = hostmap.ActionRefuse, 404, hostmap.ReasonNoRoute
		}
	}
	return v
}

// settle adds the terms. "Cleartext connections run 1, then the https redirect",
// which is "left out where it says https", it being a trusted gateway.
func (o *oracle) settle(f *hostmap.Facts, r hostmap.Request, c hostmap.Client) ruling {
	v := o.judge(f, r)
	site := o.site(r.Host)
	if !f.TLS && v.Reason != hostmap.ReasonScheme && site != nil && site.Terms.HTTPSRedirect && !strings.HasPrefix(r.Path, "/.well-known/acme-challenge/") && !(o.trusted(f, site) && c.FromHTTPS) {
		return ruling{Action: hostmap.ActionRedirect, Status: 308, Site: site}
	}
	return v
}

// policyHolds is step 3 on TLS.
func (o *oracle) policyHolds(f *hostmap.Facts, site *hostmap.Site) bool {
	switch {
	case site == nil:
		return true
	case site.Policy.Unresolved:
		return false
	case site.Policy.Mode != hostmap.ClientAuthNone && f.Policy != site.Policy.ID:
		return false
	default:
		return f.Version >= site.Class.MinVersion
	}
}

// trusted is step 2: "is the immediate peer in trustedGateways" of the
// authority's site's class? "No site: the options of the map's class, trust
// included."
func (o *oracle) trusted(f *hostmap.Facts, site *hostmap.Site) bool {
	if !f.Peer.IsValid() {
		return false
	}
	class := o.class
	if site != nil {
		class = site.Class
	}
	ip := net.IP(f.Peer.AsSlice())
	for _, p := range class.TrustedGateways {
		_, cidr, err := net.ParseCIDR(p.String())
		if err == nil && cidr.Contains(ip) {
			return true
		}
	}
	return false
}

// rule: "The rule of step 5 is the one of the authority's site, or the class
// default for an unserved authority."
func (o *oracle) rule(site *hostmap.Site) hostmap.Rule {
	if site == nil {
		return o.class.Rule
	}
	return site.Rule
}

func (o *oracle) reportOnly(site *hostmap.Site) bool {
	if site == nil {
		return o.class.Report
	}
	return site.Report
}

// step is what became of one step.
type step struct {
	number string
	holds  bool
	reason hostmap.Reason
}

// certificateSteps are 4, 4b and 5, as far as the rule asks them.
func (o *oracle) certificateSteps(f *hostmap.Facts, host string, site *hostmap.Site) []step {
	rule := o.rule(site)
	leaf := f.Leaf.KeyPair.Leaf
	four := step{"4", leafCovers(leaf, host), hostmap.ReasonCertificate}
	fourB := step{"4b", o.vouches(f.Leaf, site), hostmap.ReasonOtherCertificate}
	five := step{"5", true, ""}
	switch rule {
	case hostmap.RuleOff:
		// "off (skip 4 and 5)"; "no annotation skips" 4b.
		return []step{fourB}
	case hostmap.RuleSameCertificate:
		// A handshake for an authority without a site is answered with the
		// default certificates; where there are none, none is the right one.
		own := o.defaults
		if site != nil {
			own = site.Certificates
		}
		five.reason = hostmap.ReasonOtherCertificate
		five.holds = site == nil && len(own) == 0 || slices.ContainsFunc(own, func(c *hostmap.Certificate) bool {
			return bytes.Equal(c.KeyPair.Leaf.Raw, leaf.Raw) || c.Secret == f.Leaf.Secret
		})
	case hostmap.RuleServerName:
		five.reason, five.holds = hostmap.ReasonServerName, f.ServerName == nameToSend(host)
	}
	return []step{four, fourB, five}
}

// vouches is step 4b: "is it a default certificate, one of the site's present
// certificates (by fingerprint), or from a Secret of the namespace that owns the
// host? Class option shareCertificates: Namespace (default) or Cluster (skips
// this step)". A host that no site has is nobody's.
func (o *oracle) vouches(c *hostmap.Certificate, site *hostmap.Site) bool {
	if site == nil || site.Class.ShareCertificates {
		return true
	}
	secrets := []hostmap.SecretRef{site.Class.DefaultCertificate}
	fingerprints := [][32]byte{}
	for _, d := range o.defaults {
		secrets, fingerprints = append(secrets, d.Secret), append(fingerprints, d.Fingerprint)
	}
	for _, own := range site.Certificates {
		fingerprints = append(fingerprints, own.Fingerprint)
	}
	byNamespace := site.Namespace != "" && site.Namespace == c.Secret.Namespace
	return byNamespace || slices.Contains(secrets, c.Secret) || slices.Contains(fingerprints, c.Fingerprint)
}

// retry: "whether a retry can help: would a request on a fresh connection with
// SNI = authority (none for an IP) get past step 5?" It is the same client with
// the same request: the scheme is what it was; cleartext has no server name; an
// authority that is unserved is unserved again; and the version is again the
// best that the client has, since the server takes the best of both.
func (o *oracle) retry(f *hostmap.Facts, r hostmap.Request, failed hostmap.Reason) string {
	if !f.TLS || failed == hostmap.ReasonScheme || failed == hostmap.ReasonUnserved {
		return "no"
	}
	site := o.site(r.Host)
	name := nameToSend(r.Host)
	var answers *hostmap.Site // the site of the fresh handshake
	if name == "" {
		answers = o.site("")
	} else {
		answers = o.site(name)
	}
	// "No site (no SNI [...]): the options of the map's class."
	certificates, lowest := o.defaults, o.class.MinVersion
	fresh := hostmap.Facts{TLS: true, ServerName: name, Version: f.Version, Peer: f.Peer}
	if answers != nil {
		if answers.Policy.Unresolved {
			return "no"
		}
		lowest = answers.Class.MinVersion
		fresh.Policy = answers.Policy.ID
		if name != "" || len(o.defaults) == 0 {
			certificates = answers.Certificates
		}
	}
	if !o.policyHolds(&fresh, site) {
		return "no"
	}
	// "of the site's certificates take one that the client's hello supports,
	// ECDSA before RSA": the first, what the hello was being unknown here.
	if len(certificates) == 0 || fresh.Version < lowest {
		return "no"
	}
	fresh.Leaf = certificates[0]
	if !o.trusted(f, site) && slices.ContainsFunc(o.certificateSteps(&fresh, r.Host, site), func(s step) bool { return !s.holds }) {
		return "no"
	}
	return "yes"
}

// site: exact, then wildcard of one label, then the default site.
func (o *oracle) site(host string) *hostmap.Site {
	var wildcard, rest *hostmap.Site
	for _, s := range o.sites {
		switch {
		case s.Host == "":
			rest = s
		case s.Host == host:
			return s
		case strings.HasPrefix(s.Host, "*."):
			labels := strings.Split(host, ".")
			if host != "" && net.ParseIP(host) == nil && "*."+strings.Join(labels[1:], ".") == s.Host {
				wildcard = s
			}
		}
	}
	if wildcard != nil {
		return wildcard
	}
	return rest
}

// nameToSend is the server name that a client sends for a host: itself, or
// none for an address (RFC 6066 section 3).
func nameToSend(host string) string {
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return ""
	}
	return host
}

// leafCovers compares a canonical host with the names as they stand in a leaf:
// RFC 9525 section 6.3 for DNS names, 6.5 for addresses.
func leafCovers(leaf *x509.Certificate, host string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		// Octet by octet: four and sixteen of them are never equal.
		return slices.ContainsFunc(leaf.IPAddresses, func(a net.IP) bool { return bytes.Equal(a, ip.AsSlice()) })
	}
	want := strings.Split(host, ".")
	for _, n := range leaf.DNSNames {
		have := strings.Split(strings.TrimSuffix(strings.ToLower(n), "."), ".")
		if len(have) != len(want) || slices.Contains(have, "") {
			continue
		}
		same := true
		for i := range have {
			if have[i] != want[i] && !(i == 0 && have[i] == "*" && len(have) > 1) {
				same = false
			}
		}
		if same {
			return true
		}
	}
	return false
}

// routeOf is the documentation of Ingress read aloud: of the rules that match,
// the one with the most elements; of two such, Exact before Prefix.
func routeOf(site *hostmap.Site, path string) *hostmap.Route {
	var best, rest *hostmap.Route
	better := func(a, b *hostmap.Route) bool {
		if a.Type != b.Type && strings.TrimSuffix(a.Path, "/") == strings.TrimSuffix(b.Path, "/") {
			return a.Type == hostmap.Exact
		}
		return len(a.Path) > len(b.Path)
	}
	for _, r := range site.Routes {
		switch {
		case r.Default:
			if rest == nil {
				rest = r
			}
			continue
		case r.Type == hostmap.Exact:
			if r.Path != path {
				continue
			}
		default:
			rule, request := elements(r.Path), elements(path)
			if len(rule) > len(request) || !slices.Equal(rule, request[:len(rule)]) {
				continue
			}
		}
		if best == nil || better(r, best) {
			best = r
		}
	}
	if best == nil {
		return rest
	}
	return best
}

// elements are the parts of a path between slashes; one trailing slash opens
// none.
func elements(path string) []string {
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path[1:], "/")
}

// compared brings a verdict into the oracle's form.
func compared(v hostmap.Verdict) ruling {
	r := ruling{Action: v.Action, Status: v.Status, Reason: v.Reason, Reported: v.Reported, Close: v.Close, Site: v.Site, Route: v.Route}
	if v.Status == 421 || v.Reported != "" {
		r.Retry = map[bool]string{true: "yes", false: "no"}[v.Retry]
	}
	return r
}

var loopback = netip.MustParseAddr("127.0.0.1")
