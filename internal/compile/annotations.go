package compile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// rules are the rules by the name that annotation and class give them.
var rules = map[string]hostmap.Rule{
	string(v1alpha1.RuleCertificate):     hostmap.RuleCertificate,
	string(v1alpha1.RuleSameCertificate): hostmap.RuleSameCertificate,
	string(v1alpha1.RuleServerName):      hostmap.RuleServerName,
	string(v1alpha1.RuleOff):             hostmap.RuleOff,
}

var protocols = map[string]hostmap.Protocol{
	v1alpha1.BackendProtocolHTTP:  hostmap.HTTP,
	v1alpha1.BackendProtocolHTTPS: hostmap.HTTPS,
	v1alpha1.BackendProtocolH2C:   hostmap.H2C,
	v1alpha1.BackendProtocolGRPC:  hostmap.GRPC,
	v1alpha1.BackendProtocolGRPCS: hostmap.GRPCS,
}

// maxAliases bounds the hosts of server-alias: each multiplies all rules of
// its Ingress.
const maxAliases = 64

// annotations are those of an Ingress, read. The zero value is what holds
// without any.
type annotations struct {
	// says is what they say of the Ingress's hosts.
	says settings
	// aliases are canonical hosts.
	aliases []string
	// upstream is how backends are reached.
	upstream upstream
}

// readAnnotations reads an Ingress's annotations. A bad value is a problem and
// has no effect, except where it asks for client certificates.
func (b *builder) readAnnotations(ing *ingress) {
	a := &ing.notes
	var caSecret, aliases string
	asksClientAuth, misspelt := false, false
	for _, name := range ourAnnotations(ing.object.Annotations) {
		value := ing.object.Annotations[name]
		switch name {
		case v1alpha1.AnnotationMisdirected:
			if _, ok := rules[value]; !ok && value != v1alpha1.RuleReport {
				b.badValue(ing, name, value, "certificate, same-certificate, server-name, report or off")
				continue
			}
			a.says.misdirected = said[string]{value, ing}
		case v1alpha1.AnnotationSSLRedirect:
			a.says.sslRedirect = b.boolean(ing, name, value)
		case v1alpha1.AnnotationForceSSLRedirect:
			a.says.forceSSLRedirect = b.boolean(ing, name, value)
		case v1alpha1.AnnotationClientAuth, v1alpha1.AnnotationClientAuthSecret, v1alpha1.AnnotationClientAuthDepth:
			asksClientAuth = true
		case v1alpha1.AnnotationBackendProtocol:
			protocol, ok := protocols[value]
			if !ok {
				b.badValue(ing, name, value, "HTTP, HTTPS, H2C, GRPC or GRPCS")
			}
			a.upstream.protocol = protocol
		case v1alpha1.AnnotationBackendCASecret:
			caSecret = value
			a.upstream.verify = true
		case v1alpha1.AnnotationUpstreamHost:
			host, err := hostmap.Host(value)
			if err != nil {
				b.badValue(ing, name, value, "a host: "+err.Error())
				continue
			}
			a.upstream.serverName = host
		case v1alpha1.AnnotationServerAlias:
			aliases = value
		default:
			if meansClientAuth(name) {
				b.problem(ing.subject, ClientAuthUnresolved, "Annotation %s is none that is read, and asks for client certificates by its name. Its hosts are refused; correct the name or remove it.", quote(name))
				misspelt = true
				continue
			}
			b.problem(ing.subject, AnnotationUnknown, "Annotation %s is none that is read; it has no effect. Correct its name or remove it.", quote(name))
		}
	}
	switch {
	case misspelt:
		a.says.asks, a.says.unresolved, a.says.blind = true, true, ing
	case asksClientAuth:
		policy := b.clientAuth(ing)
		a.says.asks = true
		if policy.Unresolved {
			a.says.unresolved, a.says.blind = true, ing
		} else {
			a.says.policy = said[*hostmap.TLSPolicy]{policy, ing}
		}
	}
	a.aliases = b.aliases(ing, aliases)
	if a.upstream.verify {
		b.readBackendCAs(ing, caSecret)
	}
}

