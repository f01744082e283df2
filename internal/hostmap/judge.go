package hostmap

import "strings"

// Judge says what becomes of a request that arrived on a connection: RFC 9110
// section 7.4, step by step as the package's page lists them. It is pure and
// does not allocate.
func Judge(m *Map, f *Facts, r Request) Verdict {
	var v Verdict
	m.judge(&v, f, &r, nil)
	return v
}

// JudgeInto is Judge for a verdict that is still zero: the wire keeps it where it
// is, because copying it costs about as much as a step.
func JudgeInto(v *Verdict, m *Map, f *Facts, r *Request) { m.judge(v, f, r, nil) }

// judge is Judge and its [Trace], which is nil for none.
func (m *Map) judge(v *Verdict, f *Facts, r *Request, t *Trace) {
	e := m.find(r.Host)
	report := false
	if e != nil {
		v.Site, v.Slot, v.Rule, report = e.site, e.slot, e.rule(), e.is&reporting != 0
	} else {
		class := m.Class()
		v.Rule, report = class.Rule, class.Report
	}

	// 1. Scheme. RFC 9113 section 8.3.1 leaves ":scheme" to the client; one
	// that denies the connection's TLS would be believed by the backend.
	if r.Scheme != "" && !schemeAgrees(r.Scheme, f.TLS) {
		t.note(StepScheme, GroundOtherScheme)
		m.misdirect(v, e, ReasonScheme, false)
		return
	}
	t.note(StepScheme, GroundSameScheme)

	// 3. TLS policy. Asked of trusted gateways too, under every rule, and
	// never only reported: what it protects is client authentication.
	ground := e.policyHolds(f.TLS, f.Policy, f.Version)
	t.note(StepTLSPolicy, ground)
	if ground.Fails() {
		m.misdirect(v, e, ReasonTLSPolicy, f.TLS && m.retry(f, r.Host, e, v.Rule))
		return
	}

	// 2, 4, 4b, 5. Coverage, whose certificate it is, and the site's own rule.
	// In cleartext no certificate is there to be asked for.
	if f.TLS {
		if m.trusts(e, f) {
			t.note(StepGateway, GroundTrusted)
		} else if reason := m.judgeCertificate(f.Leaf, f.ServerName, r.Host, e, v.Rule, t); reason != "" {
			again := m.retry(f, r.Host, e, v.Rule)
			if !report {
				m.misdirect(v, e, reason, again)
				return
			}
			// What 4b protects is whoever owns the certificate, who did not
			// ask for a report only.
			ground := m.vouches(f.Leaf, e)
			t.report(ground)
			if ground.Fails() {
				m.misdirect(v, e, ReasonOtherCertificate, again)
				return
			}
			v.Reported, v.Retry = reason, again
		}
	}

	// 6. Is the authority served here?
	if e == nil {
		t.note(StepServed, GroundUnserved)
		if m.Class().UnservedMisdirected {
			m.misdirect(v, e, ReasonUnserved, false)
			return
		}
		v.refuse(statusNotFound, ReasonUnserved)
		return
	}
	t.note(StepServed, GroundServed)

	// 7. Does a route match the path?
	if v.Route = e.all; v.Route == nil {
		if v.Route = e.site.Route(r.Path); v.Route == nil {
			t.note(StepRoute, GroundNoRoute)
			v.refuse(statusNotFound, ReasonNoRoute)
			return
		}
	}
	t.note(StepRoute, GroundRoute)
}

// trusts is step 2.
func (m *Map) trusts(e *entry, f *Facts) bool {
	if e == nil {
		return m.Class().Trusts(f.Peer)
	}
	return e.is&gated != 0 && e.site.Class.Trusts(f.Peer)
}

// policyHolds is step 3: whether a connection satisfies the TLS policy of a
// site, nil for none.
func (e *entry) policyHolds(tls bool, id PolicyID, version uint16) Ground {
	switch {
	case e == nil:
		return GroundNoSite
	case e.is&policed != 0:
		p := &e.site.Policy
		switch {
		case p.Unresolved:
			return GroundUnresolved
		case !tls:
			return GroundCleartext
		case p.ID != id:
			return GroundOtherPolicy
		}
	case !tls:
		return GroundNoPolicy
	}
	switch {
	case e.below(version):
		return GroundOldVersion
	case e.is&policed != 0:
		return GroundSamePolicy
	}
	return GroundNoPolicy
}

// isSure tells whether a leaf is one of the site's that cover every host of it,
// so that no name need be looked up.
func (e *entry) isSure(leaf *Certificate) bool {
	return leaf == e.sure || e.is&twice != 0 && leaf == e.site.sure[1]
}

