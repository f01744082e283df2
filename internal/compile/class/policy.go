package class

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// resolve reads the AuthorityPolicy of a class. Where there is none to be
// read the class keeps the options that it had. Where those are not known
// either it is unresolved: whoever names a policy may have asked for more than
// the built-in options do, and its sites must not be served on milder terms.
func (r *resolver) resolve(ic *networkingv1.IngressClass) *Class {
	options := r.builtin()
	options.Name = ic.Name
	if r.classes.Guards(ic.Name) {
		options.Guarded = r.Guarded
	}
	c := &Class{Class: options, Defaults: r.classes.byName[""].Defaults}
	if ic.Spec.Parameters == nil || r.classes.Guards(ic.Name) && !namesPolicy(ic) {
		c.Class = r.keep(options)
		return c
	}
	policy := r.policyOf(ic)
	if policy == nil {
		if old := r.before[ic.Name]; old == nil || old.Unresolved {
			options.Unresolved = true
			c.Class = r.keep(options)
		} else {
			c.Class = old
			if old == r.Previous.Class() && len(r.Previous.Defaults()) != 0 {
				c.Defaults = r.keepDefaults()
			}
		}
		return c
	}
	p := policyReader{r.Problems, hostmap.Object{Kind: "AuthorityPolicy", Namespace: policy.Namespace, Name: policy.Name}}
	p.read(&policy.Spec, options)
	if secret, ok := p.defaultCertificate(policy); ok {
		options.DefaultCertificate = secret
		field := "AuthorityPolicy " + problem.Quote(policy.Namespace+"/"+policy.Name) + ": spec.tls.defaultCertificateRef"
		c.Defaults = r.defaults(hostmap.Object{Kind: "IngressClass", Name: ic.Name}, field, secret)
	}
	c.Class = r.keep(options)
	return c
}

// defaultCertificate is the Secret that a policy names as its class's default
// certificate; false where it names none that it may.
func (r policyReader) defaultCertificate(policy *v1alpha1.AuthorityPolicy) (hostmap.SecretRef, bool) {
	ref := policy.Spec.TLS.DefaultCertificateRef
	switch {
	case ref == nil:
		return hostmap.SecretRef{}, false
	case ref.Namespace != "" && ref.Namespace != policy.Namespace:
		// Who may write a policy is often confined to its namespace; a
		// reference must not lend them another one's certificate.
		r.problems.Add(r.on, problem.PolicyInvalid, "spec.tls.defaultCertificateRef.namespace: the Secret must be in the policy's own namespace; --default-certificate may name any.")
		return hostmap.SecretRef{}, false
	}
	return hostmap.SecretRef{Namespace: policy.Namespace, Name: ref.Name}, true
}

// policyOf finds the AuthorityPolicy that a class names.
func (r *resolver) policyOf(ic *networkingv1.IngressClass) *v1alpha1.AuthorityPolicy {
	on := hostmap.Object{Kind: "IngressClass", Name: ic.Name}
	if !namesPolicy(ic) {
		r.Problems.Add(on, problem.PolicyInvalid, "spec.parameters must name an AuthorityPolicy of %s; the class keeps the options it had, else its hosts are refused.", v1alpha1.GroupName)
		return nil
	}
	key, ok := PolicyOf(ic)
	if !ok {
		r.Problems.Add(on, problem.PolicyInvalid, "spec.parameters must have scope Namespace and a namespace; the class keeps the options it had, else its hosts are refused.")
		return nil
	}
	policy := r.policies[key]
	if policy == nil {
		r.Problems.Add(on, problem.PolicyNotFound, "spec.parameters: AuthorityPolicy %s does not exist, or its namespace is not watched; the class keeps the options it had, else its hosts are refused.", problem.Quote(key.String()))
	}
	return policy
}

// namesPolicy tells whether the parameters of a class are an AuthorityPolicy.
// Those of a guarded class may be another controller's own.
func namesPolicy(ic *networkingv1.IngressClass) bool {
	p := ic.Spec.Parameters
	return p != nil && p.APIGroup != nil && *p.APIGroup == v1alpha1.GroupName && p.Kind == v1alpha1.AuthorityPolicyKind
}

// PolicyOf names the AuthorityPolicy that the parameters of a class are, where
// they are one.
func PolicyOf(ic *networkingv1.IngressClass) (types.NamespacedName, bool) {
	p := ic.Spec.Parameters
	if !namesPolicy(ic) || p.Namespace == nil || *p.Namespace == "" ||
		p.Scope != nil && *p.Scope != networkingv1.IngressClassParametersReferenceScopeNamespace {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: *p.Namespace, Name: p.Name}, true
}

// policyReader reads the fields of one AuthorityPolicy. A field that cannot be
// used is a problem and leaves its default; the rest holds.
type policyReader struct {
	problems *problem.List
	on       hostmap.Object
}

func (r policyReader) invalid(field, format string, args ...any) {
	r.problems.Add(r.on, problem.PolicyInvalid, "spec."+field+": "+format+"; it has no effect.", args...)
}

