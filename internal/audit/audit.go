package audit

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Options are what the host map does not know.
type Options struct {
	// Now is the time against which certificates are held.
	Now time.Time
	// OneAddress tells that all hosts resolve to one address, as behind one
	// load balancer they do. Where they do not, browsers put no request on a
	// connection made for another host, and what follows from it is for
	// information only.
	OneAddress bool
}

// Report is what an audit has found.
type Report struct {
	// At is the time of [Options].
	At time.Time `json:"at"`
	// OneAddress is that of [Options].
	OneAddress bool `json:"oneAddress"`
	// Hosts and Certificates count those of the map; the default site is no
	// host.
	Hosts        int `json:"hosts"`
	Certificates int `json:"certificates"`
	// Overlapping are the hosts whose requests may come over a connection that
	// was made for another one. Overlaps are the same, by what becomes of them; a
	// host counts for each.
	Overlapping int    `json:"overlapping"`
	Overlaps    Counts `json:"overlaps"`
	// Classes are the same by the name of their hosts' class, "" for hosts of no
	// class.
	Classes map[string]*ClassOverlaps `json:"-"`
	// Pairs are the same, each host with each that the connection may have been
	// made for.
	Pairs Counts `json:"pairs"`
	// Findings come in the order of severity.
	Findings []Finding `json:"findings"`
	// Shared are the certificates under which there are pairs, those first
	// under which most hosts are refused.
	Shared []Shared `json:"shared"`
}

// Counts are by result.
type Counts struct {
	Served      uint64 `json:"served"`
	Misrouted   uint64 `json:"misrouted"`
	Reported    uint64 `json:"reported"`
	Misdirected uint64 `json:"misdirected"`
}

// Of returns the count of a result.
func (c *Counts) Of(r Result) uint64 { return *c.at(r) }

func (c *Counts) at(r Result) *uint64 {
	return [...]*uint64{Served: &c.Served, Misrouted: &c.Misrouted, Reported: &c.Reported, Misdirected: &c.Misdirected}[r]
}

// Shared is a certificate under which several hosts may share connections.
type Shared struct {
	// Fingerprint begins the SHA-256 of the leaf, in hexadecimal digits.
	Fingerprint string `json:"fingerprint"`
	// Secrets hold the certificate, each under its own key pair.
	Secrets List[string] `json:"secrets"`
	// Names are what it covers.
	Names    List[string] `json:"names"`
	NotAfter time.Time    `json:"notAfter"`
	// Connections are the hosts whose connections are served it.
	Connections List[string] `json:"connections"`
	// Ways are what becomes of requests on those connections.
	Ways []Way `json:"ways"`
}

// Way is what becomes of the requests for some hosts that come over connections
// made for others.
type Way struct {
	Outcome
	// From are the hosts that the connections were made for, To those that the
	// requests are for. Not each of From makes a pair with each of To.
	From  List[string] `json:"from"`
	To    List[string] `json:"to"`
	Pairs uint64       `json:"pairs"`
}

// List is the start of a list that may be long.
type List[T any] struct {
	Total int `json:"total"`
	First []T `json:"first,omitempty"` // at most 20
}

const listed = 20

func (l *List[T]) add(v T) {
	if l.Total++; l.Total <= listed {
		l.First = append(l.First, v)
	}
}

// More is how many are not listed.
func (l List[T]) More() int { return l.Total - len(l.First) }

// Examine audits a host map.
func Examine(m *hostmap.Map, o Options) *Report {
	x := newIndex(m)
	a := &auditor{
		index: x, options: o, left: maxWork,
		report: &Report{
			At: o.Now.UTC(), OneAddress: o.OneAddress, Hosts: len(x.hosts), Certificates: m.CertificateCount(),
			Findings: []Finding{}, Shared: []Shared{}, Classes: make(map[string]*ClassOverlaps),
		},
		findings: make(map[findingKey]*Finding), overlaps: make(map[overlap]bool),
		examples: make(map[string]*examples), byLeaf: make(map[fingerprint][]*host),
	}
	for _, h := range x.hosts {
		if h.facts != nil {
			a.byLeaf[h.facts.Leaf.Fingerprint] = append(a.byLeaf[h.facts.Leaf.Fingerprint], h)
		}
		a.host(h)
	}
	for _, leaf := range x.leaves() {
		a.leaf(leaf)
		a.share(leaf)
	}
	r := a.report
	for _, f := range a.findings {
		r.Findings = append(r.Findings, *f)
	}
	for class, of := range r.Classes {
		of.First = a.examples[class].first()
	}
	slices.SortFunc(r.Findings, Finding.compare)
	slices.SortStableFunc(r.Shared, func(p, q Shared) int {
		return cmp.Or(cmp.Compare(q.refused(), p.refused()), cmp.Compare(q.Connections.Total, p.Connections.Total))
	})
	return r
}

