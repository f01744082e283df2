package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// fieldsMap is a.test with edits of fields and answers, of the site and of routes.
func fieldsMap(t testing.TB, b *hostmap.Backend) *hostmap.Map {
	t.Helper()
	set := func(name, value string) hostmap.FieldEdit { return hostmap.FieldEdit{Name: name, Value: value} }
	add := func(name, value string, always bool) hostmap.FieldEdit {
		return hostmap.FieldEdit{Op: hostmap.AddField, Name: name, Value: value, Unsuccessful: always}
	}
	remove := func(name string) hostmap.FieldEdit {
		return hostmap.FieldEdit{Op: hostmap.RemoveField, Name: name}
	}
	equals := func(of, text string) hostmap.Condition {
		return hostmap.Condition{Of: of, Texts: text, Start: true, End: true}
	}
	routes := []*hostmap.Route{
		{Path: "/edited", Terms: hostmap.Terms{
			RequestFields: hostmap.NewFieldEdits(
				set("x-forwarded-proto", "said"), set("x-uri", "${request_uri} ${uri} ${args} ${is_args}"), set("x-by", "${request_method} ${scheme}://${host} ${http_x_one}"), remove("x-two"),
			),
			ResponseFields: hostmap.NewFieldEdits(
				set("x-backend", "ours"), remove("server"), add("x-more", "${http_origin}", false), add("x-always", "yes", true), set("x-unknown", "${http_nothing}"),
			),
		}},
		{Path: "/plain"},
		{Path: "/answer", Terms: hostmap.Terms{Answers: hostmap.NewAnswers(
			hostmap.Answer{When: hostmap.Condition{Of: "http_user_agent", Texts: "bot\ncrawler", Fold: true}, Status: 403},
			hostmap.Answer{When: equals("request_method", "OPTIONS"), Status: 204, Fields: hostmap.NewFieldEdits(add("allow", "GET", false))},
			hostmap.Answer{When: equals("args", "json"), Status: 200, Text: `{"host":"${host}"}`, Type: "application/json"},
			hostmap.Answer{When: equals("args", "moved"), Status: 301, Text: "${scheme}://b.test${request_uri}"},
			hostmap.Answer{When: equals("args", "gone"), Status: 410, Text: "gone", Type: "text/html"},
		)}},
		{Path: "/inside", Terms: hostmap.Terms{Answers: hostmap.NewAnswers(
			hostmap.Answer{When: hostmap.Condition{Of: "uri", Texts: "/inside/open/", Start: true, Not: true}, Status: 403},
		)}},
		{Path: "/metrics/public"},
		{Path: "/"},
	}
	for _, r := range routes {
		r.Type, r.Backend = hostmap.Prefix, b
	}
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
		Host: "a.test", Routes: routes,
		Terms: hostmap.Terms{
			ResponseFields: hostmap.NewFieldEdits(set("x-site", "all"), add("x-site-adds", "some", false)),
			Answers: hostmap.NewAnswers(
				hostmap.Answer{When: hostmap.Condition{Of: "uri", Texts: "/metrics", Start: true, Location: true}, Status: 403},
				hostmap.Answer{When: hostmap.Condition{Of: "uri", Texts: "/.git", Fold: true}, Status: 404},
			),
		},
		Certificates: []*hostmap.Certificate{newAuthority(t).serverCert("a", "a.test")},
	})}})
}

