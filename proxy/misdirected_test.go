package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestMisdirectedAnswer(t *testing.T) {
	_, m := shop(t)
	onBoth(t, m, nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		ask := func(change func(*http.Request)) answer {
			a := roundTrip(t, rt, "GET", "https://c.test/", change)
			if len(a.Header["Date"]) != 1 || a.StatusCode != 421 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Server") != "ingress421" ||
				a.Header.Get("Proxy-Status") != `ingress421; error=http_request_denied; details="certificate"` {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
			// Neither other hosts nor certificates are told.
			for _, leak := range []string{"a.test", "b.test", "c.test", "default/"} {
				if strings.Contains(a.body, leak) {
					t.Errorf("%q in the answer:\n%s", leak, a.body)
				}
			}
			return a
		}
		accept := func(v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Accept", v) } }
		for _, v := range []string{"", "*/*", "text/html", "application/*", "application/json", "application/problem+json;q=0", "application/problem+json; q=0.0"} {
			if a := ask(accept(v)); !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || !strings.Contains(a.body, "certificate") {
				t.Errorf("Accept %q: %s %q", v, a.Header.Get("Content-Type"), a.body)
			}
		}
		for _, v := range []string{"application/problem+json", "text/html, Application/Problem+JSON;q=0.2", "application/problem+json;v=1;q=1"} {
			a := ask(accept(v))
			var p struct {
				Status        int
				Title, Reason string
			}
			if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("Accept %q: %v %s %q", v, err, a.Header.Get("Content-Type"), a.body)
			}
			if p.Status != 421 || p.Title != "Misdirected Request" || p.Reason != "certificate" {
				t.Errorf("problem %+v", p)
			}
		}
		a := ask(func(r *http.Request) { r.Header.Set("Content-Type", "application/grpc+proto") })
		if a.body != "" || a.Header.Get("Content-Type") != "application/grpc" || a.Header.Get("Grpc-Status") != "14" || a.Header.Get("Grpc-Message") == "" {
			t.Errorf("gRPC: %v %q", a.Header, a.body)
		}
		if a := roundTrip(t, rt, "HEAD", "https://c.test/", nil); a.StatusCode != 421 || a.body != "" {
			t.Errorf("HEAD: %d %q", a.StatusCode, a.body)
		}
		// The connection stays, and goes on serving what it may.
		if a := roundTrip(t, rt, "GET", "https://b.test/", nil); a.StatusCode != 200 {
			t.Errorf("after it: %d", a.StatusCode)
		}
	})
}

func TestCloseOnMisdirected(t *testing.T) {
	ca := newAuthority(t)
	class := hostmap.BuiltinClass()
	class.CloseOnMisdirected = true
	a, c := ca.serverCert("a", "a.test"), ca.serverCert("c", "c.test")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Class: class, Certificates: []*hostmap.Certificate{a}, Routes: routeTo(echo(t, "a"))}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Class: class, Certificates: []*hostmap.Certificate{c}, Routes: routeTo(echo(t, "c"))}),
	}})
	w := newWorld(t, m, nil)
	if got := w.rawHTTP1("a.test", "GET / HTTP/1.1\r\nHost: c.test\r\n\r\n"); got.status != "421" || got.header["connection"] != "close" {
		t.Errorf("http/1.1: %+v", got)
	}
	conn := w.rawH2("a.test", nil)
	if got := conn.get("https", "c.test", "/"); got.status != "421" {
		t.Errorf("h2: %+v", got)
	}
	if got := conn.answer(99); !got.gone || len(conn.goAways) < 2 || conn.goAways[0] != 1<<31-1 || conn.goAways[len(conn.goAways)-1] != 1 {
		t.Errorf("want two GOAWAYs and the end, have %v, gone: %v", conn.goAways, got.gone)
	}
}