// Risk tells whether there is a finding that somebody should mend.
func (r *Report) Risk() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity > Info })
}

// Count returns the number of findings of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// refused counts hosts, each once for every kind of answer.
func (s *Shared) refused() int {
	n := 0
	for _, w := range s.Ways {
		if w.Result != Served {
			n += w.To.Total
		}
	}
	return n
}

// auditor makes one report.
type auditor struct {
	*index
	options  Options
	left     work
	report   *Report
	findings map[findingKey]*Finding
	overlaps map[overlap]bool
	examples map[string]*examples    // by class
	byLeaf   map[fingerprint][]*host // by what their connections are served
}

type fingerprint = [32]byte

// share looks at the pairs under a leaf.
func (a *auditor) share(leaf *hostmap.Certificate) {
	s := Shared{Fingerprint: hex.EncodeToString(leaf.Fingerprint[:8]), NotAfter: leaf.NotAfter.UTC()}
	var ways gathered[Outcome]
	var causes gathered[cause]
	var connections kindSet
	secrets := make(map[hostmap.SecretRef]bool)
	whole := a.ways(leaf, &a.left, func(w way) {
		if connections.add(w.from) {
			for _, h := range w.from.hosts {
				s.Connections.add(h.name)
			}
			if secret := w.from.hosts[0].facts.Leaf.Secret; !secrets[secret] {
				secrets[secret] = true
				s.Secrets.add(secret.String())
			}
		}
		ways.add(w.outcome, w)
		*a.report.Pairs.at(w.outcome.Result) += w.pairs
		a.exemplify(w)
		if c := a.cause(w); c.reason != "" {
			causes.add(c, w)
		}
	})
	if !whole {
		a.incomplete(leaf)
	}
	if len(ways.order) == 0 {
		return
	}
	for _, name := range leaf.Names {
		s.Names.add(name)
	}
	for _, c := range causes.order {
		a.pairs(leaf, c, causes.by[c])
	}
	for _, outcome := range ways.order {
		of := ways.by[outcome]
		for _, k := range of.to.order {
			for _, h := range k.hosts {
				a.count(h, of.Result)
			}
		}
		s.Ways = append(s.Ways, of.Way)
	}
	slices.SortFunc(s.Ways, func(p, q Way) int {
		return cmp.Or(cmp.Compare(q.Result, p.Result), strings.Compare(string(p.Reason), string(q.Reason)), cmp.Compare(p.Rule.Rule, q.Rule.Rule))
	})
	a.report.Shared = append(a.report.Shared, s)
}

// gathered are ways of one leaf that are told as one, by what they have in
// common, in the order in which they came.
type gathered[K comparable] struct {
	by    map[K]*wayOf
	order []K
}

func (g *gathered[K]) add(key K, w way) {
	of := g.by[key]
	if of == nil {
		if g.by == nil {
			g.by = make(map[K]*wayOf)
		}
		of = &wayOf{Way: Way{Outcome: w.outcome}}
		g.by[key] = of
		g.order = append(g.order, key)
	}
	of.add(w)
}

// wayOf is a Way that is being put together, with the kinds that are in it.
type wayOf struct {
	Way
	from, to kindSet
}

// kindSet is a set of kinds, in the order in which they came.
type kindSet struct {
	order []*kind
	has   map[*kind]bool
}

// add adds a kind, and tells whether it is new.
func (s *kindSet) add(k *kind) bool {
	if s.has[k] {
		return false
	}
	if s.has == nil {
		s.has = make(map[*kind]bool)
	}
	s.has[k] = true
	s.order = append(s.order, k)
	return true
}

func (of *wayOf) add(w way) {
	of.Pairs += w.pairs
	if of.from.add(w.from) {
		for _, h := range w.from.hosts {
			of.From.add(h.name)
		}
	}
	if of.to.add(w.to) {
		for _, h := range w.to.hosts {
			of.To.add(h.name)
		}
	}
}

// only are the hosts of To that f is true of.
func (of *wayOf) only(f func(*host) bool) List[string] {
	var names []string
	for _, k := range of.to.order {
		for _, h := range k.hosts {
			if f(h) {
				names = append(names, h.name)
			}
		}
	}
	slices.Sort(names)
	l := List[string]{Total: len(names)}
	l.First = names[:min(listed, len(names))]
	return l
}
