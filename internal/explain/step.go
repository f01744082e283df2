package explain

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// steps puts the trace into words.
func (i *inquiry) steps() []Step {
	out := []Step{}
	for _, s := range hostmap.Steps() {
		g := i.t.Ground(s)
		if g == hostmap.GroundNotAsked {
			continue
		}
		step := Step{Number: s.Number(), Name: nameOf(s), Outcome: "holds", Ground: g.String(), Why: i.why(g)}
		switch {
		case i.t.Reported(s):
			step.Outcome = "reported"
		case g.Fails():
			step.Outcome = "fails"
		}
		out = append(out, step)
	}
	if s, ok := i.termsStep(); ok {
		out = append(out, s)
	}
	if s, ok := i.askedStep(); ok {
		out = append(out, s)
	}
	if s, ok := i.backendStep(); ok {
		out = append(out, s)
	}
	return out
}

func nameOf(s hostmap.Step) string {
	return map[hostmap.Step]string{
		hostmap.StepScheme:      "scheme",
		hostmap.StepGateway:     "trusted gateway",
		hostmap.StepTLSPolicy:   "TLS policy",
		hostmap.StepCertificate: "coverage",
		hostmap.StepVouch:       "vouching",
		hostmap.StepRule:        "the host's rule",
		hostmap.StepServed:      "served here",
		hostmap.StepRoute:       "route",
	}[s]
}

// termsStep says what the terms did, where they did anything.
func (i *inquiry) termsStep() (Step, bool) {
	s := Step{Number: "terms", Name: "terms", Outcome: "holds"}
	v := &i.v
	switch a := v.Answer.First(); {
	case a != nil:
		s.Ground, s.Why = "answer", i.answersText(a)+"."
	case v.Action == hostmap.ActionRedirect && v.Route == nil:
		s.Ground, s.Why = "https-redirect", i.siteText()+" sends requests in cleartext to https."
	case v.Action == hostmap.ActionRedirect:
		s.Ground, s.Why = "redirect", fmt.Sprintf("%s redirects to %s.", v.Route.From, v.Location())
	case v.Reason == hostmap.ReasonSourceRange:
		s.Outcome, s.Ground = "fails", "source-range"
		s.Why = fmt.Sprintf("%s is not in a source range that %s lets in%s.", i.clientText(), v.Route.From, rangesText(v.Ranges()))
	case v.Reason == hostmap.ReasonRewrite:
		s.Outcome, s.Ground = "fails", "rewrite"
		s.Why = fmt.Sprintf("The path, rewritten to %s, would have dot segments.", v.Route.Terms.RewriteTarget)
	case v.Path != "":
		s.Ground, s.Why = "rewrite", fmt.Sprintf("%s has the path rewritten to %s.", v.Route.From, v.Path)
	default:
		return s, false
	}
	return s, true
}

// askedStep says what else is asked of a request that is served so far, which
// depends on more than the request that was inquired about.
func (i *inquiry) askedStep() (Step, bool) {
	v := &i.v
	if v.Action != hostmap.ActionServe || v.Route == nil {
		return Step{}, false
	}
	var asks []string
	t := &v.Route.Terms
	for _, answers := range [...]hostmap.Answers{v.Site.Terms.Answers, t.Answers} {
		for a := range answers.All() {
			if i.unknown(a.When.Of) {
				asks = append(asks, fmt.Sprintf("answers %d where %s", a.Status, a.When))
			}
		}
	}
	if t.Quota != (hostmap.Quota{}) {
		asks = append(asks, "lets one client have "+t.Quota.String()+" (else 503)")
	}
	if t.BasicAuth != (hostmap.BasicAuth{}) {
		asks = append(asks, "asks for a name and a password (else 401)")
	}
	if a := t.Auth.Terms(); a != nil {
		asks = append(asks, "asks "+a.Host+a.Path+" (else 401, 403 or 503)")
	}
	if t.MaxBodySize != 0 {
		asks = append(asks, fmt.Sprintf("takes bodies of up to %d octets (else 413)", t.MaxBodySize))
	}
	if len(asks) == 0 {
		return Step{}, false
	}
	return Step{
		Number: "terms", Name: "what else is asked", Outcome: "holds", Ground: "asks",
		Why: fmt.Sprintf("%s %s.", v.Route.From, strings.Join(asks, ", and ")),
	}, true
}

// answersText says who answers a request in place of the backend.
func (i *inquiry) answersText(a *hostmap.Answer) string {
	by := i.siteText()
	if i.v.Route != nil {
		by = i.v.Route.From.String()
	}
	text := fmt.Sprintf("%s answers %d", by, a.Status)
	if a.When != (hostmap.Condition{}) {
		text += " where " + a.When.String()
	}
	return text
}

func (i *inquiry) clientText() string {
	if !i.q.Client.IsValid() {
		return "A client without a known address"
	}
	return i.q.Client.String()
}

