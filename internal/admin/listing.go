package admin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// pageRows is how many rows a page has, glanceRows how many of each kind the
	// first page shows, and maxRows how many may be asked for as JSON.
	pageRows   = 50
	glanceRows = 8
	maxRows    = 1000
)

// asked is what a request asks of a listing.
type asked struct {
	query string // lower case; rows that contain it are shown
	from  int    // rows before the first that is shown
	rows  int    // at most
	now   time.Time
}

// listing is some rows of all that match.
type listing struct {
	Query string `json:"query"`
	// Total is how many match, From how many of them come before Rows.
	Total int `json:"total"`
	From  int `json:"from"`
	Rows  any `json:"rows"`

	Kind  kind `json:"-"`
	Shown int  `json:"-"`
	Size  int  `json:"-"`
	Extra any  `json:"extra,omitempty"`
}

// kind is a kind of rows, with a page and JSON of its own.
type kind struct {
	Path, Title string
	// Empty is said where there is none.
	Empty string
	// Block is the part of page.html that shows rows.
	Block string
	list  func(*pages, State, asked) listing
}

// kinds are all, in the order of the page.
func kinds() []kind {
	return []kind{
		{"/problems", "Problems", "Every object is served as it is written.", "problems", (*pages).listProblems},
		{"/misdirected", "Misdirected", "No request was misdirected lately.", "misdirected", (*pages).listMisdirected},
		{"/audit", "Audit", "Nothing was found.", "audit", (*pages).listAudit},
		{"/sites", "Sites", "None.", "sites", (*pages).listSites},
		{"/certificates", "Certificates", "None.", "certificates", (*pages).listCertificates},
		{"/backends", "Backends", "None.", "backends", (*pages).listBackends},
	}
}

// gather takes the rows that are shown out of all that match: from counts, and
// make is asked for those alone.
func gather[T, R any](a asked, all func(yield func(T) bool), match func(T) bool, row func(T) R) (rows []R, total int) {
	rows = []R{}
	for v := range all {
		if !match(v) {
			continue
		}
		if total >= a.from && len(rows) < a.rows {
			rows = append(rows, row(v))
		}
		total++
	}
	return rows, total
}

// listed makes a listing of rows.
func listed[R any](a asked, rows []R, total int) listing {
	return listing{Query: a.query, Total: total, From: a.from, Rows: rows, Shown: len(rows), Size: a.rows}
}

// askedOf reads a request: q, from, and rows where as many may be asked for.
func askedOf(r *http.Request, rows, most int) asked {
	q := r.URL.Query()
	number := func(name string, otherwise, most int) int {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 0 {
			return otherwise
		}
		return min(n, most)
	}
	return asked{
		query: strings.ToLower(strings.TrimSpace(q.Get("q"))), from: number("from", 0, 1<<30),
		rows: max(1, number("rows", rows, most)), now: time.Now(),
	}
}

// Previous and Next are links to the rows before and after; "" for none.
func (l listing) Previous() string {
	if l.From == 0 {
		return ""
	}
	return l.link(l.Kind.Path, max(0, l.From-l.Size))
}

// Next is the link to the rows that follow.
func (l listing) Next() string {
	if l.From+l.Shown >= l.Total {
		return ""
	}
	return l.link(l.Kind.Path, l.From+l.Size)
}

// All is the link to all rows of a kind that match.
func (l listing) All() string { return l.link(l.Kind.Path, 0) }

// JSON is the link to the same rows as JSON.
func (l listing) JSON() string { return l.link(l.Kind.Path+".json", l.From) }

// First and Last number the rows that are shown, from 1.
func (l listing) First() int { return l.From + 1 }

// Last is the number of the last row that is shown.
func (l listing) Last() int { return l.From + l.Shown }

func (l listing) link(path string, from int) string {
	q := url.Values{}
	if l.Query != "" {
		q.Set("q", l.Query)
	}
	if from != 0 {
		q.Set("from", strconv.Itoa(from))
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// writeJSON writes a listing.
func (l listing) writeJSON(w io.Writer) error { return json.NewEncoder(w).Encode(l) }
