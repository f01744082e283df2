package hostmap

import "strings"

// Reason says why a request is not served as it came: one word, told to the
// client, to the log and to the metrics. "" is no reason.
type Reason string

// The reasons of [Judge], in the order of its steps.
const (
	ReasonScheme           Reason = "scheme"
	ReasonTLSPolicy        Reason = "tls_policy"
	ReasonCertificate      Reason = "certificate"
	ReasonOtherCertificate Reason = "other_certificate"
	ReasonServerName       Reason = "server_name"
	ReasonUnserved         Reason = "unserved"
	ReasonNoRoute          Reason = "no_route"
)

// Request is what Judge is told of a request.
type Request struct {
	// Scheme is ":scheme", or that of an HTTP/1.1 request in absolute form;
	// "" where the request names none.
	Scheme string
	// Host is the canonical host of the authority (see [Authority]).
	Host string
	// Path is the canonical path (see [Path]).
	Path string
}

// Action is what becomes of a request.
type Action uint8

const (
	// ActionServe forwards it by the verdict's route.
	ActionServe Action = iota
	// ActionRedirect sends the client elsewhere.
	ActionRedirect
	// ActionRefuse answers with an error.
	ActionRefuse
)

var actionNames = [...]string{"serve", "redirect", "refuse"}

func (a Action) String() string { return actionNames[a] }

// Verdict is the outcome for one request: of the rule alone as [Judge] returns
// it, of the terms too once [Apply] has seen it.
type Verdict struct {
	// Action says whether the request is served. Judge never redirects.
	Action Action
	// Rule is the rule that was in force.
	Rule Rule
	// Retry tells whether a request on a fresh connection whose server name is
	// the authority would get past step 5. It means something beside a 421 or
	// a Reported reason.
	Retry bool
	// Close asks for the connection to be closed after the answer.
	Close bool
	// Status is what to answer, 0 where the request is served.
	Status int
	// Reason is why it is refused, "" where it is not.
	Reason Reason
	// Reported is the reason of step 4 or 5 that would have been Reason, had
	// the site or its class not asked for a report only. Step 4b is enforced
	// all the same.
	Reported Reason
	// Site is the authority's, nil where none serves it.
	Site *Site
	// Route is what the path has matched; nil where the request was refused
	// before that, where nothing matches, and where all of the site's requests
	// are redirected.
	Route *Route
	// Path is what the backend is asked for where Apply has rewritten the
	// request's path, else "".
	Path string
}

// Misdirected tells whether the verdict is a 421.
func (v *Verdict) Misdirected() bool { return v.Status == statusMisdirected }

const (
	statusPermanentRedirect = 308
	statusBadRequest        = 400
	statusForbidden         = 403
	statusNotFound          = 404
	statusContentTooLarge   = 413
	statusMisdirected       = 421
)

// Judge says what becomes of a request that arrived on a connection: RFC 9110
// section 7.4, step by step as the package's page lists them. It is pure and
// does not allocate.
func Judge(m *Map, f *Facts, r Request) Verdict {
	e := m.find(r.Host)
	class := m.Class()
	v := Verdict{Rule: class.Rule}
	report := class.Report
	if e != nil {
		class, report = e.class, e.report
		v.Site, v.Rule = e.site, e.rule
	}

	// 1. Scheme. RFC 9113 section 8.3.1 leaves ":scheme" to the client; one
	// that denies the connection's TLS would be believed by the backend.
	if r.Scheme != "" && !schemeAgrees(r.Scheme, f.TLS) {
		return v.misdirect(class, ReasonScheme, false)
	}

	if !f.TLS {
		return judgeCleartext(v, e, class, r.Path)
	}

	// 3. TLS policy. Asked of trusted gateways too, under every rule, and
	// never only reported: what it protects is client authentication.
	if e != nil && !e.policyHolds(f.Policy, f.Version) {
		return v.misdirect(class, ReasonTLSPolicy, m.retry(f, r.Host, e, v.Rule))
	}

	// 2, 4, 4b, 5. Coverage, whose certificate it is, and the site's own rule.
	if !class.Trusts(f.Peer) {
		if reason := m.judgeCertificate(f.Leaf, f.ServerName, r.Host, e, v.Rule); reason != "" {
			again := m.retry(f, r.Host, e, v.Rule)
			switch {
			case !report:
				return v.misdirect(class, reason, again)
			case !m.vouches(f.Leaf, e):
				// It protects whoever owns the certificate, who did not ask
				// for a report only.
				return v.misdirect(class, ReasonOtherCertificate, again)
			}
			v.Reported, v.Retry = reason, again
		}
	}
	return v.route(e, class, r.Path)
}

