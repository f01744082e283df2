package audit

import (
	"fmt"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// host adds what is to be said of a host by itself.
func (a *auditor) host(h *host) {
	if h.facts == nil {
		if h.site.Policy.Unresolved {
			a.refused(h, hostmap.ReasonTLSPolicy)
		}
		return
	}
	leaf := h.facts.Leaf
	v := hostmap.Judge(a.m, h.facts, hostmap.Request{Host: h.name, Path: "/"})
	switch {
	case !leaf.Covers(h.name):
		f := a.finding(Error, findingKey{reason: HostNotCovered, object: first(h.site)})
		f.Hosts.add(h.name)
		f.about(h.site, secretObject(leaf.Secret))
		f.Message = fmt.Sprintf("%s served with a certificate that does not name %s: browsers refuse the connection, and requests on it get %s.",
			are(f.Hosts), it(f.Hosts), answer(&v))
		f.Mend = fmt.Sprintf("Put the names into the certificate of Secret %s, which has %s, or name another Secret in spec.tls.",
			leaf.Secret, names(leaf))
	case v.Misdirected():
		a.refused(h, v.Reason)
	}
	if h.site.Rule == hostmap.RuleOff {
		f := a.finding(Warning, findingKey{reason: RuleOff, object: first(h.site)})
		f.Hosts.add(h.name)
		f.about(h.site)
		f.Message = fmt.Sprintf("%s served on connections made for any other host, whatever their certificate names (rule off).", are(f.Hosts))
		f.Mend = "Take the annotation ingress421.dev/misdirected: \"off\" away; with \"report\" you see first which clients it would concern."
	}
}

// refused adds that a host gets no request through.
func (a *auditor) refused(h *host, reason hostmap.Reason) {
	f := a.finding(Error, findingKey{reason: HostRefused, object: first(h.site), detail: string(reason)})
	f.Hosts.add(h.name)
	f.about(h.site)
	switch {
	case h.site.Policy.Unresolved:
		f.Message = fmt.Sprintf("%s refused on every connection, because which client certificates to ask for is not known.", are(f.Hosts))
		f.Mend = "Mend the Secret that ingress421.dev/client-auth-secret names (key ca.crt), or the Ingresses of the host that contradict each other."
	case reason == hostmap.ReasonOtherCertificate:
		f.Message = fmt.Sprintf("%s refused with 421 %s on connections made for it too: the certificate served is not for it to use.", are(f.Hosts), reason)
		f.Mend = "Give the host a certificate of its own, in a Secret of its own namespace, under spec.tls of its Ingress."
	default:
		f.Message = fmt.Sprintf("%s refused with 421 %s on connections made for it too.", are(f.Hosts), reason)
		f.Mend = "Ask for the reason with ingress421 explain, host as server name and as authority."
	}
}

// lifetimeShare and longestNotice say when a certificate ends soon: with a fifth
// of its lifetime left, or two weeks. Clients of ACME renew with a third left.
const (
	lifetimeShare = 5
	longestNotice = 14 * 24 * time.Hour
)

// leaf adds what is to be said of a certificate by itself, for all its copies.
func (a *auditor) leaf(leaf *hostmap.Certificate) {
	now := a.options.Now
	notice := min(longestNotice, leaf.NotAfter.Sub(leaf.NotBefore)/lifetimeShare)
	end := leaf.NotAfter.UTC().Format(time.DateTime)
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		f := a.certificate(Error, CertificateExpired, leaf)
		f.Message = fmt.Sprintf("The certificate has expired at %s, and browsers refuse connections for %s.", end, hosts(f.Hosts))
		f.Mend = "Renew it: see why whoever renews it (cert-manager, a script) has not."
	case leaf.NotBefore.After(now):
		f := a.certificate(Error, CertificateNotYetValid, leaf)
		f.Message = fmt.Sprintf("The certificate is valid from %s only, and browsers refuse connections for %s.", leaf.NotBefore.UTC().Format(time.DateTime), hosts(f.Hosts))
		f.Mend = "Set the clock of whoever issued it, or wait."
	case left <= notice:
		f := a.certificate(Warning, CertificateExpiring, leaf)
		f.Message = fmt.Sprintf("The certificate ends in %s, at %s, and is served for %s.", days(left), end, hosts(f.Hosts))
		f.Mend = "Renew it: see why whoever renews it (cert-manager, a script) has not."
	}
	for _, name := range leaf.Names {
		if !strings.HasPrefix(name, "*.") && a.m.Site(name) == nil {
			f := a.finding(Info, findingKey{reason: NameNotServed, leaf: leaf.Fingerprint})
			f.Hosts.add(name)
			f.Message = fmt.Sprintf("The certificate also names %s, which nobody serves: clients that resolve the name to the same address send requests here, which get %s.",
				hosts(f.Hosts), a.unserved())
			f.Mend = "Serve the name, or leave it out when the certificate is issued next."
		}
	}
	if f := a.findings[findingKey{reason: NameNotServed, leaf: leaf.Fingerprint}]; f != nil {
		f.Objects.add(secretObject(leaf.Secret))
	}
}

// unserved is what requests for hosts that nobody serves get.
func (a *auditor) unserved() string {
	if a.m.Class().UnservedMisdirected {
		return "421 unserved"
	}
	return "404 unserved"
}

// certificate makes a finding about a certificate, its copies and the hosts that
// are served it.
func (a *auditor) certificate(s Severity, reason string, leaf *hostmap.Certificate) *Finding {
	f := a.finding(s, findingKey{reason: reason, leaf: leaf.Fingerprint})
	var o objects
	o.add(secretObject(leaf.Secret))
	for _, h := range a.byLeaf[leaf.Fingerprint] {
		f.Hosts.add(h.name)
		o.add(secretObject(h.facts.Leaf.Secret))
	}
	f.Objects = o.list
	return f
}

// finding returns the finding of a key, a new one where there is none.
func (a *auditor) finding(s Severity, key findingKey) *Finding {
	f := a.findings[key]
	if f == nil {
		f = &Finding{Severity: s, Reason: key.reason}
		a.findings[key] = f
	}
	return f
}

// about adds the objects that a site comes from, and others, to a finding that
// has them not yet.
func (f *Finding) about(s *hostmap.Site, others ...hostmap.Object) {
	var o objects
	for _, object := range f.Objects.First {
		o.add(object)
	}
	o.site(s)
	for _, object := range others {
		o.add(object)
	}
	// A list that is full already counts no further.
	o.list.Total = max(o.list.Total, f.Objects.Total)
	f.Objects = o.list
}