// ourAnnotations returns the names that are to be read, in order.
func ourAnnotations(all map[string]string) []string {
	var names []string
	for name := range all {
		if strings.HasPrefix(name, v1alpha1.AnnotationPrefix) || meansClientAuth(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// meansClientAuth tells whether an annotation's name begins like those that
// ask for client certificates, whatever its case and its hyphens: a misspelt
// one must not leave a host open. An API server takes keys in any case.
func meansClientAuth(name string) bool {
	const prefix, want = v1alpha1.AnnotationPrefix, "clientauth"
	if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return false
	}
	n := 0
	for i := len(prefix); i < len(name) && n < len(want); i++ {
		switch c := name[i]; {
		case c == '-', c == '_', c == '.':
		case c|0x20 == want[n]:
			n++
		default:
			return false
		}
	}
	return n == len(want)
}

func (b *builder) badValue(ing *ingress, name, value, want string) {
	b.problem(ing.subject, AnnotationInvalid, "Annotation %s: %s is not %s; it has no effect.", name, quote(value), want)
}

// boolean reads "true" or "false", and nothing else.
func (b *builder) boolean(ing *ingress, name, value string) said[bool] {
	switch value {
	case "true", "false":
		return said[bool]{value == "true", ing}
	}
	b.badValue(ing, name, value, `"true" or "false"`)
	return said[bool]{}
}

// aliases reads hosts separated by commas.
func (b *builder) aliases(ing *ingress, value string) []string {
	var out []string
	bad, over := 0, 0
	for s := range strings.SplitSeq(value, ",") {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		full := len(out)+bad == maxAliases
		if full && !ing.notes.says.asks {
			over++
			continue
		}
		host, err := hostmap.Pattern(s)
		switch {
		case err == nil && slices.Contains(out, host):
		case full:
			over++
			if err == nil {
				ing.limit.over = append(ing.limit.over, host)
			}
		case err != nil:
			b.badValue(ing, v1alpha1.AnnotationServerAlias, s, "a host: "+err.Error())
			bad++
		default:
			out = append(out, host)
		}
	}
	if over != 0 {
		b.problem(ing.subject, AnnotationInvalid, "Annotation %s: %s names are more than the %d that are read; they are not served because of this Ingress.", v1alpha1.AnnotationServerAlias, thousands(over), maxAliases)
	}
	return out
}

// policyKey remembers TLS policies within a run: many Ingresses ask for the
// same.
type policyKey struct {
	secret hostmap.SecretRef
	mode   hostmap.ClientAuth
	depth  int
}

// clientAuth reads the three annotations that ask for client certificates.
// What cannot be read leaves an unresolved policy, which refuses everybody.
func (b *builder) clientAuth(ing *ingress) *hostmap.TLSPolicy {
	notes := ing.object.Annotations
	mode := hostmap.ClientAuthRequire
	fail := func(format string, args ...any) *hostmap.TLSPolicy {
		b.problem(ing.subject, ClientAuthUnresolved, format+" Its hosts are refused.", args...)
		p := hostmap.UnresolvedTLSPolicy(mode)
		return &p
	}
	switch value, ok := notes[v1alpha1.AnnotationClientAuth]; {
	case !ok, value == v1alpha1.ClientAuthRequire:
	case value == v1alpha1.ClientAuthOptional:
		mode = hostmap.ClientAuthOptional
	default:
		return fail("Annotation %s: %s is not require or optional.", v1alpha1.AnnotationClientAuth, quote(value))
	}
	depth := hostmap.DefaultClientAuthDepth
	if value, ok := notes[v1alpha1.AnnotationClientAuthDepth]; ok {
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n < 1 {
			return fail("Annotation %s: %s is not a number from 1 to 255.", v1alpha1.AnnotationClientAuthDepth, quote(value))
		}
		depth = int(n)
	}
	name := notes[v1alpha1.AnnotationClientAuthSecret]
	if name == "" {
		return fail("Annotation %s names no Secret.", v1alpha1.AnnotationClientAuthSecret)
	}
	key := policyKey{hostmap.SecretRef{Namespace: ing.object.Namespace, Name: name}, mode, depth}
	c := b.bundle(key.secret)
	if c.Bundle == nil {
		return fail("Annotation %s: %s", v1alpha1.AnnotationClientAuthSecret, c.message)
	}
	if c.reason != "" {
		b.problem(ing.subject, c.reason, "Annotation %s: %s", v1alpha1.AnnotationClientAuthSecret, c.message)
	}
	policy, ok := b.policies[key]
	if !ok {
		policy = c.Policy(mode, depth)
		b.policies[key] = policy
	}
	return &policy
}

// readBackendCAs finds the CAs that backends are verified with. Without them
// the backends are not reached at all: whoever asks for verification must not
// be given less.
func (b *builder) readBackendCAs(ing *ingress, secret string) {
	u := &ing.notes.upstream
	if !u.protocol.TLS() {
		b.problem(ing.subject, AnnotationInvalid, "Annotation %s needs %s HTTPS or GRPCS. Its backends are not reached.", v1alpha1.AnnotationBackendCASecret, v1alpha1.AnnotationBackendProtocol)
		return
	}
	c := b.bundle(hostmap.SecretRef{Namespace: ing.object.Namespace, Name: secret})
	if c.Bundle == nil {
		b.problem(ing.subject, c.reason, "Annotation %s: %s Its backends are not reached.", v1alpha1.AnnotationBackendCASecret, c.message)
		return
	}
	if c.reason != "" {
		b.problem(ing.subject, c.reason, "Annotation %s: %s", v1alpha1.AnnotationBackendCASecret, c.message)
	}
	u.cas, u.caID = c.Pool, c.Sum
}