// judgeCleartext is Judge after step 1 without TLS: no certificate is there to
// be asked for.
func judgeCleartext(v Verdict, e *entry, class *Class, path string) Verdict {
	if e != nil && e.policed {
		return v.misdirect(class, ReasonTLSPolicy, false)
	}
	return v.route(e, class, path)
}

// policyHolds is step 3: whether a connection made under a TLS policy, on a
// TLS version, satisfies the site's.
func (e *entry) policyHolds(id PolicyID, version uint16) bool {
	if e.policed {
		p := &e.site.Policy
		if p.Unresolved || p.ID != id {
			return false
		}
	}
	return version >= e.class.MinVersion
}

// judgeCertificate is steps 4, 4b and 5, for the leaf and the server name of a
// connection.
func (m *Map) judgeCertificate(leaf *Certificate, serverName, host string, e *entry, rule Rule) Reason {
	if leaf == nil {
		return ReasonCertificate
	}
	// Most requests arrive on a connection to their own site.
	own := e != nil && (leaf == e.sure[0] || leaf == e.sure[1])
	if !own {
		if rule != RuleOff && !leaf.Covers(host) {
			return ReasonCertificate
		}
		if !m.vouches(leaf, e) {
			return ReasonOtherCertificate
		}
	}
	switch rule {
	case RuleSameCertificate:
		present := m.defaults
		if e != nil {
			present = e.site.Certificates
		} else if len(present) == 0 {
			// No handshake for this authority would be answered: no
			// certificate is the right one, and step 6 says what is wrong.
			return ""
		}
		if !own && !owns(present, leaf) {
			return ReasonOtherCertificate
		}
	case RuleServerName:
		if serverNameOf(host) != serverName {
			return ReasonServerName
		}
	}
	return ""
}

// vouches is step 4b: whether a leaf may stand for the host of a site. Coverage
// is not enough for that: a tenant that names a host below its neighbour's
// wildcard would be shown under the neighbour's certificate, and given the
// cookies of its domain, without ever having had a certificate. A host that
// nobody owns is nobody's to impersonate.
func (m *Map) vouches(leaf *Certificate, e *entry) bool {
	switch {
	case e == nil || e.class.ShareCertificates:
		return true
	case leaf == nil:
		return false
	case leaf.Secret.Namespace == e.site.Namespace && leaf.Secret.Namespace != "":
		return true
	}
	return leaf.Secret == e.class.DefaultCertificate ||
		holds(e.site.Certificates, leaf) || owns(m.defaults, leaf)
}

// Vouches tells whether step 4b of [Judge] lets a leaf stand for a canonical
// host.
func (m *Map) Vouches(leaf *Certificate, host string) bool { return m.vouches(leaf, m.find(host)) }

// route is steps 6 and 7.
func (v Verdict) route(e *entry, class *Class, path string) Verdict {
	if e == nil {
		if class.UnservedMisdirected {
			return v.misdirect(class, ReasonUnserved, false)
		}
		return v.refuse(statusNotFound, ReasonUnserved)
	}
	if v.Route = e.all; v.Route == nil {
		if v.Route = e.site.Route(path); v.Route == nil {
			return v.refuse(statusNotFound, ReasonNoRoute)
		}
	}
	return v
}

func (v Verdict) refuse(status int, reason Reason) Verdict {
	v.Action, v.Status, v.Reason = ActionRefuse, status, reason
	return v
}

func (v Verdict) misdirect(class *Class, reason Reason, retry bool) Verdict {
	v.Retry, v.Close = retry, class.CloseOnMisdirected
	return v.refuse(statusMisdirected, reason)
}

// retry tells whether a request for a host on a fresh connection that asked
// for that very host would get past step 5. The client is taken to be the same
// one: it would take the preferred certificate, and it has no better version
// than the connection's, which is the best of both sides already.
func (m *Map) retry(f *Facts, host string, e *entry, rule Rule) bool {
	serverName := serverNameOf(host)
	fresh, certificates := m.Handshake(serverName)
	if len(certificates) == 0 {
		return false
	}
	var id PolicyID
	if fresh != nil {
		if f.Version < fresh.Class.MinVersion {
			return false
		}
		id = fresh.Policy.ID
	}
	if e != nil {
		if !e.policyHolds(id, f.Version) {
			return false
		}
		if e.class.Trusts(f.Peer) {
			return true
		}
	}
	return m.judgeCertificate(certificates[0], serverName, host, e, rule) == ""
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