func (r policyReader) read(spec *v1alpha1.AuthorityPolicySpec, c *hostmap.Class) {
	m := &spec.Misdirected
	if m.Rule != "" {
		rule, ok := Rule(string(m.Rule))
		if !ok {
			r.invalid("misdirected.rule", "%s is not certificate, same-certificate, server-name or off", problem.Quote(string(m.Rule)))
		}
		c.Rule = rule
	}
	choose(r, "misdirected.enforcement", m.Enforcement, v1alpha1.EnforcementEnforce, v1alpha1.EnforcementReport)
	c.Report = m.Enforcement == v1alpha1.EnforcementReport
	choose(r, "misdirected.unservedAuthority", m.UnservedAuthority, v1alpha1.UnservedNotFound, v1alpha1.UnservedMisdirected)
	c.UnservedMisdirected = m.UnservedAuthority == v1alpha1.UnservedMisdirected
	c.CloseOnMisdirected = m.CloseOnMisdirected
	choose(r, "misdirected.shareCertificates", m.ShareCertificates, v1alpha1.ShareCertificatesNamespace, v1alpha1.ShareCertificatesCluster)
	c.ShareCertificates = m.ShareCertificates == v1alpha1.ShareCertificatesCluster

	choose(r, "originFrame", spec.OriginFrame, v1alpha1.OriginFrameAuto, v1alpha1.OriginFrameAlways, v1alpha1.OriginFrameNever)
	switch spec.OriginFrame {
	case v1alpha1.OriginFrameAlways:
		c.Origin = hostmap.OriginAlways
	case v1alpha1.OriginFrameNever:
		c.Origin = hostmap.OriginNever
	}

	if choose(r, "nginxAnnotations", spec.NginxAnnotations, v1alpha1.NginxAnnotationsOff, v1alpha1.NginxAnnotationsStrict, v1alpha1.NginxAnnotationsLenient) {
		c.NginxAnnotations = strings.ToLower(string(spec.NginxAnnotations))
	}

	choose(r, "tls.minVersion", spec.TLS.MinVersion, v1alpha1.TLS12, v1alpha1.TLS13)
	if spec.TLS.MinVersion == v1alpha1.TLS13 {
		c.MinVersion = tls.VersionTLS13
	}
	c.TrustedGateways = r.gateways(spec.TrustedGateways)
	r.limits(&spec.HTTP, &c.Limits)
	c.Claims = r.claims(spec.Claims)
	if spec.Guard != nil {
		r.guard(spec.Guard, c)
	}
}

// choose reports a value that is not "" nor one of those that a field may have,
// and tells whether it can be used.
func choose[T ~string](r policyReader, field string, value T, may ...T) bool {
	if value == "" || slices.Contains(may, value) {
		return true
	}
	var words []string
	for _, m := range may {
		words = append(words, string(m))
	}
	r.invalid(field, "%s is not one of %s", problem.Quote(string(value)), strings.Join(words, ", "))
	return false
}

func (r policyReader) gateways(cidrs []v1alpha1.CIDR) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range cidrs {
		p, err := netip.ParsePrefix(string(s))
		switch {
		case err != nil:
			r.invalid("trustedGateways", "%s is not a CIDR such as 10.0.0.0/8", problem.Quote(string(s)))
		case p.Bits() == 0:
			r.invalid("trustedGateways", "%s is every address; to check nobody, set misdirected.rule to off", problem.Quote(string(s)))
		case p.Addr().Is4In6():
			r.invalid("trustedGateways", "%s maps IPv4 into IPv6; write the IPv4 range", problem.Quote(string(s)))
		default:
			out = append(out, p.Masked())
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}

func (r policyReader) limits(h *v1alpha1.HTTPSpec, l *hostmap.Limits) {
	const unbounded = 1<<31 - 1
	for _, n := range []struct {
		field    string
		value    int32
		min, max int32
		to       *int
	}{
		{"maxStreams", h.MaxStreams, 1, 65536, &l.MaxStreams},
		{"maxHeaderBytes", h.MaxHeaderBytes, 1024, 16777216, &l.MaxHeaderBytes},
		{"maxHeaderFields", h.MaxHeaderFields, 10, 65536, &l.MaxHeaderFields},
		{"maxContinuations", h.MaxContinuations, 1, 65536, &l.MaxContinuations},
		{"resetBurst", h.ResetBurst, 1, unbounded, &l.ResetBurst},
		{"resetRate", h.ResetRate, 1, unbounded, &l.ResetRate},
		{"controlBurst", h.ControlBurst, 1, unbounded, &l.ControlBurst},
		{"controlRate", h.ControlRate, 1, unbounded, &l.ControlRate},
		{"maxConnectionsPerSource", h.MaxConnectionsPerSource, 1, unbounded, &l.MaxConnectionsPerSource},
	} {
		switch {
		case n.value == 0:
		case n.value < n.min || n.value > n.max:
			r.invalid("http."+n.field, "%d is not between %d and %d", n.value, n.min, n.max)
		default:
			*n.to = int(n.value)
		}
	}
	for _, d := range []struct {
		field string
		value v1alpha1.Duration
		to    *time.Duration
	}{
		{"handshakeTimeout", h.HandshakeTimeout, &l.HandshakeTimeout},
		{"prefaceTimeout", h.PrefaceTimeout, &l.PrefaceTimeout},
		{"headerTimeout", h.HeaderTimeout, &l.HeaderTimeout},
		{"idleTimeout", h.IdleTimeout, &l.IdleTimeout},
		{"stallTimeout", h.StallTimeout, &l.StallTimeout},
		{"maxConnectionAge", h.MaxConnectionAge, &l.MaxConnectionAge},
		{"connectTimeout", h.ConnectTimeout, &l.ConnectTimeout},
		{"readTimeout", h.ReadTimeout, &l.ReadTimeout},
		{"sendTimeout", h.SendTimeout, &l.SendTimeout},
	} {
		if d.value == "" {
			continue
		}
		v, err := time.ParseDuration(string(d.value))
		if err != nil || v <= 0 {
			r.invalid("http."+d.field, "%s is not a time above zero such as 10s", problem.Quote(string(d.value)))
			continue
		}
		*d.to = v
	}
}
