package audit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Result is what becomes of a request on a connection made for another host.
type Result uint8

const (
	// Served is a request that the rule lets pass.
	Served Result = iota
	// Misrouted is one that passes because its host's rule is "off"; the rule
	// of its class would not let it.
	Misrouted
	// Reported is one that the rule would refuse, and that is counted, logged
	// and served.
	Reported
	// Misdirected is one that is answered 421.
	Misdirected
)

var resultNames = [...]string{"served", "misrouted", "reported", "421"}

func (r Result) String() string { return resultNames[r] }

// MarshalText implements encoding.TextMarshaler.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Outcome is what becomes of a request, why, and whether the client gets
// through on a connection of its own.
type Outcome struct {
	Result Result `json:"result"`
	// Reason is why it is refused, or why it would be; "" where it is served.
	Reason hostmap.Reason `json:"reason,omitempty"`
	// Rule is the one in force for the request's host.
	Rule ruleText `json:"rule"`
	// Retry tells whether the same request on a connection made for its own
	// host is served. It means something beside a reason.
	Retry bool `json:"retry"`
}

type ruleText struct{ hostmap.Rule }

func (r ruleText) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// way is what becomes of the requests for one kind of hosts on connections made
// for another kind, all under one certificate. The rule cannot tell the hosts of
// a kind apart.
type way struct {
	leaf     *hostmap.Certificate
	from, to *kind
	// pairs is how many there are: each of from with each of to but itself. A
	// pattern makes a pair with itself, of two hosts below it.
	pairs   uint64
	outcome Outcome
}

// kind is some hosts that a leaf covers.
type kind struct {
	// hosts are sorted as the index is, those of sites before others.
	hosts []*host
	// beside tells that there is one of them that is beside the leaf.
	beside bool
}

// connectionKind is what the rule reads of a connection that is served a given
// leaf, beside the server name.
type connectionKind struct {
	secret hostmap.SecretRef
	policy hostmap.PolicyID
	// address tells that it was made for an IP literal, and so without a server
	// name.
	address bool
}

// requestKind is what the rule reads of a request's site, given a leaf that
// covers its host.
type requestKind struct {
	class      *hostmap.Class
	rule       hostmap.Rule
	report     bool
	mode       hostmap.ClientAuth
	policy     hostmap.PolicyID
	unresolved bool
	holds      bool   // the leaf is one of the site's
	namespace  string // of the site, where connections under the leaf have it
	secrets    string // of the site, where connections under the leaf have them
	fresh      bool
	address    bool
}

// work bounds what one examination looks at: hosts that certificates cover, and
// pairs that are judged.
type work int

// maxWork is some seconds.
const maxWork = 20_000_000

// take spends some of what is left, and tells whether there was enough.
func (w *work) take(n int) bool {
	if work(n) > *w {
		return false
	}
	*w -= work(n)
	return true
}

// ways calls yield with each way under a leaf. It returns false where it had to
// stop because the work that is left did not suffice.
func (x *index) ways(leaf *hostmap.Certificate, left *work, yield func(way)) bool {
	var hosts []*host
	for h := range func(yield func(*host) bool) { x.covered(leaf, yield) } {
		if !left.take(1) {
			return false
		}
		hosts = append(hosts, h)
	}
	k := newKinds(leaf, hosts)
	if !left.take(len(k.connections) * len(k.requests)) {
		return false
	}
	for _, from := range k.connections {
		for _, to := range k.requests {
			itself := k.both[[2]*kind{from, to}]
			w := way{leaf: leaf, from: from, to: to, pairs: uint64(len(from.hosts))*uint64(len(to.hosts)) - uint64(itself)}
			if w.pairs != 0 {
				w.outcome = x.judge(w)
				yield(w)
			}
		}
	}
	return true
}

// kinds are the hosts that a leaf covers.
type kinds struct {
	// connections are those whose handshake is answered with the leaf, and
	// requests those that somebody serves, by kind.
	connections, requests []*kind
	// both counts the hosts of a connection's and a request's kind that make no
	// pair with themselves.
	both map[[2]*kind]int
}

