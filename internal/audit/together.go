package audit

import (
	"fmt"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// cause is why a way is worth a finding.
type cause struct {
	reason   string // of the finding; "" for none
	severity Severity
	answer   hostmap.Reason
	rule     hostmap.Rule
}

// cause finds out why.
func (a *auditor) cause(w way) cause {
	to, o := w.to.hosts[0], w.outcome
	noticed := Warning
	if !a.options.OneAddress {
		noticed = Info
	}
	c := cause{answer: o.Reason, rule: o.Rule.Rule, severity: noticed}
	switch o.Result {
	case Misdirected:
		switch {
		case !o.Retry: // Then the host has a finding of its own.
			return cause{}
		case o.Reason == hostmap.ReasonTLSPolicy:
			c.reason, c.rule = ClientAuthBesideOpen, 0
		case !a.m.Vouches(w.from.hosts[0].facts.Leaf, to.name):
			c.reason, c.rule = ForeignCertificate, 0
		default:
			c.reason = RuleStricterThanCertificate
		}
	case Reported:
		c.reason, c.severity = ReportOnly, Info
	case Misrouted, Served:
		// "off" is a finding of each host.
		if !w.to.beside {
			return cause{}
		}
		c = cause{reason: WildcardBesideExact, severity: Info}
	}
	return c
}

// pairs adds the finding of a cause to the report.
func (a *auditor) pairs(leaf *hostmap.Certificate, c cause, of *wayOf) {
	f := a.finding(c.severity, findingKey{reason: c.reason, leaf: leaf.Fingerprint, detail: string(c.answer) + " " + c.rule.String()})
	if c.reason == WildcardBesideExact {
		of.To = of.only(func(h *host) bool { return beside(leaf, h) })
	}
	f.Hosts = of.To
	var o objects
	o.kinds(of.to.order, of.To, a.m)
	for _, k := range of.from.order {
		o.add(secretObject(k.hosts[0].facts.Leaf.Secret))
	}
	f.Objects = o.list
	secret := leaf.Secret.String()
	which := fmt.Sprintf("The certificate of Secret %s covers %s and is served for %s", secret, enumerate(of.To), enumerate(of.From))
	origin := ""
	if !a.tells(of) {
		origin = " Set originFrame: Auto in the AuthorityPolicy, so that Firefox is told beforehand."
	}
	switch c.reason {
	case ClientAuthBesideOpen:
		f.Message = fmt.Sprintf("%s, which %s not ask for the same client certificate: requests that come over their connections get 421 tls_policy, which Safari users may see.",
			which, do(of.From))
		f.Mend = fmt.Sprintf("Issue %s a certificate that names no other host, and one without %s (no wildcard over it) to the others; or serve %s on another address.%s",
			enumerate(of.To), it(of.To), it(of.To), origin)
	case ForeignCertificate:
		f.Message = fmt.Sprintf("%s, but namespace %s does not own all of these hosts: requests that come over their connections get 421 other_certificate, which Safari users may see.",
			which, leaf.Secret.Namespace)
		f.Mend = fmt.Sprintf("Issue namespace %s a certificate that names its own hosts only, or serve the others on another address; where both trust each other, shareCertificates: Cluster in the AuthorityPolicy.%s",
			leaf.Secret.Namespace, origin)
	case RuleStricterThanCertificate:
		f.Message = fmt.Sprintf("%s: requests for the former that come over connections of the latter get 421 %s (rule %s), which Safari users may see, as Safari does not reliably repeat them.",
			which, c.answer, c.rule)
		f.Mend = fmt.Sprintf("Issue a certificate for each host, or set ingress421.dev/misdirected: certificate, which refuses nothing that a certificate invites; or serve the hosts on different addresses.%s", origin)
	case ReportOnly:
		f.Message = fmt.Sprintf("%s: requests for the former that come over connections of the latter would get 421 %s, and are only counted.", which, c.answer)
		f.Mend = "Watch ingress421_misdirected_requests_total{enforcement=\"report\"}; when it no longer surprises you, enforce the rule."
	case WildcardBesideExact:
		f.Message = fmt.Sprintf("%s: requests for the former may come over connections of the latter, where clients have seen the wildcard and not the host's own certificate.", which)
		f.Mend = "Nothing, if that is all right: it is what RFC 9110 section 7.4 allows. Else set ingress421.dev/misdirected: same-certificate on the hosts, or leave the wildcard out."
	}
}

// tells tells whether an ORIGIN frame says on the connections of some ways
// which hosts not to ask for.
func (a *auditor) tells(of *wayOf) bool {
	for _, k := range of.from.order {
		class := a.m.Class()
		if s := k.hosts[0].site; s != nil {
			class = s.Class
		}
		if class.Origin == hostmap.OriginNever {
			return false
		}
	}
	return true
}

// incomplete adds that not all pairs under a leaf have been looked at.
func (a *auditor) incomplete(leaf *hostmap.Certificate) {
	f := a.finding(Warning, findingKey{reason: Incomplete})
	f.Objects.add(secretObject(leaf.Secret))
	f.Message = fmt.Sprintf("The hosts that share certificates are too many to judge all pairs; those under the certificate of Secret %s are not among those told.", enumerateObjects(f.Objects))
	f.Mend = "Split the certificates, or audit parts of the folder or the cluster by themselves."
}

func do(l List[string]) string {
	if l.Total == 1 {
		return "does"
	}
	return "do"
}

func enumerateObjects(l List[hostmap.Object]) string {
	names := List[string]{Total: l.Total}
	for _, o := range l.First {
		names.First = append(names.First, o.NamespacedName())
	}
	return enumerate(names)
}
