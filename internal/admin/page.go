package admin

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

//go:embed page.html style.css
var assets embed.FS

// pageRows bounds each list of the page; /hostmap and /problems have them all.
const pageRows = 200

// Handler is the admin listener: the page at /, the host map at /hostmap (its
// canonical text) and /hostmap.json (see [ReadMap]), and the problems at
// /problems (JSON). All of it is read only. It is meant for a loopback address,
// where it answers only requests for a loopback name, because any web page can
// make a browser ask a name of its own that resolves to 127.0.0.1.
func Handler(r *Recorder) http.Handler {
	a := &pages{
		recorder: r,
		page:     template.Must(template.ParseFS(assets, "page.html")),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.index)
	mux.HandleFunc("GET /hostmap", a.text)
	mux.HandleFunc("GET /hostmap.json", a.json)
	mux.HandleFunc("GET /problems", a.problems)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, "style.css")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if rebound(r) {
			http.Error(w, "ask for localhost or 127.0.0.1", http.StatusForbidden)
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
	page     *template.Template
}

// send writes a body that is made whole first, so that an error is answered
// 500, or 503 where there is no host map yet.
func (a *pages) send(w http.ResponseWriter, contentType string, write func(io.Writer, State) error) {
	state := a.recorder.State()
	if state.Map == nil {
		http.Error(w, "no host map yet", http.StatusServiceUnavailable)
		return
	}
	var body bytes.Buffer
	if err := write(&body, state); err != nil {
		a.recorder.log.Error("admin page", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Last-Modified", state.Published.UTC().Format(http.TimeFormat))
	if _, err := body.WriteTo(w); err != nil {
		a.recorder.log.Debug("admin page", slog.Any("error", err))
	}
}

func (a *pages) text(w http.ResponseWriter, _ *http.Request) {
	a.send(w, "text/plain; charset=utf-8", func(w io.Writer, s State) error {
		_, err := io.WriteString(w, s.Map.String())
		return err
	})
}

func (a *pages) json(w http.ResponseWriter, _ *http.Request) {
	a.send(w, "application/json", func(w io.Writer, s State) error { return WriteMap(w, s.Map) })
}

// problemJSON is one problem in /problems.
type problemJSON struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
}

func (a *pages) problems(w http.ResponseWriter, _ *http.Request) {
	a.send(w, "application/json", func(w io.Writer, s State) error {
		out := make([]problemJSON, 0, len(s.Problems))
		for _, p := range s.Problems {
			out = append(out, problemJSON{p.Kind, p.Namespace, p.Name, p.Reason, p.Message})
		}
		return json.NewEncoder(w).Encode(out)
	})
}

// view is what page.html shows.
type view struct {
	Query        string // hosts, Secrets and problems that contain it are shown
	Published    string
	Age          time.Duration
	Hosts        int
	Certificates list[certificateView]
	Sites        list[siteView]
	Problems     list[hostmap.Problem]
}

// list is the start of a list.
type list[T any] struct {
	Rows  []T
	Total int // of those that match
}

func (l *list[T]) add(row T) {
	if l.Total++; l.Total <= pageRows {
		l.Rows = append(l.Rows, row)
	}
}

// More is how many are not shown.
func (l list[T]) More() int { return l.Total - len(l.Rows) }

type siteView struct {
	Site         *hostmap.Site
	Label        string
	Class        string
	Certificates []certificateView
}

type certificateView struct {
	Secret, Fingerprint, Key, NotAfter, Names string
	Left                                      string // of its validity
	Expired                                   bool
}

func viewOf(c *hostmap.Certificate, now time.Time) certificateView {
	v := certificateView{
		Secret: c.Secret.String(), Fingerprint: c.ShortFingerprint(), Key: keyType(c),
		NotAfter: c.NotAfter.UTC().Format(time.DateOnly), Names: strings.Join(c.Names, ", "),
	}
	switch left := c.NotAfter.Sub(now); {
	case left <= 0:
		v.Left, v.Expired = "expired", true
	case left < 48*time.Hour:
		v.Left = fmt.Sprintf("%d h", int(left.Hours()))
	default:
		v.Left = fmt.Sprintf("%d days", int(left.Hours()/24))
	}
	return v
}

func (a *pages) index(w http.ResponseWriter, r *http.Request) {
	query := strings.ToLower(strings.TrimSpace(r.URL.Query().Get("q")))
	a.send(w, "text/html; charset=utf-8", func(w io.Writer, s State) error {
		return a.page.Execute(w, newView(s, query, time.Now()))
	})
}

func newView(s State, query string, now time.Time) view {
	v := view{
		Query: query, Hosts: hosts(s.Map),
		Published: s.Published.UTC().Format(time.RFC3339), Age: now.Sub(s.Published).Round(time.Second),
	}
	for _, p := range s.Problems {
		if strings.Contains(strings.ToLower(p.String()), query) {
			v.Problems.add(p)
		}
	}
	for _, c := range s.Map.Certificates() {
		if row := viewOf(c, now); strings.Contains(row.Secret+" "+row.Names, query) {
			v.Certificates.add(row)
		}
	}
	for _, site := range s.Map.Sites() {
		if query != "" && !mentions(site, query) {
			continue
		}
		row := siteView{Site: site, Label: site.Label(), Class: site.Class.Name}
		for _, c := range site.Certificates {
			row.Certificates = append(row.Certificates, viewOf(c, now))
		}
		v.Sites.add(row)
	}
	return v
}

// mentions tells whether a site's host, a Secret, an Ingress or a Service of it
// contains the query.
func mentions(s *hostmap.Site, query string) bool {
	if strings.Contains(s.Label(), query) {
		return true
	}
	for _, c := range s.Certificates {
		if strings.Contains(c.Secret.String(), query) {
			return true
		}
	}
	for r := range s.AllRoutes() {
		if strings.Contains(r.From.NamespacedName(), query) ||
			strings.Contains(r.Backend.Namespace+"/"+r.Backend.Service, query) {
			return true
		}
	}
	return false
}
