package audit

import "github.com/ingress421/ingress421/internal/hostmap"

// MaxOverlaps is how many overlaps are told of a class.
const MaxOverlaps = 50

// ClassOverlaps are the hosts of one class whose requests may come over
// connections that were made for other hosts, of whatever class.
type ClassOverlaps struct {
	// Hosts counts them, and By the same by what becomes of requests; a host
	// counts for each.
	Hosts int
	By    Counts
	// First are some overlaps, those that are refused first: each host once for
	// each certificate and result. They are at most [MaxOverlaps].
	First []Overlap
}

// Overlap is one pair of hosts that share a certificate.
type Overlap struct {
	// From is the host that the connection was made for, To the one that the
	// request is for.
	From, To string
	// Secret holds the certificate that the connection was served.
	Secret hostmap.SecretRef
	Outcome
}

// overlap is a host counted in Overlaps.
type overlap struct {
	host   string
	result Result
}

// examples are overlaps of one class, at most MaxOverlaps of each result.
type examples struct {
	by   map[Result][]Overlap
	told map[exampleKey]bool
}

// exampleKey tells overlaps apart: a host is told once for each certificate and
// result, with one of the hosts that connections are made for.
type exampleKey struct {
	leaf   fingerprint
	to     string
	result Result
}

// add adds what there is room for of a way.
func (e *examples) add(w way) {
	r := w.outcome.Result
	for _, to := range w.to.hosts {
		if len(e.by[r]) == MaxOverlaps {
			return
		}
		key := exampleKey{w.leaf.Fingerprint, to.name, r}
		if e.told[key] {
			continue
		}
		from := w.from.hosts[0]
		if from == to && !to.pattern() {
			if len(w.from.hosts) == 1 {
				continue // A host is no pair with itself.
			}
			from = w.from.hosts[1]
		}
		e.told[key] = true
		e.by[r] = append(e.by[r], Overlap{From: from.name, To: to.name, Secret: from.facts.Leaf.Secret, Outcome: w.outcome})
	}
}

// first are those that matter most.
func (e *examples) first() []Overlap {
	var all []Overlap
	for _, r := range [...]Result{Misdirected, Reported, Misrouted, Served} {
		all = append(all, e.by[r]...)
	}
	return all[:min(MaxOverlaps, len(all))]
}

// exemplify adds what there is room for of a way to what is told of its class.
func (a *auditor) exemplify(w way) {
	class := w.to.hosts[0].site.Class.Name
	e := a.examples[class]
	if e == nil {
		e = &examples{by: make(map[Result][]Overlap), told: make(map[exampleKey]bool)}
		a.examples[class] = e
	}
	e.add(w)
}

// count counts a host of an outcome, each once.
func (a *auditor) count(h *host, r Result) {
	o := overlap{h.name, r}
	if a.overlaps[o] {
		return
	}
	of := a.report.Classes[h.site.Class.Name]
	if of == nil {
		of = new(ClassOverlaps)
		a.report.Classes[h.site.Class.Name] = of
	}
	if !a.overlapping(h.name) {
		a.report.Overlapping++
		of.Hosts++
	}
	a.overlaps[o] = true
	*a.report.Overlaps.at(r)++
	*of.By.at(r)++
}

// overlapping tells whether a host is counted in Overlaps by now.
func (a *auditor) overlapping(host string) bool {
	for _, r := range [...]Result{Served, Misrouted, Reported, Misdirected} {
		if a.overlaps[overlap{host, r}] {
			return true
		}
	}
	return false
}