func rangesText(t *hostmap.Terms) string {
	var parts []string
	if t.Allow != (hostmap.Ranges{}) {
		parts = append(parts, "allowed are "+t.Allow.String())
	}
	if t.Deny != (hostmap.Ranges{}) {
		parts = append(parts, "denied are "+t.Deny.String())
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// siteText names the authority's site.
func (i *inquiry) siteText() string {
	s := i.v.Site
	if s == nil {
		return i.r.Host
	}
	if s.Host == "" {
		return "The default site"
	}
	return s.Host
}

// shownNames bounds the names of a certificate in a sentence.
const shownNames = 6

// leafText names the certificate of the connection and what is in it.
func (i *inquiry) leafText() string {
	c := i.f.Leaf
	names := c.Names
	more := ""
	if len(names) > shownNames {
		more = fmt.Sprintf(" and %d more", len(names)-shownNames)
		names = names[:shownNames]
	}
	return fmt.Sprintf("the connection's certificate, Secret %s for %s%s", c.Secret, strings.Join(names, ", "), more)
}

// upper begins a sentence.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// why is a ground in a sentence.
func (i *inquiry) why(g hostmap.Ground) string {
	host, site := i.r.Host, i.siteText()
	switch g {
	case hostmap.GroundNoSite:
		return "No site serves " + host + ", so that nothing more is asked."
	case hostmap.GroundSameScheme:
		if i.r.Scheme == "" {
			return "The request names no scheme of its own; the connection's is " + i.connectionScheme() + "."
		}
		return "The request says " + i.r.Scheme + ", and so does its connection."
	case hostmap.GroundOtherScheme:
		return "The request says " + i.r.Scheme + ", and its connection is one of " + i.connectionScheme() + "."
	case hostmap.GroundNoPolicy:
		return site + " asks for no client certificate."
	case hostmap.GroundSamePolicy:
		return site + " asks for client certificates (" + i.v.Site.Policy.Mode.String() + "), and the handshake was made under the same policy."
	case hostmap.GroundOtherPolicy:
		return site + " asks for client certificates (" + i.v.Site.Policy.Mode.String() + "), and the handshake was made " + i.policyText() + "."
	case hostmap.GroundUnresolved:
		return site + " asks for client certificates, and how to verify them is not known: its Ingresses name no Secret that can be used, or contradict each other."
	case hostmap.GroundCleartext:
		return site + " asks for client certificates, which cleartext has none of."
	case hostmap.GroundOldVersion:
		return fmt.Sprintf("The connection has %s, and the class of %s asks for %s at least.", tls.VersionName(i.f.Version), site, tls.VersionName(i.v.Site.Class.MinVersion))
	case hostmap.GroundTrusted:
		return i.q.Peer.String() + " is a trusted gateway of the class: it may send requests for any host over one connection."
	case hostmap.GroundCovered:
		return upper(i.leafText()) + ", covers " + host + "."
	case hostmap.GroundNotCovered:
		return upper(i.leafText()) + ", does not cover " + host + "."
	case hostmap.GroundNoLeaf:
		return "The connection was served no certificate."
	case hostmap.GroundRuleOff:
		return "The rule of " + site + " is off: coverage is not asked for."
	default:
		return i.whyLater(g)
	}
}

// whyLater is why for steps 4b and later.
func (i *inquiry) whyLater(g hostmap.Ground) string {
	host, site := i.r.Host, i.siteText()
	switch g {
	case hostmap.GroundShared:
		return "The class lets certificates of any namespace stand for its hosts (shareCertificates: Cluster)."
	case hostmap.GroundNamespace:
		return "The certificate is out of namespace " + i.v.Site.Namespace + ", which owns " + site + "."
	case hostmap.GroundDefaultCertificate:
		return "The certificate is a default one, which stands for every host."
	case hostmap.GroundOwnCertificate:
		return "The certificate is one of " + site + " itself."
	case hostmap.GroundForeign:
		return fmt.Sprintf("The certificate is out of namespace %s, and %s: one tenant's host would be shown under another's certificate.", i.f.Leaf.Secret.Namespace, i.ownerText())
	case hostmap.GroundNoMore:
		return "The rule of " + site + " is " + i.v.Rule.String() + ", which asks for no more."
	case hostmap.GroundSameCertificate:
		return "The rule of " + site + " is same-certificate, and the certificate is one of its own."
	case hostmap.GroundOtherCertificate:
		return "The rule of " + site + " is same-certificate, and the certificate is none of its own."
	case hostmap.GroundSameName:
		return "The rule of " + site + " is server-name, and that is what the connection was made for."
	case hostmap.GroundOtherName:
		return "The rule of " + site + " is server-name, and the connection was made for " + i.nameText() + "."
	case hostmap.GroundServed:
		if i.v.Site.Host != host {
			return upper(site) + " serves " + host + "."
		}
		return host + " is served here."
	case hostmap.GroundUnserved:
		return "No Ingress names " + host + ", and there is no default site."
	case hostmap.GroundRoute:
		r := i.v.Route
		if r == nil {
			return "A path rule matches."
		}
		if r.Default {
			return "The default backend of " + r.From.String() + " takes what no path rule does."
		}
		return fmt.Sprintf("The path rule %s %s of %s matches.", r.Type, r.Path, r.From)
	case hostmap.GroundNoRoute:
		return "No path rule of " + site + " matches " + i.r.Path + "."
	}
	return ""
}

func (i *inquiry) policyText() string {
	if s := i.hand.Site; s != nil && s.Policy.Mode != hostmap.ClientAuthNone {
		return "under the policy of " + s.Label() + ", which asks otherwise"
	}
	return "without asking for one"
}

func (i *inquiry) ownerText() string {
	if ns := i.v.Site.Namespace; ns != "" {
		return "namespace " + ns + " owns " + i.siteText()
	}
	return "no namespace owns " + i.siteText()
}

func (i *inquiry) nameText() string {
	if i.hand.ServerName == "" {
		return "no name at all"
	}
	return i.hand.ServerName
}