func TestUnserved(t *testing.T) {
	for status, misdirected := range map[int]bool{404: false, 421: true} {
		ca := newAuthority(t)
		class := hostmap.BuiltinClass()
		class.UnservedMisdirected = misdirected
		w := newWorld(t, hostmap.New(hostmap.Spec{Class: class, Sites: []*hostmap.Site{
			hostmap.NewSite(hostmap.Site{Host: "a.test", Class: class, Certificates: []*hostmap.Certificate{ca.serverCert("w", "*.test", "a.test")}, Routes: routeTo(echo(t, "a"))}),
		}}), nil)
		a := roundTrip(t, w.h2Client("a.test", nil), "GET", "https://nowhere.test/", nil)
		if a.StatusCode != status || !strings.Contains(a.Header.Get("Proxy-Status"), `details="unserved"`) {
			t.Errorf("%d %q, want %d", a.StatusCode, a.Header.Get("Proxy-Status"), status)
		}
	}
}

// One line for each 421, at level info, with what it takes to explain it.
func TestMisdirectedLog(t *testing.T) {
	_, m := shop(t)
	w := newWorld(t, m, nil)
	leaf := m.Site("a.test").Certificates[0]
	cc := w.h2Client("A.test", nil)
	roundTrip(t, cc, "GET", "https://c.test:8443/", nil)
	roundTrip(t, cc, "GET", "https://a.test/", nil)
	w.stop()
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1:\n%s", len(lines), w.log.String())
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	if when, err := time.Parse(time.RFC3339Nano, line["time"].(string)); err != nil || time.Since(when) > time.Minute {
		t.Errorf("time %v: %v", line["time"], err)
	}
	for name, want := range map[string]string{
		"level": "INFO", "msg": "misdirected", "sni": "a.test", "authority": "c.test:8443", "reason": "certificate", "rule": "certificate",
		"enforcement": "enforce", "retry": "yes", "secret": "default/ab", "protocol": "h2", "peer": "127.0.0.1",
	} {
		if line[name] != want {
			t.Errorf("%s: %v, want %s", name, line[name], want)
		}
	}
	if fp, _ := line["fingerprint"].(string); !strings.HasPrefix(fp, leaf.ShortFingerprint()) || len(fp) != 64 {
		t.Errorf("fingerprint %q, want %s...", fp, leaf.ShortFingerprint())
	}
}

