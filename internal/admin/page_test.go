package admin

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/hostmap/mapjson"
)

// recorded is a Recorder with a map, and silent.
func recorded(m *hostmap.Map, problems []hostmap.Problem) *Recorder {
	r := NewRecorder(slog.New(slog.DiscardHandler))
	r.Record(m, problems, 0)
	return r
}

// get asks a handler for a page.
func get(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	r := httptest.NewRequest("GET", path, http.NoBody)
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// getJSON asks for rows.
func getJSON[R any](t testing.TB, h http.Handler, path string) (rows []R, total int) {
	t.Helper()
	var l struct {
		Total int
		Rows  []R
	}
	if err := json.Unmarshal([]byte(get(t, h, path)), &l); err != nil {
		t.Fatal(err)
	}
	return l.Rows, l.Total
}

// plainMap has many sites of one certificate each.
func plainMap(n int) *hostmap.Map {
	class := &hostmap.Class{Name: "public", MinVersion: tls.VersionTLS12}
	spec := hostmap.Spec{Class: class}
	for i := range n {
		namespace, host := fmt.Sprintf("team-%d", i%100), fmt.Sprintf("host-%06d.example.com", i)
		c := unsigned(namespace, fmt.Sprintf("tls-%d", i), time.Date(2040, 1, 1, 0, 0, i, 0, time.UTC), host)
		spec.Certificates = append(spec.Certificates, c)
		spec.Sites = append(spec.Sites, hostmap.NewSite(hostmap.Site{
			Host: host, Namespace: namespace, Class: class, Certificates: []*hostmap.Certificate{c},
			Routes: []*hostmap.Route{{
				Path: "/", From: hostmap.Object{Kind: "Ingress", Namespace: namespace, Name: "web"},
				Backend: &hostmap.Backend{
					Namespace: namespace, Service: fmt.Sprintf("web-%d", i), Port: "80",
					Endpoints: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 8080)},
				},
			}},
		}))
	}
	return hostmap.New(spec)
}

// Whoever follows the links "next" of a list sees each row once.
func TestPagesHaveAllRows(t *testing.T) {
	h := Handler(recorded(plainMap(230), nil), Live{})
	for _, path := range []string{"/sites", "/certificates", "/backends", "/sites?q=host-0001"} {
		want, total := getJSON[map[string]any](t, h, strings.Replace(path, "?", ".json?rows=1000&", 1)+map[bool]string{true: "", false: ".json?rows=1000"}[strings.Contains(path, "?")])
		if len(want) != total || total < 100 {
			t.Fatalf("%s: %d of %d rows", path, len(want), total)
		}
		seen := 0
		for next := path; next != ""; {
			page := get(t, h, next)
			seen += strings.Count(page, `<tr><th scope="row">`) + strings.Count(page, "<tr>\n<th scope=\"row\">")
			if next = linked(t, page, "next"); seen > total {
				break
			}
		}
		if seen != total {
			t.Errorf("%s: %d of %d rows on all pages", path, seen, total)
		}
	}
}

// linked returns where a link with a relation leads; "" for none.
func linked(t *testing.T, page, rel string) string {
	t.Helper()
	for z := html.NewTokenizer(strings.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			return ""
		case html.StartTagToken:
			token := z.Token()
			attr := func(name string) string {
				i := slices.IndexFunc(token.Attr, func(a html.Attribute) bool { return a.Key == name })
				if i < 0 {
					return ""
				}
				return token.Attr[i].Val
			}
			if attr("rel") == rel {
				return attr("href")
			}
		}
	}
}

