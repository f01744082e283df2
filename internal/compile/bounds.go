package compile

// maxHosts bounds the hosts that an Ingress claims: an object of 1.4 MiB has
// room for more than 100,000, which would cost everybody memory and time. Each
// counts once, wherever it stands; aliases first, then rules, then tls entries.
// What is no host counts each time.
const maxHosts = 1000

// hostLimit counts the hosts of an Ingress that may have too many.
type hostLimit struct {
	// known are the hosts that count; nil where nothing needs to be counted.
	known map[string]struct{}
	bad   int // names that are no host
	// over are the hosts that are not claimed, as far as somebody must know:
	// where client certificates are asked for. They may come repeatedly.
	over []string
}

// beyond is what one field has over the bound.
type beyond struct {
	n     int
	place string // of the first
}

// begin begins to count, where an Ingress is so large that it matters.
func (l *hostLimit) begin(ing *ingress) {
	spec := &ing.object.Spec
	n := len(ing.notes.aliases) + len(spec.Rules)
	for i := range spec.TLS {
		n += len(spec.TLS[i].Hosts)
	}
	if n <= maxHosts {
		return
	}
	l.known = make(map[string]struct{}, maxHosts)
	for _, name := range ing.notes.aliases {
		l.known[name] = struct{}{}
	}
}

// full tells whether no further host is claimed.
func (l *hostLimit) full() bool { return l.known != nil && len(l.known)+l.bad >= maxHosts }

// takes tells whether a host is claimed, and counts it.
func (l *hostLimit) takes(host string) bool {
	if l.known == nil {
		return true
	}
	if _, ok := l.known[host]; ok {
		return true
	}
	if l.full() {
		return false
	}
	l.known[host] = struct{}{}
	return true
}

// claims tells whether an Ingress claims a host that a field names. Of one that
// it does not nothing is read.
func (ing *ingress) claims(host string, field *beyond, place func() string) bool {
	if ing.limit.takes(host) {
		return true
	}
	if field.n++; field.n == 1 {
		field.place = place()
	}
	if ing.notes.says.asks {
		ing.limit.over = append(ing.limit.over, host)
	}
	return false
}

func (b *builder) reportBeyond(ing *ingress, field *beyond) {
	if field.n == 0 {
		return
	}
	effect := "they are not served because of this Ingress"
	if ing.notes.says.asks {
		effect = "where the namespace serves them otherwise they are refused, because this Ingress asks for client certificates"
	}
	b.problem(ing.subject, TooManyHosts, "%s and after it: %s hosts are more than the %s that one Ingress may have; %s. Divide the Ingress.",
		field.place, thousands(field.n), thousands(maxHosts), effect)
}

// refuseOver closes the hosts that would be served without the client
// certificates which an Ingress over its bound asks for: the very hosts, where
// other Ingresses of the namespace claim them, and the wildcards and the
// default site that would serve them now.
func (b *builder) refuseOver(hs *hosts, ingresses []*ingress) {
	for _, ing := range ingresses {
		for _, name := range ing.limit.over {
			h := hs.byName[name]
			if h == nil {
				h = hs.over(&host{name: name, namespace: ing.object.Namespace, class: ing.class})
			}
			if h == nil || h.closed || h.namespace != ing.object.Namespace || h.class != ing.class {
				continue
			}
			h.closed = true
			b.problem(ing.subject, ClientAuthUnresolved, "Host %s is refused: it would serve %s, for which this Ingress asks for client certificates, but which is over its bound of %s hosts.",
				hostName(h.name), hostName(name), thousands(maxHosts))
		}
	}
}

// maxServiceEndpoints bounds the endpoints of a Service, those of all its ports
// that Ingresses name taken together: 1,000 pods and 10,000 ports fit into two
// small objects, and their product is never built.
const maxServiceEndpoints = 50_000
