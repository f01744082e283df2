package explain

import (
	"fmt"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// advice is what to change.
func (i *inquiry) advice(a *Answer) []string {
	out := []string{}
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	host := i.r.Host
	switch {
	case a.Connection.Refused != "":
		i.adviseHandshake(a, say)
		return out
	case a.Verdict.Reason == reasonAuthority:
		say("Ask for a host name or an IP literal, with or without a port.")
		return out
	case a.Verdict.Reason == reasonPath:
		say("Ask for a path that begins with '/', with no spaces, '#' or '?', and with two hexadecimal digits after each '%%'.")
		return out
	}
	if why := i.unreachable(); why == hostmap.MissingProtection {
		say("Mend the annotations of %s, or what they name; `ingress421 check` says what is wrong. Until then nobody is let in.", i.v.Route.From)
	} else if why != "" {
		say("Mend the backend of %s; `ingress421 check` says what is wrong.", i.v.Route.From)
	}
	reason := i.v.Reason
	if reason == "" && i.v.Reported != "" {
		reason = i.v.Reported
		say("This is only reported. Before the rule is enforced, see to what follows.")
	}
	switch reason {
	case "":
	case hostmap.ReasonScheme:
		say("Have the client, or the proxy in front, say the scheme of the connection that it uses.")
	case hostmap.ReasonTLSPolicy:
		i.advisePolicy(say)
	case hostmap.ReasonCertificate:
		i.adviseCertificate(say)
	case hostmap.ReasonOtherCertificate:
		if i.t.Ground(hostmap.StepVouch) == hostmap.GroundForeign {
			i.adviseForeign(say)
		} else {
			i.adviseRule(say)
		}
	case hostmap.ReasonServerName:
		i.adviseRule(say)
	case hostmap.ReasonUnserved:
		say("Add an Ingress with a rule for %s, if it should be served here.", host)
	case hostmap.ReasonNoRoute:
		say("Add a path rule for %s to an Ingress of %s, or a spec.defaultBackend.", i.r.Path, i.siteText())
	case hostmap.ReasonSourceRange:
		say("If this client should be let in, change allow-source-range or deny-source-range of %s. Behind a proxy the address is the proxy's, unless the class's trustedGateways name it.", i.v.Route.From)
	case hostmap.ReasonRewrite:
		say("Have the regular expression of %s end its groups at a '/'.", i.v.Route.From)
	}
	return out
}

func (i *inquiry) adviseHandshake(a *Answer, say func(string, ...any)) {
	name := i.hand.ServerName
	switch a.Connection.Refused {
	case hostmap.RefusedNoName:
		say("Have the client send a server name, or give the class a default certificate (spec.tls.defaultCertificateRef, --default-certificate).")
	case hostmap.RefusedBadName:
		say("A server name is a DNS name, without port, and no IP address (RFC 6066 section 3).")
	case hostmap.RefusedUnserved:
		say("Add an Ingress with a rule and a tls entry for %s, or a default certificate.", name)
	case hostmap.RefusedNoCert:
		say("The Secret that the tls entry of %s names is missing or cannot be read, or there is no entry and no default certificate; `ingress421 check` says which.", name)
	case hostmap.RefusedUnresolved:
		say("Mend the client-auth annotations of the Ingresses of %s, or the Secret that they name; `ingress421 check` says what is wrong. Until then nobody is let in.", name)
	default:
		say("Have the client speak a newer TLS version, or lower spec.tls.minVersion of the class.")
	}
}

func (i *inquiry) advisePolicy(say func(string, ...any)) {
	site := i.siteText()
	switch i.t.Ground(hostmap.StepTLSPolicy) {
	case hostmap.GroundUnresolved:
		say("Mend the client-auth annotations of the Ingresses of %s, or the Secret that they name; `ingress421 check` says what is wrong. Until then nobody is let in.", site)
	case hostmap.GroundCleartext:
		say("Use https. No annotation lets a host with client certificates be served in cleartext.")
	case hostmap.GroundOldVersion:
		say("Have the client speak a newer TLS version, or lower spec.tls.minVersion of the class.")
	default:
		host := i.r.Host
		if i.f.Leaf == nil || !i.f.Leaf.Covers(host) {
			i.adviseOwnConnection(say)
			return
		}
		say("Nothing must be changed for clients that come back on a connection of their own. So that they do not come on this one, have connections for %s served a certificate that does not cover %s, or give the host a name that theirs does not cover.", i.nameText(), host)
	}
}

// adviseOwnConnection is for requests that no browser sends, as the connection's
// certificate does not cover their host.
func (i *inquiry) adviseOwnConnection(say func(string, ...any)) {
	say("No browser sends this. Have whoever does open a connection for %s.", i.r.Host)
}

func (i *inquiry) adviseCertificate(say func(string, ...any)) {
	host := i.r.Host
	fresh := i.fresh()
	if i.own() || fresh.Verdict.Reason == string(hostmap.ReasonCertificate) {
		if i.v.Site == nil {
			say("Nobody serves %s here: add an Ingress with a rule and a tls entry for it, if it should be.", host)
			return
		}
		say("Issue a certificate that names %s, and put it into the Secret that the tls entry of %s names.", host, i.siteText())
		return
	}
	i.adviseOwnConnection(say)
	say("If it is a CDN or another proxy that ends TLS for many hosts, name its addresses in the class's spec.trustedGateways.")
}

func (i *inquiry) adviseForeign(say func(string, ...any)) {
	site := i.siteText()
	if ns := i.v.Site.Namespace; ns != "" {
		say("Give %s a tls entry with a Secret of namespace %s whose certificate names it.", site, ns)
	}
	say("If tenants trust each other, set spec.misdirected.shareCertificates: Cluster in the AuthorityPolicy of the class.")
}

func (i *inquiry) adviseRule(say func(string, ...any)) {
	site := i.siteText()
	say("Nothing must be changed for clients that come back on a connection of their own; Safari does not always.")
	say("For connections to be shared, set the annotation ingress421.dev/misdirected: certificate on the Ingresses of %s. For no client to try, give %s a certificate with no other host's names, and others one that does not cover it.", site, site)
}
