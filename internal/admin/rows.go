package admin

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/audit"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// inRow bounds the lists within one row: certificates with a thousand names
// exist, and sites with as many routes.
const inRow = 20

func some[T any](all []T) (shown []T, more int) {
	shown = all[:min(inRow, len(all))]
	return slices.Clip(shown), len(all) - len(shown)
}

// problemRow is a problem.
type problemRow struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
}

func newProblemRow(p hostmap.Problem) problemRow {
	return problemRow{p.Kind, p.Namespace, p.Name, p.Reason, p.Message}
}

func (*pages) listProblems(s State, a asked) listing {
	match := func(p hostmap.Problem) bool {
		return a.query == "" || strings.Contains(strings.ToLower(p.String()), a.query)
	}
	rows, total := gather(a, slices.Values(s.Problems), match, newProblemRow)
	return listed(a, rows, total)
}

func (p *pages) listMisdirected(_ State, a asked) listing {
	all := func(misdirectedRow) bool { return true }
	rows, total := gather(a, slices.Values(p.live.Misdirected.examples(a.query)), all, func(r misdirectedRow) misdirectedRow { return r })
	l := listed(a, rows, total)
	l.Extra = p.live.Misdirected.counts()
	return l
}

// auditExtra is what an audit says beside its findings.
type auditExtra struct {
	Hosts   audit.Counts `json:"hosts"`
	Present bool         `json:"present"` // the audit is of the map that serves
	Known   bool         `json:"known"`   // there is one at all
}

func (p *pages) listAudit(s State, a asked) listing {
	report, present := p.recorder.audits.report(s.Map)
	extra := auditExtra{Present: present}
	rows, total := []audit.Finding{}, 0
	if report != nil {
		extra.Hosts, extra.Known = report.Overlaps, true
		match := func(f audit.Finding) bool {
			return a.query == "" || strings.Contains(strings.ToLower(fmt.Sprint(f.Reason, f.Objects.First, f.Hosts.First, f.Message)), a.query)
		}
		rows, total = gather(a, slices.Values(report.Findings), match, func(f audit.Finding) audit.Finding { return f })
	}
	l := listed(a, rows, total)
	l.Extra = extra
	return l
}

// certificateRow is a certificate.
type certificateRow struct {
	Secret      string    `json:"secret"`
	Names       []string  `json:"names"` // at most 20
	MoreNames   int       `json:"moreNames,omitempty"`
	Key         string    `json:"key"`
	NotAfter    time.Time `json:"notAfter"`
	DaysLeft    int       `json:"daysLeft"` // negative where it has expired
	Left        string    `json:"-"`
	Tone        string    `json:"-"`
	Fingerprint string    `json:"fingerprint"`
}

// soon is when the page begins to warn of the end of a certificate.
const soon = 14 * 24 * time.Hour

func newCertificateRow(c *hostmap.Certificate, now time.Time) certificateRow {
	left := c.NotAfter.Sub(now)
	row := certificateRow{
		Secret: c.Secret.String(), Key: c.KeyType(), NotAfter: c.NotAfter.UTC(),
		DaysLeft: int(left / (24 * time.Hour)), Fingerprint: c.ShortFingerprint(),
	}
	row.Names, row.MoreNames = some(notNil(c.Names))
	switch {
	case left <= 0:
		row.Left, row.Tone = "expired", "bad"
	case left < 48*time.Hour:
		row.Left, row.Tone = fmt.Sprintf("%d h", int(left.Hours())), "bad"
	case left < soon:
		row.Left, row.Tone = fmt.Sprintf("%d days", row.DaysLeft), "soon"
	default:
		row.Left = fmt.Sprintf("%d days", row.DaysLeft)
	}
	return row
}

// listCertificates has those first that end first.
func (*pages) listCertificates(s State, a asked) listing {
	found, total := make([]*hostmap.Certificate, 0, a.rows), 0
	later := func(x, y *hostmap.Certificate) int { return x.NotAfter.Compare(y.NotAfter) }
	need := a.from + a.rows
	for c := range s.Map.AllCertificates() {
		if a.query != "" && !named(a.query, c.Secret.Namespace, c.Secret.Name) &&
			!slices.ContainsFunc(c.Names, func(n string) bool { return strings.Contains(n, a.query) }) {
			continue
		}
		total++
		found = append(found, c)
		// Twice as many as are needed: then sorting costs little for each.
		if len(found) >= 2*need+inRow {
			slices.SortStableFunc(found, later)
			found = found[:need]
		}
	}
	slices.SortStableFunc(found, later)
	found = found[min(a.from, len(found)):min(need, len(found))]
	rows := []certificateRow{}
	for _, c := range found {
		rows = append(rows, newCertificateRow(c, a.now))
	}
	return listed(a, rows, total)
}

// siteRow is a site.
type siteRow struct {
	Host         string           `json:"host"` // its label
	Namespace    string           `json:"namespace"`
	Class        string           `json:"class"`
	Rule         string           `json:"rule"`
	Report       bool             `json:"report"`
	ClientAuth   string           `json:"clientAuth"` // none, optional, require or unresolved
	Certificates []certificateRow `json:"certificates"`
	Routes       []routeRow       `json:"routes"` // at most 20
	MoreRoutes   int              `json:"moreRoutes,omitempty"`
}

type routeRow struct {
	Match     string `json:"match"` // Exact, Prefix or Default, and the path
	Backend   string `json:"backend"`
	Endpoints int    `json:"endpoints"`
	Missing   string `json:"missing,omitempty"`
	From      string `json:"from"`
}