// The certificate that ends first comes first.
func TestCertificatesByEnd(t *testing.T) {
	now := time.Now()
	var spec hostmap.Spec
	for name, left := range map[string]time.Duration{"late": 90 * 24 * time.Hour, "gone": -time.Hour, "near": 30 * time.Hour, "soon": 10 * 24 * time.Hour} {
		spec.Certificates = append(spec.Certificates, unsigned("shop", name, now.Add(left), name+".test"))
	}
	h := Handler(recorded(hostmap.New(spec), nil), Live{})
	rows, _ := getJSON[certificateRow](t, h, "/certificates.json")
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r.Secret, " ", r.DaysLeft))
	}
	if diff := cmp.Diff([]string{"shop/gone 0", "shop/near 1", "shop/soon 9", "shop/late 89"}, got); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
	page := get(t, h, "/certificates")
	for _, want := range []string{`class="bad">expired`, `class="bad">29 h`, `class="soon">9 days`, `>89 days`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

// A backend with an endpoint that rests comes first, and the same address in
// another namespace does not suffer.
func TestBackendsThatRest(t *testing.T) {
	at := netip.MustParseAddrPort("10.1.2.3:8080")
	other := netip.MustParseAddrPort("10.1.2.4:8080")
	route := func(k *hostmap.Backend) []*hostmap.Route { return []*hostmap.Route{{Path: "/", Backend: k}} }
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Routes: route(&hostmap.Backend{Namespace: "one", Service: "well", Port: "80", Endpoints: []netip.AddrPort{at}})}),
		hostmap.NewSite(hostmap.Site{Host: "b.test", Routes: route(&hostmap.Backend{Namespace: "one", Service: "empty", Port: "80"})}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Routes: route(&hostmap.Backend{Namespace: "two", Service: "half", Port: "80", Endpoints: []netip.AddrPort{other, at}})}),
	}})
	h := Handler(recorded(m, nil), Live{Endpoints: func() []Endpoint {
		return []Endpoint{{Namespace: "two", Addr: at, Failures: 3, Resting: true, Probe: 2 * time.Second}, {Namespace: "two", Addr: other, Failures: 1}}
	}})
	rows, _ := getJSON[backendRow](t, h, "/backends.json")
	want := []backendRow{
		{Name: "two/half:80", Protocol: "HTTP", Total: 2, Resting: 1, Endpoints: []endpointRow{
			{Addr: at, State: "resting", Failures: 3, Probe: 2}, {Addr: other, State: "failing", Failures: 1},
		}},
		{Name: "one/empty:80", Protocol: "HTTP", Endpoints: []endpointRow{}},
		{Name: "one/well:80", Protocol: "HTTP", Total: 1, Endpoints: []endpointRow{{Addr: at, State: "ok"}}},
	}
	if diff := cmp.Diff(want, rows, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	if page := get(t, h, "/backends"); !strings.Contains(page, "1 of 2 rest") || !strings.Contains(page, "tried again in 2 s") {
		t.Errorf("the page says nothing of it:\n%s", page)
	}
}

// The last requests of each reason are remembered, and all are counted.
func TestMisdirectedRemembers(t *testing.T) {
	var m Misdirected
	line := func(i int, reason string) string {
		return fmt.Sprintf(`{"time":"2026-11-01T00:00:%02dZ","level":"INFO","msg":"misdirected","sni":"a.test","authority":"b%d.test","reason":"%s","rule":"certificate","enforcement":"enforce","retry":"yes","secret":"shop/a","fingerprint":"00","protocol":"h2","peer":"192.0.2.1"}`+"\n", i, i, reason)
	}
	for i := range 50 {
		fmt.Fprint(&m, line(i, "certificate"), line(i, "tls_policy"))
	}
	fmt.Fprint(&m, line(59, `server_name`), "no JSON\n", `{"reason":"broken`, "\n")
	for i := range 100 {
		fmt.Fprint(&m, line(0, fmt.Sprint("made-up-", i)))
	}
	h := Handler(recorded(hostmap.New(hostmap.Spec{}), nil), Live{Misdirected: &m})
	rows, total := getJSON[misdirectedRow](t, h, "/misdirected.json?rows=100")
	if total != 2*examplesKept+1+(reasonsKept-3) || rows[0].Reason != "server_name" || rows[1].Authority != "b49.test" {
		t.Errorf("%d rows, the first: %+v", total, rows[:2])
	}
	want := []reasonCount{{"certificate", 50}, {"tls_policy", 50}, {"server_name", 1}}
	if diff := cmp.Diff(want, m.counts()[:3]); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if _, total := getJSON[misdirectedRow](t, h, "/misdirected.json?q=b49.TEST"); total != 2 {
		t.Errorf("%d rows of b49.test, want 2", total)
	}
	if page := get(t, h, "/misdirected"); !strings.Contains(page, "<b>50</b> certificate") || !strings.Contains(page, `http-equiv="refresh"`) {
		t.Errorf("the page:\n%s", page)
	}
}