func TestMetrics(t *testing.T) {
	_, m := shop(t)
	w := newWorld(t, m, nil)
	cc := w.h2Client("a.test", nil)
	roundTrip(t, cc, "GET", "https://a.test/", nil)
	roundTrip(t, cc, "GET", "https://a.test/", nil)
	roundTrip(t, cc, "BREW", "https://b.test/", nil)
	roundTrip(t, cc, "GET", "https://c.test/", nil)
	roundTrip(t, cc, "GET", "https://nowhere.test/", nil)
	// The client comes back on a connection for the host it was refused.
	roundTrip(t, w.h2Client("c.test", nil), "GET", "https://c.test/", nil)
	roundTrip(t, w.h2Client("c.test", nil), "GET", "https://c.test/", nil)
	compare := func(want string, names ...string) {
		t.Helper()
		if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
	}
	compare(`
# HELP ingress421_misdirected_recovered_total Clients that came back with the right server name within 10 s of a 421.
# TYPE ingress421_misdirected_recovered_total counter
ingress421_misdirected_recovered_total{host="_unserved"} 0
ingress421_misdirected_recovered_total{host="c.test"} 1
# HELP ingress421_misdirected_requests_total Requests that the rule refused, or would have refused where it only reports.
# TYPE ingress421_misdirected_requests_total counter
ingress421_misdirected_requests_total{enforcement="enforce",host="_unserved",protocol="h2",reason="certificate",retry="no",rule="certificate"} 1
ingress421_misdirected_requests_total{enforcement="enforce",host="c.test",protocol="h2",reason="certificate",retry="yes",rule="certificate"} 1
# HELP ingress421_requests_total Requests answered, by site, protocol, method and status.
# TYPE ingress421_requests_total counter
ingress421_requests_total{code="200",host="a.test",method="GET",protocol="h2"} 2
ingress421_requests_total{code="200",host="b.test",method="other",protocol="h2"} 1
ingress421_requests_total{code="200",host="c.test",method="GET",protocol="h2"} 2
ingress421_requests_total{code="421",host="_unserved",method="GET",protocol="h2"} 1
ingress421_requests_total{code="421",host="c.test",method="GET",protocol="h2"} 1
# HELP ingress421_upstream_requests_total Requests sent to backends, by result.
# TYPE ingress421_upstream_requests_total counter
ingress421_upstream_requests_total{namespace="default",result="ok",service="a"} 2
ingress421_upstream_requests_total{namespace="default",result="ok",service="b"} 1
ingress421_upstream_requests_total{namespace="default",result="ok",service="c"} 2
`, "ingress421_requests_total", "ingress421_misdirected_requests_total", "ingress421_misdirected_recovered_total", "ingress421_upstream_requests_total")

	// Series go when their site does.
	var sites []*hostmap.Site
	for _, s := range m.Sites() {
		if s.Host == "a.test" {
			sites = append(sites, s)
		}
	}
	w.server.Publish(hostmap.New(hostmap.Spec{Sites: sites}))
	compare(`
# HELP ingress421_requests_total Requests answered, by site, protocol, method and status.
# TYPE ingress421_requests_total counter
ingress421_requests_total{code="200",host="a.test",method="GET",protocol="h2"} 2
ingress421_requests_total{code="421",host="_unserved",method="GET",protocol="h2"} 1
# HELP ingress421_upstream_requests_total Requests sent to backends, by result.
# TYPE ingress421_upstream_requests_total counter
ingress421_upstream_requests_total{namespace="default",result="ok",service="a"} 2
`, "ingress421_requests_total", "ingress421_upstream_requests_total")
}

// Whatever clients send, the number of series stays (CVE-2022-21698).
func TestSeriesAreBounded(t *testing.T) {
	_, m := shop(t)
	w := newWorld(t, m, nil)
	c := w.rawH2("a.test", nil)
	count := func() int {
		n, err := testutil.GatherAndCount(w.registry)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	c.get("https", "x.nowhere.test", "/", "x-a", "b")
	c.answer(c.send(true, ":method", "XA", ":scheme", "https", ":path", "/", ":authority", "x.nowhere.test"))
	before := count()
	for i := range 2000 {
		name := strings.Repeat(string(rune('a'+i%26)), 1+i/26%60)
		c.answer(c.send(true, ":method", "X"+strings.ToUpper(name), ":scheme", "https", ":path", "/"+name, ":authority", name+".nowhere.test"))
	}
	if after := count(); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

func TestReportServes(t *testing.T) {
	ca := newAuthority(t)
	a, c := ca.serverCert("a", "a.test"), ca.serverCert("c", "c.test")
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "a.test", Certificates: []*hostmap.Certificate{a}, Routes: routeTo(echo(t, "a"))}),
		hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "c.test", Report: true, Certificates: []*hostmap.Certificate{c}, Routes: routeTo(echo(t, "c"))}),
	}}), nil)
	if got := roundTrip(t, w.h2Client("a.test", nil), "GET", "https://c.test/", nil); got.StatusCode != 200 {
		t.Errorf("%d, want 200", got.StatusCode)
	}
	err := testutil.GatherAndCompare(w.registry, strings.NewReader(`
# HELP ingress421_misdirected_requests_total Requests that the rule refused, or would have refused where it only reports.
# TYPE ingress421_misdirected_requests_total counter
ingress421_misdirected_requests_total{enforcement="report",host="c.test",protocol="h2",reason="certificate",retry="yes",rule="certificate"} 1
`), "ingress421_misdirected_requests_total")
	if err != nil {
		t.Error(err)
	}
	w.stop()
	if !strings.Contains(w.log.String(), `"enforcement":"report"`) {
		t.Errorf("log: %s", w.log.String())
	}
}