func newSiteRow(s *hostmap.Site, now time.Time) siteRow {
	row := siteRow{
		Host: s.Label(), Namespace: s.Namespace, Class: s.Class.Name, Rule: s.Rule.String(), Report: s.Report,
		ClientAuth: s.Policy.Mode.String(), Certificates: []certificateRow{}, Routes: []routeRow{},
	}
	if s.Policy.Unresolved {
		row.ClientAuth = "unresolved"
	}
	for _, c := range s.Certificates {
		row.Certificates = append(row.Certificates, newCertificateRow(c, now))
	}
	for r := range s.AllRoutes() {
		if len(row.Routes) == inRow {
			row.MoreRoutes++
			continue
		}
		match := r.Type.String() + " " + r.Path
		if r.Default {
			match = "Default"
		}
		route := routeRow{Match: match, From: r.From.String()}
		if k := r.Backend; k != nil {
			route.Backend, route.Endpoints, route.Missing = backendName(k), len(k.Endpoints), k.Missing
		}
		row.Routes = append(row.Routes, route)
	}
	return row
}

func backendName(k *hostmap.Backend) string { return k.Namespace + "/" + k.Service + ":" + k.Port }

func (*pages) listSites(s State, a asked) listing {
	rows, total := gather(a, s.Map.AllSites(), func(s *hostmap.Site) bool { return a.query == "" || mentions(s, a.query) },
		func(s *hostmap.Site) siteRow { return newSiteRow(s, a.now) })
	return listed(a, rows, total)
}

// mentions tells whether a site's host, a Secret, an Ingress or a Service of it
// contains the query.
func mentions(s *hostmap.Site, query string) bool {
	if strings.Contains(s.Label(), query) {
		return true
	}
	for _, c := range s.Certificates {
		if named(query, c.Secret.Namespace, c.Secret.Name) {
			return true
		}
	}
	for r := range s.AllRoutes() {
		if named(query, r.From.Namespace, r.From.Name) || r.Backend != nil && named(query, r.Backend.Namespace, r.Backend.Service) {
			return true
		}
	}
	return false
}

// named tells whether namespace/name contains a query. It allocates nothing: a
// search looks at hundreds of thousands.
func named(query, namespace, name string) bool {
	before, after, slash := strings.Cut(query, "/")
	if slash {
		return strings.HasSuffix(namespace, before) && strings.HasPrefix(name, after)
	}
	return strings.Contains(name, query) || strings.Contains(namespace, query)
}

// backendRow is a Service port and its endpoints.
type backendRow struct {
	Name          string        `json:"name"` // namespace/service:port
	Protocol      string        `json:"protocol"`
	Missing       string        `json:"missing,omitempty"`
	Total         int           `json:"total"`
	Resting       int           `json:"resting"`
	Endpoints     []endpointRow `json:"endpoints"` // at most 20, those that rest first
	MoreEndpoints int           `json:"moreEndpoints,omitempty"`
}

type endpointRow struct {
	Addr     netip.AddrPort `json:"address"`
	State    string         `json:"state"` // ok, failing or resting
	Failures int            `json:"failures,omitempty"`
	Probe    float64        `json:"probeIn,omitempty"` // seconds
}

// place is an endpoint as the wire knows it.
type place struct {
	namespace string
	addr      netip.AddrPort
}

// failed are the endpoints that have failed since they answered last.
func (p *pages) failed() map[place]Endpoint {
	failed := make(map[place]Endpoint)
	if p.live.Endpoints != nil {
		for _, e := range p.live.Endpoints() {
			failed[place{e.Namespace, e.Addr}] = e
		}
	}
	return failed
}

// listBackends has those first of which an endpoint has failed, then those
// without any endpoint.
func (p *pages) listBackends(s State, a asked) listing {
	failed := p.failed()
	query, port, _ := strings.Cut(a.query, ":")
	var first, second, others []*hostmap.Backend
	for k := range s.Map.AllBackends() {
		if a.query != "" && !named(query, k.Namespace, k.Service) || port != "" && port != k.Port {
			continue
		}
		suffers := func(at netip.AddrPort) bool { _, ok := failed[place{k.Namespace, at}]; return ok }
		switch {
		case len(failed) != 0 && slices.ContainsFunc(k.Endpoints, suffers):
			first = append(first, k)
		case len(k.Endpoints) == 0:
			second = append(second, k)
		default:
			others = append(others, k)
		}
	}
	all := func(yield func(*hostmap.Backend) bool) {
		for _, some := range [][]*hostmap.Backend{first, second, others} {
			for _, k := range some {
				if !yield(k) {
					return
				}
			}
		}
	}
	rows, total := gather(a, all, func(*hostmap.Backend) bool { return true },
		func(k *hostmap.Backend) backendRow { return newBackendRow(k, failed) })
	return listed(a, rows, total)
}

func newBackendRow(k *hostmap.Backend, failed map[place]Endpoint) backendRow {
	row := backendRow{Name: backendName(k), Protocol: k.Protocol.String(), Missing: k.Missing, Total: len(k.Endpoints)}
	endpoints := make([]endpointRow, 0, len(k.Endpoints))
	for _, at := range k.Endpoints {
		e := endpointRow{Addr: at, State: "ok"}
		if f, ok := failed[place{k.Namespace, at}]; ok {
			e.State, e.Failures = "failing", f.Failures
			if f.Resting {
				e.State, e.Probe = "resting", max(0, f.Probe.Seconds())
				row.Resting++
			}
		}
		endpoints = append(endpoints, e)
	}
	worse := func(e endpointRow) int { return slices.Index([]string{"resting", "failing", "ok"}, e.State) }
	slices.SortStableFunc(endpoints, func(a, b endpointRow) int { return worse(a) - worse(b) })
	row.Endpoints, row.MoreEndpoints = some(endpoints)
	return row
}

// notNil makes an absent list an empty one, which JSON tells from null.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
