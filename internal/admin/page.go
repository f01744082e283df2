package admin

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/hostmap/mapjson"
)

//go:embed page.html style.css
var assets embed.FS

// Handler is the admin listener. At / is the page, which has a bit of
// everything; each kind of rows has a page of its own (/sites, /certificates...)
// and, under the same name with ".json", the same rows for programs. Then there
// are the host map as text (/hostmap) and as JSON (see package mapjson), and the
// problems (/problems: JSON for whoever does not ask for HTML); /explain answers
// why a request is answered as it is, and /status.json how the process is. All of
// it is read only. It is meant for a loopback address, where it answers only
// requests for a loopback name, because any web page can make a browser ask a
// name of its own that resolves to 127.0.0.1.
func Handler(r *Recorder, live Live) http.Handler {
	p := &pages{
		recorder: r, live: live,
		page: template.Must(template.New("page.html").Funcs(template.FuncMap{
			"ago": func(now, t time.Time) time.Duration { return now.Sub(t).Round(time.Second) },
		}).ParseFS(assets, "page.html")),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /explain", p.explain)
	mux.HandleFunc("GET /explain.json", p.explainJSON)
	mux.HandleFunc("GET /status.json", p.status)
	mux.HandleFunc("GET /hostmap", p.text)
	mux.HandleFunc("GET /hostmap.json", p.json)
	for _, k := range kinds() {
		asJSON := func(w http.ResponseWriter, r *http.Request) { p.rows(w, askedOf(r, pageRows, maxRows), k) }
		mux.HandleFunc("GET "+k.Path+".json", asJSON)
		mux.HandleFunc("GET "+k.Path, func(w http.ResponseWriter, r *http.Request) { p.one(w, askedOf(r, pageRows, pageRows), k) })
	}
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "style.css")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if rebound(r) {
			http.Error(w, "ask for localhost or 127.0.0.1", http.StatusForbidden)
			return
		}
		if r.URL.Path == "/problems" && !strings.Contains(r.Header.Get("Accept"), "text/html") {
			p.problems(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// rebound tells whether a request came to a loopback address under a name that
// is none.
func rebound(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return false
	}
	host, _, err := hostmap.Authority(r.Host)
	if err != nil {
		return true
	}
	return host != "localhost" && !strings.HasSuffix(host, ".localhost") && !hostmap.IsIP(host)
}

// pages answers the admin listener. It is immutable.
type pages struct {
	recorder *Recorder
	live     Live
	page     *template.Template
}

// send writes a body that is made whole first, so that an error is answered
// 500, or 503 where there is no host map yet.
func (p *pages) send(w http.ResponseWriter, contentType string, write func(io.Writer, State) error) {
	state, ok := p.state(w)
	if !ok {
		return
	}
	var body bytes.Buffer
	if err := write(&body, state); err != nil {
		p.recorder.log.Error("admin page", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	p.head(w, contentType, state)
	_, err := body.WriteTo(w)
	p.left(err)
}

// stream is send of a body that is as large as the host map: it goes out while it
// is made. Only that the client leaves is an error.
func (p *pages) stream(w http.ResponseWriter, contentType string, write func(io.Writer, *hostmap.Map) error) {
	if state, ok := p.state(w); ok {
		p.head(w, contentType, state)
		p.left(write(w, state.Map))
	}
}

// state is what is told of; false: there is none yet, which is answered.
func (p *pages) state(w http.ResponseWriter) (State, bool) {
	s := p.recorder.State()
	if s.Map == nil {
		http.Error(w, "no host map yet", http.StatusServiceUnavailable)
	}
	return s, s.Map != nil
}

func (p *pages) head(w http.ResponseWriter, contentType string, s State) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Last-Modified", s.Published.UTC().Format(http.TimeFormat))
}

// left logs the error of a client that left.
func (p *pages) left(err error) {
	if err != nil {
		p.recorder.log.Debug("admin page", slog.Any("error", err))
	}
}

const (
	typeHTML = "text/html; charset=utf-8"
	typeJSON = "application/json"
)

func (p *pages) text(w http.ResponseWriter, _ *http.Request) {
	p.stream(w, "text/plain; charset=utf-8", func(w io.Writer, m *hostmap.Map) error {
		_, err := io.WriteString(w, m.String())
		return err
	})
}

func (p *pages) json(w http.ResponseWriter, _ *http.Request) { p.stream(w, typeJSON, mapjson.Write) }

// problems are all problems as JSON, without a listing around them.
func (p *pages) problems(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "read only", http.StatusMethodNotAllowed)
		return
	}
	p.send(w, typeJSON, func(w io.Writer, s State) error {
		out := make([]problemRow, 0, len(s.Problems))
		for _, problem := range s.Problems {
			out = append(out, newProblemRow(problem))
		}
		return json.NewEncoder(w).Encode(out)
	})
}

// view is what page.html shows.
type view struct {
	Query     string
	Now       time.Time
	Published time.Time
	Hosts     int
	Kinds     []kind
	Here      string // the path of the only listing; "" on the first page
	Refresh   bool   // the page is to be asked for again soon
	Listings  []listing
	// Explanation is what the page is about where it has no listing.
	Explanation *explanation
}

// list asks a kind for its rows.
func (p *pages) list(s State, a asked, k kind) listing {
	l := k.list(p, s, a)
	l.Kind = k
	return l
}

func (p *pages) newView(s State, a asked) view {
	return view{Query: a.query, Now: a.now, Published: s.Published, Hosts: s.Map.Hosts(), Kinds: kinds()}
}

// index is the first page: the beginning of every listing.
func (p *pages) index(w http.ResponseWriter, r *http.Request) {
	a := askedOf(r, glanceRows, glanceRows)
	a.from = 0
	p.send(w, typeHTML, func(w io.Writer, s State) error {
		v := p.newView(s, a)
		for _, k := range v.Kinds {
			v.Listings = append(v.Listings, p.list(s, a, k))
		}
		return p.page.Execute(w, v)
	})
}

// one is the page of one kind.
func (p *pages) one(w http.ResponseWriter, a asked, k kind) {
	p.send(w, typeHTML, func(w io.Writer, s State) error {
		v := p.newView(s, a)
		v.Here = k.Path
		v.Refresh = k.Path == "/misdirected" && a.from == 0
		v.Listings = []listing{p.list(s, a, k)}
		return p.page.Execute(w, v)
	})
}

// rows are the rows of one kind as JSON.
func (p *pages) rows(w http.ResponseWriter, a asked, k kind) {
	p.send(w, typeJSON, func(w io.Writer, s State) error { return p.list(s, a, k).writeJSON(w) })
}