func newKinds(leaf *hostmap.Certificate, hosts []*host) *kinds {
	k := &kinds{both: make(map[[2]*kind]int)}
	connections := make(map[connectionKind]*kind)
	of := make(map[*host]*kind) // of a connection
	namespaces, secrets := make(map[string]bool), make(map[hostmap.SecretRef]bool)
	for _, h := range hosts {
		if !h.serves(leaf.Fingerprint) {
			continue
		}
		secret := h.facts.Leaf.Secret
		namespaces[secret.Namespace], secrets[secret] = true, true
		of[h] = join(connections, &k.connections, connectionKind{secret, h.facts.Policy, hostmap.IsIP(h.name)}, h)
	}
	if len(k.connections) == 0 {
		return k
	}
	requests := make(map[requestKind]*kind)
	for _, h := range hosts {
		if h.site == nil {
			continue
		}
		to := join(requests, &k.requests, newRequestKind(leaf, h, namespaces, secrets), h)
		to.beside = to.beside || beside(leaf, h)
		if from := of[h]; from != nil && !h.pattern() {
			k.both[[2]*kind{from, to}]++
		}
	}
	return k
}

// join adds a host to the kind of a key, which it adds to a list where there is
// none yet.
func join[K comparable](byKey map[K]*kind, list *[]*kind, key K, h *host) *kind {
	k := byKey[key]
	if k == nil {
		k = new(kind)
		byKey[key] = k
		*list = append(*list, k)
	}
	k.hosts = append(k.hosts, h)
	return k
}

// beside tells whether a wildcard of a leaf covers a host that has another
// certificate of its own.
func beside(leaf *hostmap.Certificate, h *host) bool {
	_, parent, ok := strings.Cut(h.name, ".")
	return ok && !h.pattern() && leaf.Covers("*."+parent) &&
		h.facts != nil && !h.serves(leaf.Fingerprint) && h.facts.Leaf.Covers(h.name)
}

func newRequestKind(leaf *hostmap.Certificate, h *host, namespaces map[string]bool, secrets map[hostmap.SecretRef]bool) requestKind {
	s := h.site
	k := requestKind{
		class: s.Class, rule: s.Rule, report: s.Report, fresh: h.fresh, address: hostmap.IsIP(h.name),
		mode: s.Policy.Mode, policy: s.Policy.ID, unresolved: s.Policy.Unresolved,
		holds: slices.ContainsFunc(s.Certificates, func(c *hostmap.Certificate) bool { return c.Fingerprint == leaf.Fingerprint }),
	}
	if k.holds {
		return k // Which is enough for every step that asks whose leaf it is.
	}
	if namespaces[s.Namespace] {
		k.namespace = s.Namespace
	}
	if s.Rule == hostmap.RuleSameCertificate || s.Class.Rule == hostmap.RuleSameCertificate {
		var own strings.Builder
		for _, c := range s.Certificates {
			if secrets[c.Secret] {
				own.WriteString(c.Secret.String() + "\n")
			}
		}
		k.secrets = own.String()
	}
	return k
}

// judge asks the rule about one pair of a way that has any.
func (x *index) judge(w way) Outcome {
	from, to := w.from.hosts[0], w.to.hosts[0]
	if from == to && !to.pattern() {
		if len(w.to.hosts) > 1 {
			to = w.to.hosts[1]
		} else {
			from = w.from.hosts[1]
		}
	}
	request := hostmap.Request{Host: to.name, Path: "/"}
	if from == to {
		request.Host = x.another(w.leaf, to)
	}
	v := hostmap.Judge(x.m, from.facts, request)
	o := Outcome{Rule: ruleText{v.Rule}, Retry: v.Retry}
	switch {
	case v.Misdirected():
		o.Result, o.Reason = Misdirected, v.Reason
	case v.Reported != "":
		o.Result, o.Reason = Reported, v.Reported
	case v.Rule == hostmap.RuleOff:
		if reason := x.without(from, to, request); reason != "" {
			o.Result, o.Reason, o.Retry = Misrouted, reason, to.fresh
		}
	}
	return o
}

// without returns why the rule of the class would refuse a request that the
// rule "off" of its host lets pass; "" where it would not.
func (x *index) without(from, to *host, request hostmap.Request) hostmap.Reason {
	s := hostmap.Site{
		Host: to.site.Host, Namespace: to.site.Namespace, Class: to.site.Class,
		Certificates: to.site.Certificates, Policy: to.site.Policy, Rule: to.site.Class.Rule,
	}
	if s.Rule == hostmap.RuleOff {
		s.Rule = hostmap.RuleCertificate
	}
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(s)}, Class: x.m.Class(), Defaults: x.m.Defaults()})
	if v := hostmap.Judge(m, from.facts, request); v.Misdirected() {
		return v.Reason
	}
	return ""
}

// another returns a host that a pattern stands for and that nothing names.
func (x *index) another(leaf *hostmap.Certificate, h *host) string {
	for i := 0; ; i++ {
		name := "host-" + strconv.Itoa(i) + h.name[1:]
		if x.exact[name] == nil && leaf.Covers(name) == leaf.Covers(h.name) {
			return name
		}
	}
}