// A link holds a question, and whoever opens it sees what the rule says.
func TestExplainPage(t *testing.T) {
	h := Handler(recorded(plainMap(3), nil), Live{})
	const link = "?server-name=host-000000.example.com&authority=host-000001.example.com"
	for path, want := range map[string]string{
		"/explain":             `name="authority"`,
		"/explain" + link:      "421 certificate",
		"/explain.json" + link: `"reason": "certificate"`,
		"/explain?authority=host-000001.example.com": "Prefix /",
		"/explain?authority=%3Cscript%3E":            "&lt;script&gt;",
	} {
		if page := get(t, h, path); !strings.Contains(page, want) || strings.Contains(page, "<script>") {
			t.Errorf("GET %s has no %q:\n%s", path, want, page)
		}
	}
	row := misdirectedRow{ServerName: "a.test", Authority: "b.test:8443", Peer: "192.0.2.1"}
	if want := "/explain?authority=b.test%3A8443&peer=192.0.2.1&server-name=a.test"; row.Why() != want {
		t.Errorf("the link is %s, want %s", row.Why(), want)
	}
}

// What a client or a tenant wrote becomes text of the page and nothing else.
func TestPageEscapes(t *testing.T) {
	const evil = `<script>alert(1)</script><a href=javascript:alert(2)>`
	var m Misdirected
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&m, `{"time":"2026-11-01T00:00:00Z","sni":%[1]s,"authority":%[1]s,"reason":"certificate","secret":%[1]s}`+"\n", quoted)
	h := Handler(recorded(hostmap.New(hostmap.Spec{}), []hostmap.Problem{{Object: hostmap.Object{Kind: evil, Name: evil}, Reason: evil, Message: evil}}), Live{Misdirected: &m})
	for _, path := range []string{"/", "/problems", "/misdirected", "/?q=%3Cscript%3E", "/sites?q=javascript:alert(2)&from=3"} {
		for z := html.NewTokenizer(strings.NewReader(get(t, h, path))); ; {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			token := z.Token()
			if token.Data == "script" || slices.ContainsFunc(token.Attr, func(a html.Attribute) bool {
				return strings.HasPrefix(a.Key, "on") || a.Key == "href" && strings.Contains(a.Val, "javascript:") && !strings.HasPrefix(a.Val, "/")
			}) {
				t.Errorf("%s has %s", path, token)
			}
		}
	}
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// largest remembers the largest write.
type largest struct {
	*httptest.ResponseRecorder
	octets int
}

func (l *largest) Write(p []byte) (int, error) {
	l.octets = max(l.octets, len(p))
	return l.ResponseRecorder.Write(p)
}

// The JSON of a host map goes out while it is made: never all of it is held.
func TestMapIsStreamed(t *testing.T) {
	w := &largest{ResponseRecorder: httptest.NewRecorder()}
	Handler(recorded(plainMap(1000), nil), Live{}).ServeHTTP(w, httptest.NewRequest("GET", "/hostmap.json", http.NoBody))
	if all := w.Body.Len(); w.octets > all/4 {
		t.Errorf("a write of %d octets, of %d in all", w.octets, all)
	}
	var m mapjson.Map
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || len(m.Sites) != 1000 || len(m.Certificates) != 1000 {
		t.Errorf("%d sites, %d certificates, error %v, want 1000 each", len(m.Sites), len(m.Certificates), err)
	}
}

// BenchmarkPage asks for each page of a map of a hundred thousand hosts. The
// first octet comes when the page is whole.
func BenchmarkPage(b *testing.B) {
	h := Handler(recorded(plainMap(100_000), nil), Live{
		Misdirected: new(Misdirected), Endpoints: func() []Endpoint { return make([]Endpoint, 100) },
	})
	for _, path := range []string{
		"/", "/?q=host-0777", "/sites?from=90000", "/sites?q=web-77777", "/certificates?from=90000", "/certificates?q=no.such",
		"/backends?from=90000", "/audit", "/problems",
	} {
		b.Run(path, func(b *testing.B) {
			get(b, h, path)
			before := cpu(b)
			for b.Loop() {
				get(b, h, path)
			}
			// What a machine that has nothing else to do would take, but for the
			// part of it that runs beside.
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}
