package audit

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// The picture: certificates on the left, hosts on the right, in the units of
// its viewBox. What is beyond the bounds is counted in words.
const (
	pictureCertificates = 16 // at most
	pictureHosts        = 10 // of one certificate, at most
	pictureWidth        = 1120
	certificateX        = 12
	certificateW        = 330
	certificateH        = 58
	hostX               = 700
	hostW               = 408
	hostH               = 30
	gapY                = 8
	clusterGapY         = 26
)

// picture is what report.html draws.
type picture struct {
	Width, Height int
	Certificates  []drawnCertificate
	Hosts         []drawnHost
	Links         []drawnLink
	Left          int // certificates that are not drawn
}

type drawnCertificate struct {
	X, Y, W, H, Mid      int
	Secret, Names, Until string
	Title                string
	Tone                 string // of its end: "good", "soon", "bad"
	More                 int    // hosts that are not drawn
}

type drawnHost struct {
	X, Y, W, H, Mid int
	Name, Title     string
	Tone            string // the worst that becomes of its requests
	Tag             string
}

type drawnLink struct {
	Path, Title string
	Tone        string // "own" where connections for the host are served the certificate
}

// node is a host while the picture is laid out.
type node struct {
	name  string
	own   int // the certificate its connections are served, -1 for none drawn
	first int // the first certificate that covers it
	worst Outcome
	links map[int]Outcome
}

// tone is the class of a result in the style sheet.
func (r Result) tone() string {
	return [...]string{Served: "served", Misrouted: "off", Reported: "reported", Misdirected: "refused"}[r]
}

// draw lays the picture of a report out.
func (r *Report) draw() *picture {
	p := &picture{Width: pictureWidth}
	shared := r.Shared[:min(pictureCertificates, len(r.Shared))]
	p.Left = len(r.Shared) - len(shared)
	nodes := gatherNodes(shared)

	// Hosts stand in the order of their certificates, so that few lines cross.
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.cluster(), b.cluster()), cmp.Compare(b.worst.Result, a.worst.Result), cmp.Compare(a.name, b.name))
	})
	y, mids := clusterGapY, make([][]int, len(shared))
	for i, n := range nodes {
		if i > 0 {
			y += gapY
			if nodes[i-1].cluster() != n.cluster() {
				y += clusterGapY
			}
		}
		h := drawnHost{X: hostX, Y: y, W: hostW, H: hostH, Mid: y + hostH/2, Name: shorten(n.name, 34), Title: n.name, Tone: n.worst.Result.tone()}
		if n.worst.Result != Served {
			h.Tag = string(n.worst.Reason)
			h.Title += ": " + n.worst.text()
		}
		p.Hosts = append(p.Hosts, h)
		for at := range n.links {
			mids[at] = append(mids[at], h.Mid)
		}
		y += hostH
	}
	bottom := clusterGapY
	for i := range shared {
		c := drawCertificate(&shared[i], r.At)
		c.Y = max(bottom, mean(mids[i])-certificateH/2)
		c.Mid = c.Y + certificateH/2
		c.More = max(0, most(&shared[i])-len(mids[i]))
		bottom = c.Y + certificateH + 2*gapY
		p.Certificates = append(p.Certificates, c)
	}
	for i, n := range nodes {
		for at := range shared {
			if o, ok := n.links[at]; ok {
				p.Links = append(p.Links, link(&p.Certificates[at], &p.Hosts[i], o, at == n.own))
			}
		}
	}
	// What is refused lies above what is not.
	slices.SortStableFunc(p.Links, func(a, b drawnLink) int { return cmp.Compare(depth(a.Tone), depth(b.Tone)) })
	p.Height = max(y, bottom) + clusterGapY
	return p
}

// gatherNodes are the hosts that are drawn.
func gatherNodes(shared []Shared) []*node {
	var nodes []*node
	byName := make(map[string]*node)
	at := func(name string, certificate int) *node {
		n := byName[name]
		if n == nil {
			n = &node{name: name, own: -1, first: certificate, links: make(map[int]Outcome)}
			byName[name] = n
			nodes = append(nodes, n)
		}
		return n
	}
	for i := range shared {
		drawn := 0
		add := func(name string, o Outcome) {
			known := byName[name]
			if known == nil || !known.linked(i) {
				if drawn == pictureHosts {
					return
				}
				drawn++
			}
			n := at(name, i)
			if worst, ok := n.links[i]; !ok || o.Result > worst.Result {
				n.links[i] = o
			}
			if o.Result > n.worst.Result {
				n.worst = o
			}
		}
		// Of each way one after another, so that each has its example.
		for k := range pictureHosts {
			for _, w := range shared[i].Ways {
				if k < len(w.To.First) {
					add(w.To.First[k], w.Outcome)
				}
			}
			if k < len(shared[i].Connections.First) {
				name := shared[i].Connections.First[k]
				add(name, Outcome{})
				if n := byName[name]; n != nil && n.linked(i) {
					n.own = i
				}
			}
		}
	}
	return nodes
}

func (n *node) linked(certificate int) bool {
	_, ok := n.links[certificate]
	return ok
}

// cluster is the certificate beside which a host is drawn.
func (n *node) cluster() int {
	if n.own >= 0 {
		return n.own
	}
	return n.first
}

// most is how many hosts a certificate covers at least.
func most(s *Shared) int {
	n := s.Connections.Total
	to := 0
	for _, w := range s.Ways {
		to = max(to, w.To.Total)
	}
	return max(n, to)
}

func drawCertificate(s *Shared, now time.Time) drawnCertificate {
	c := drawnCertificate{X: certificateX, W: certificateW, H: certificateH, Secret: shorten(enumerate(s.Secrets), 38), Names: shorten(enumerate(s.Names), 42)}
	left := s.NotAfter.Sub(now)
	c.Until, c.Tone = days(left)+" left", "good"
	switch {
	case left <= 0:
		c.Until, c.Tone = "expired", "bad"
	case left <= longestNotice:
		c.Tone = "soon"
	}
	c.Title = fmt.Sprintf("%s\n%s\nuntil %s", enumerate(s.Secrets), enumerate(s.Names), s.NotAfter.Format(time.DateOnly))
	return c
}

func link(c *drawnCertificate, h *drawnHost, o Outcome, own bool) drawnLink {
	x, to := c.X+c.W, h.X
	bend := (to - x) / 2
	l := drawnLink{
		Path:  fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x, c.Mid, x+bend, c.Mid, to-bend, h.Mid, to, h.Mid),
		Title: fmt.Sprintf("%s covers %s: %s", c.Secret, h.Name, o.text()),
		Tone:  o.Result.tone(),
	}
	if own && o.Result == Served {
		l.Tone = "own"
	}
	return l
}

// depth orders links from below to above.
func depth(tone string) int {
	return slices.Index([]string{"served", "own", "reported", "off", "refused"}, tone)
}

func mean(of []int) int {
	if len(of) == 0 {
		return 0
	}
	sum := 0
	for _, v := range of {
		sum += v
	}
	return int(math.Round(float64(sum) / float64(len(of))))
}

// shorten cuts the middle out of a text of more than n characters: the ends of
// hosts tell them apart.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n/2-1] + "…" + s[len(s)-n/2:]
}