// judgeCertificate is steps 4, 4b and 5, for the leaf and the server name of a
// connection.
func (m *Map) judgeCertificate(leaf *Certificate, serverName, host string, e *entry, rule Rule, t *Trace) Reason {
	// Most requests arrive on a connection to their own site.
	own := e != nil && leaf != nil && e.isSure(leaf)
	switch {
	case own:
		t.note(StepCertificate, GroundCovered)
		t.note(StepVouch, GroundOwnCertificate)
	case leaf == nil:
		t.note(StepCertificate, GroundNoLeaf)
		return ReasonCertificate
	case rule == RuleOff:
		t.note(StepCertificate, GroundRuleOff)
	case !leaf.Covers(host):
		t.note(StepCertificate, GroundNotCovered)
		return ReasonCertificate
	default:
		t.note(StepCertificate, GroundCovered)
	}
	if !own {
		ground := m.vouches(leaf, e)
		t.note(StepVouch, ground)
		if ground.Fails() {
			return ReasonOtherCertificate
		}
	}
	switch rule {
	case RuleSameCertificate:
		ground := GroundSameCertificate
		if !own {
			ground = m.isSame(leaf, e)
		}
		t.note(StepRule, ground)
		if ground.Fails() {
			return ReasonOtherCertificate
		}
	case RuleServerName:
		if serverNameOf(host) != serverName {
			t.note(StepRule, GroundOtherName)
			return ReasonServerName
		}
		t.note(StepRule, GroundSameName)
	default:
		t.note(StepRule, GroundNoMore)
	}
	return ""
}

// isSame is the rule same-certificate: whether a leaf is one of a site's present
// certificates, or out of the same Secret as one of them. Without a site those
// are the default ones.
func (m *Map) isSame(leaf *Certificate, e *entry) Ground {
	present := m.defaults
	if e != nil {
		present = e.site.Certificates
	} else if len(present) == 0 {
		// No handshake for this authority would be answered: no certificate is
		// the right one, and step 6 says what is wrong.
		return GroundNoSite
	}
	if !owns(present, leaf) {
		return GroundOtherCertificate
	}
	return GroundSameCertificate
}

// vouches is step 4b: whether a leaf may stand for the host of a site. Coverage
// is not enough for that: a tenant that names a host below its neighbour's
// wildcard would be shown under the neighbour's certificate, and given the
// cookies of its domain, without ever having had a certificate. A host that
// nobody owns is nobody's to impersonate.
func (m *Map) vouches(leaf *Certificate, e *entry) Ground {
	if e == nil {
		return GroundNoSite
	}
	site := e.site
	switch {
	case site.Class.ShareCertificates:
		return GroundShared
	case leaf == nil:
		return GroundNoLeaf
	case leaf.Secret.Namespace == site.Namespace && leaf.Secret.Namespace != "":
		return GroundNamespace
	case leaf.Secret == site.Class.DefaultCertificate, owns(m.defaults, leaf):
		return GroundDefaultCertificate
	case holds(site.Certificates, leaf):
		return GroundOwnCertificate
	}
	return GroundForeign
}

// Vouches tells whether step 4b of [Judge] lets a leaf stand for a canonical
// host.
func (m *Map) Vouches(leaf *Certificate, host string) bool {
	return !m.vouches(leaf, m.find(host)).Fails()
}

// misdirect is a 421, by the class of the authority.
func (m *Map) misdirect(v *Verdict, e *entry, reason Reason, retry bool) {
	v.Retry = retry
	if e != nil {
		v.Close = e.is&closing != 0
	} else {
		v.Close = m.Class().CloseOnMisdirected
	}
	v.refuse(statusMisdirected, reason)
}

// retry tells whether a request for a host on a fresh connection that asked
// for that very host would get past step 5. The client is taken to be the same
// one: it would take the preferred certificate, and it has no better version
// than the connection's, which is the best of both sides already.
func (m *Map) retry(f *Facts, host string, e *entry, rule Rule) bool {
	name, at := serverNameOf(host), e
	if name != host {
		at = m.find(name)
	}
	h := m.handshake(name, at)
	if !h.Takes(f.Version) {
		return false
	}
	return !e.policyHolds(true, h.policyID(), f.Version).Fails() &&
		(m.trusts(e, f) || m.judgeCertificate(h.Certificates[0], h.ServerName, host, e, rule, nil) == "")
}

// serverNameOf is the server name that a client sends for a host: none for an
// IP literal (RFC 6066 section 3).
func serverNameOf(host string) string {
	if IsIP(host) {
		return ""
	}
	return host
}

// schemeAgrees tells whether a scheme, which is case-insensitive (RFC 3986
// section 3.1), is the one of the connection.
func schemeAgrees(scheme string, tls bool) bool {
	if tls {
		return scheme == "https" || strings.EqualFold(scheme, "https")
	}
	return scheme == "http" || strings.EqualFold(scheme, "http")
}