// Fields are edited, and answers given, whichever protocols client and backend
// speak.
func TestFieldsAndAnswersOfTerms(t *testing.T) {
	for _, protocol := range backendProtocols {
		t.Run(protocol.String(), func(t *testing.T) {
			b := backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Set("X-Seen", strings.Join([]string{r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Uri"), r.Header.Get("X-By"), r.Header.Get("X-Two")}, "|"))
				h.Set("X-Backend", "theirs")
				h.Set("Server", "theirs")
				if strings.HasSuffix(r.URL.Path, "/500") {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
			onBoth(t, fieldsMap(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for _, tt := range []struct {
					name, method, target string
					agent                string
					status               int
					want                 string // of the fields below, and of the content
				}{
					{"edited", "GET", "/edited/%61?q", "", 200, "x-seen: said|/edited/%61?q /edited/a q ?|GET https://a.test 1|; x-backend: ours; x-more: https://o.test; x-always: yes; x-site: all"},
					{"not successful", "GET", "/edited/500", "", 500, "x-seen: said|/edited/500 /edited/500|GET https://a.test 1|; x-backend: ours; x-always: yes; x-site: all"},
					{"of the site", "GET", "/plain", "", 200, "x-seen: https|||2; server: theirs; x-backend: theirs; x-site: all; x-site-adds: some"},
					{"who it is", "GET", "/answer", "a BOT", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a method", "OPTIONS", "/answer", "", 204, "server: ingress421; x-site: all; allow: GET"},
					{"a text", "GET", "/answer?json", "", 200, `server: ingress421; x-site: all; x-site-adds: some; content-type: application/json; {"host":"a.test"}`},
					{"a redirect", "GET", "/answer?moved", "", 301, "server: ingress421; x-site: all; x-site-adds: some; location: https://b.test/answer?moved"},
					{"an error with a text", "GET", "/answer?gone", "", 410, "server: ingress421; x-site: all; content-type: text/html; gone"},
					{"none", "GET", "/answer?else", "", 200, "x-seen: https|||2; server: theirs; x-backend: theirs; x-site: all; x-site-adds: some"},
					{"a place", "GET", "/metrics", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a place below", "GET", "/metricsandmore", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a place, otherwise", "GET", "//metrics", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a place, encoded", "GET", "/x%2f..%2f%6detrics", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a place, in the dark", "GET", "/x/../metrics/./y", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a place whose route is longer", "GET", "/metrics/public/x", "", 200, "x-seen: https|||2; server: theirs; x-backend: theirs; x-site: all; x-site-adds: some"},
					{"all but a place, that", "GET", "/inside/open/x", "", 200, "x-seen: https|||2; server: theirs; x-backend: theirs; x-site: all; x-site-adds: some"},
					{"all but a place, that encoded", "GET", "/inside//%6fpen/x", "", 200, "x-seen: https|||2; server: theirs; x-backend: theirs; x-site: all; x-site-adds: some"},
					{"all but a place, another", "GET", "/inside/x", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"all but a place, another out of it", "GET", "/inside/open/..%2fx", "", 403, "server: ingress421; x-site: all; 403 Forbidden: answer\n"},
					{"a part", "GET", "/a/.GIT/config", "", 404, "server: ingress421; x-site: all; 404 Not Found: answer\n"},
				} {
					a := roundTrip(t, rt, tt.method, "https://a.test/", func(r *http.Request) {
						path, query, _ := strings.Cut(tt.target, "?")
						r.URL.Opaque, r.URL.RawQuery = "//a.test"+path, query
						r.Header.Set("X-One", "1")
						r.Header.Set("X-Two", "2")
						r.Header.Set("Origin", "https://o.test")
						r.Header.Set("User-Agent", tt.agent)
					})
					var got []string
					for _, name := range []string{"x-seen", "server", "x-backend", "x-more", "x-always", "x-unknown", "x-site", "x-site-adds", "allow", "location"} {
						if values := a.Header.Values(name); len(values) != 0 {
							got = append(got, fmt.Sprintf("%s: %s", name, strings.Join(values, " and ")))
						}
					}
					if kind := a.Header.Get("Content-Type"); slices.Contains([]string{"application/json", "text/html"}, kind) {
						got = append(got, "content-type: "+kind)
					}
					if a.body != "" {
						got = append(got, a.body)
					}
					if text := strings.Join(got, "; "); a.StatusCode != tt.status || text != tt.want {
						t.Errorf("%s: %d\n got %q\nwant %d\n     %q", tt.name, a.StatusCode, text, tt.status, tt.want)
					}
				}
			})
		})
	}
}
