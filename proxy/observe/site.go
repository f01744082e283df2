package observe

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// StatusClientGone is what log and metrics say of a request whose client did not
// wait for the answer. It is never sent.
const StatusClientGone = 499

// Site are the counters of one site. All its methods may be called from
// any goroutine.
type Site struct {
	label string
	// host is the site's; nil: they are those of the unserved.
	host *string

	// cells is replaced as a whole when a combination of labels comes up for
	// the first time; there are few, so that a scan finds one.
	cells       atomic.Pointer[[]*cell]
	misdirected atomic.Pointer[[]*misdirectedCell]
	mu          sync.Mutex // guards the replacing of both

	recovered atomic.Uint64
	duration  histogram
}

// cell counts the requests of one protocol, method and status.
type cell struct {
	protocol, method string
	status           int
	n                atomic.Uint64
}

type misdirectedCell struct {
	misdirectedLabels
	n atomic.Uint64
}

type misdirectedLabels struct {
	reason, rule, enforcement, protocol, retry string
}

// durationBounds are the upper bounds of the request duration, in seconds.
var durationBounds = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

type histogram struct {
	buckets [len(durationBounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	s := d.Seconds()
	i := 0
	for i < len(durationBounds) && s > durationBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(d))
}

// methodLabel is a method of RFC 9110 section 9; every other is "other".
func methodLabel(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE":
		return m
	}
	return "other"
}

func codeLabel(status int) string {
	if status == 0 {
		return "other"
	}
	return strconv.Itoa(status)
}

// request counts one answered request.
func (st *Site) request(protocol, method string, status int, d time.Duration) {
	method = methodLabel(method)
	if http.StatusText(status) == "" && status != StatusClientGone {
		status = 0 // "other": a backend may make any number of them up
	}
	st.cell(protocol, method, status).n.Add(1)
	st.duration.observe(d)
}

func (st *Site) cell(protocol, method string, status int) *cell {
	find := func(cells *[]*cell) *cell {
		if cells == nil {
			return nil
		}
		for _, c := range *cells {
			if c.status == status && c.method == method && c.protocol == protocol {
				return c
			}
		}
		return nil
	}
	if c := find(st.cells.Load()); c != nil {
		return c
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.cells.Load()
	if c := find(old); c != nil {
		return c
	}
	c := &cell{protocol: protocol, method: method, status: status}
	next := []*cell{c}
	if old != nil {
		next = append(slices.Clone(*old), c)
	}
	st.cells.Store(&next)
	return c
}

// misdirect counts one request that the rule refused or reported.
func (st *Site) misdirect(l misdirectedLabels) { st.misdirectedCell(l).n.Add(1) }

func (st *Site) misdirectedCell(l misdirectedLabels) *misdirectedCell {
	find := func(cells *[]*misdirectedCell) *misdirectedCell {
		if cells == nil {
			return nil
		}
		for _, c := range *cells {
			if c.misdirectedLabels == l {
				return c
			}
		}
		return nil
	}
	if c := find(st.misdirected.Load()); c != nil {
		return c
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.misdirected.Load()
	c := find(old)
	if c == nil {
		c = &misdirectedCell{misdirectedLabels: l}
		next := []*misdirectedCell{c}
		if old != nil {
			next = append(slices.Clone(*old), c)
		}
		st.misdirected.Store(&next)
	}
	return c
}
