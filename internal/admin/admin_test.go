package admin

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ingress421/ingress421/internal/hostmap"
)

var notAfter = time.Date(2040, 2, 3, 4, 5, 6, 0, time.UTC)

// issue makes a certificate as a Secret would hold it, and its key as PEM.
func issue(t *testing.T, secret string, end time.Time, withRSA bool, names ...string) (*hostmap.Certificate, []byte) {
	t.Helper()
	var key any
	var public any
	if withRSA {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, public = k, &k.PublicKey
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	c, err := hostmap.ParseCertificate(hostmap.SecretRef{Namespace: "shop", Name: strings.TrimPrefix(secret, "shop/")}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return c, keyPEM
}

// world is a map with one of everything, and the keys in it.
func world(t *testing.T) (*hostmap.Map, [][]byte) {
	t.Helper()
	a, keyA := issue(t, "shop/a", notAfter, false, "a.test", "*.shop.test")
	b, keyB := issue(t, "shop/b", notAfter.Add(time.Hour), true, "b.test")
	strict := &hostmap.Class{
		Name: "strict", Rule: hostmap.RuleServerName, UnservedMisdirected: true, Origin: hostmap.OriginNever,
		ShareCertificates: true, DefaultCertificate: hostmap.SecretRef{Namespace: "shop", Name: "a"},
		TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, MinVersion: tls.VersionTLS13,
	}
	plain := hostmap.BuiltinClass()
	web := &hostmap.Backend{
		Namespace: "shop", Service: "web", Port: "http", ServerName: "inner.test", Protocol: hostmap.GRPCS,
		CAs: x509.NewCertPool(), CAID: [32]byte{7},
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.1.2.3:8080"), netip.MustParseAddrPort("[fd00::1]:8080")},
	}
	missing := &hostmap.Backend{Namespace: "shop", Service: "gone", Port: "80", Missing: hostmap.MissingService}
	route := func(typ hostmap.PathType, path string, k *hostmap.Backend) *hostmap.Route {
		return &hostmap.Route{Type: typ, Path: path, Backend: k, From: hostmap.Object{Kind: "Ingress", Namespace: "shop", Name: "web"}}
	}
	rest := route(hostmap.Prefix, "", missing)
	rest.Default = true
	closed := &hostmap.Class{Name: "closed", MinVersion: tls.VersionTLS12, Unresolved: true, Claims: []hostmap.Claim{{Host: "*.test", Namespaces: []string{"shop"}}, {Host: "no.test"}}}
	m := hostmap.New(hostmap.Spec{
		Class:        strict,
		Defaults:     []*hostmap.Certificate{a},
		Certificates: []*hostmap.Certificate{a, b},
		Sites: []*hostmap.Site{
			hostmap.NewSite(hostmap.Site{Host: "a.test", Namespace: "shop", Class: plain, Certificates: []*hostmap.Certificate{a}, Terms: hostmap.Terms{HTTPSRedirect: true}, Routes: []*hostmap.Route{
				route(hostmap.Exact, "/x", web), route(hostmap.Prefix, "/", missing),
			}}),
			hostmap.NewSite(hostmap.Site{
				Host: "b.test", Namespace: "shop", Class: strict, Rule: hostmap.RuleSameCertificate, Report: true, Certificates: []*hostmap.Certificate{b, a},
				Policy: hostmap.NewTLSPolicy(hostmap.ClientAuthOptional, 3, nil), Routes: []*hostmap.Route{rest},
			}),
			hostmap.NewSite(hostmap.Site{Host: "*.shop.test", Namespace: "shop", Class: plain, Rule: hostmap.RuleOff, Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)}),
			hostmap.NewSite(hostmap.Site{Host: "first.test", Namespace: "shop", Class: closed,
				First: []*hostmap.Route{route(hostmap.Prefix, "/", missing)}, Routes: []*hostmap.Route{route(hostmap.Exact, "/x", web)}}),
			hostmap.NewSite(hostmap.Site{Namespace: "shop", Class: plain, Routes: []*hostmap.Route{rest}}),
		},
	})
	return m, [][]byte{keyA, keyB}
}

func problems() []hostmap.Problem {
	return []hostmap.Problem{
		{Object: hostmap.Object{Kind: "File", Name: "web.yaml"}, Reason: "FileInvalid", Message: "web.yaml:3: <script>alert(1)</script>"},
		{Object: hostmap.Object{Kind: "Ingress", Namespace: "shop", Name: "web"}, Reason: "ServiceNotFound", Message: "one"},
		{Object: hostmap.Object{Kind: "Ingress", Namespace: "shop", Name: "web"}, Reason: "ServiceNotFound", Message: "two"},
	}
}

func TestMetricsFollowTheMap(t *testing.T) {
	r := NewRecorder(slog.New(slog.DiscardHandler))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r)
	names := []string{
		"ingress421_hostmap_publish_total", "ingress421_hostmap_hosts", "ingress421_hostmap_certificates",
		"ingress421_certificate_not_after_seconds", "ingress421_ingress_problems",
	}
	want := func(series ...string) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range families {
			if !strings.Contains(strings.Join(names, " "), f.GetName()) {
				continue
			}
			for _, m := range f.GetMetric() {
				line := strings.TrimPrefix(f.GetName(), "ingress421_")
				for _, l := range m.GetLabel() {
					line += " " + l.GetValue()
				}
				got = append(got, line+" "+big.NewFloat(m.GetGauge().GetValue()+m.GetCounter().GetValue()).Text('f', 0))
			}
		}
		if diff := cmp.Diff(series, got); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
	}
	want("hostmap_publish_total ok 0", "hostmap_publish_total problems 0")

	m, _ := world(t)
	// The last good certificate stands beside its successor: one series.
	var later *hostmap.Certificate
	for later == nil || bytes.Compare(later.Fingerprint[:], m.Certificates()[1].Fingerprint[:]) < 0 {
		// It is to come last in the map, and not to hold for that.
		later, _ = issue(t, "shop/b", notAfter.Add(2*time.Hour), false, "b.test")
	}
	both := hostmap.New(hostmap.Spec{Sites: m.Sites(), Certificates: append([]*hostmap.Certificate{later}, m.Certificates()...)})
	r.Record(both, problems(), time.Millisecond)
	want(
		"certificate_not_after_seconds shop a 2211854706", "certificate_not_after_seconds shop b 2211858306",
		"hostmap_certificates 3", "hostmap_hosts 4",
		"hostmap_publish_total ok 0", "hostmap_publish_total problems 1",
		"ingress_problems File/web.yaml  FileInvalid 1", "ingress_problems web shop ServiceNotFound 2",
	)
	r.Record(hostmap.New(hostmap.Spec{}), nil, time.Millisecond)
	want("hostmap_certificates 0", "hostmap_hosts 0", "hostmap_publish_total ok 1", "hostmap_publish_total problems 1")

	for _, name := range []string{"ingress421_hostmap_publish_duration_seconds", "ingress421_hostmap_last_publish_timestamp_seconds"} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n != 1 {
			t.Errorf("%s has %d series, error %v, want 1", name, n, err)
		}
	}
	if lint, err := testutil.GatherAndLint(registry); err != nil || len(lint) != 0 {
		t.Errorf("promlint says %v, error %v", lint, err)
	}
}

func TestProblemsAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	r := NewRecorder(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	m := hostmap.New(hostmap.Spec{})
	p := problems()
	r.Record(m, p[1:2], 0)
	r.Record(m, p[1:2], 0)
	r.Record(m, p[2:3], 0)
	want := `level=WARN msg=problem kind=Ingress namespace=shop name=web reason=ServiceNotFound message=one
level=WARN msg=problem kind=Ingress namespace=shop name=web reason=ServiceNotFound message=two
level=INFO msg="problem is over" kind=Ingress namespace=shop name=web reason=ServiceNotFound message=one
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestLinesAboutProblemsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := NewRecorder(slog.New(slog.NewTextHandler(&log, nil)))
		m := hostmap.New(hostmap.Spec{})
		many := make([]hostmap.Problem, 5000)
		for i := range many {
			many[i] = hostmap.Problem{Kind: "Ingress", Name: strconv.Itoa(i)}
		}
		lines := func() int {
			n := strings.Count(log.String(), "\n")
			log.Reset()
			return n
		}
		r.Record(m, many, 0)
		if n := lines(); n != 1001 {
			t.Errorf("%d lines of 5000 problems, want 1000 and how many more", n)
		}
		time.Sleep(10 * time.Second)
		r.Record(m, nil, 0)
		if n := lines(); n != 201 {
			t.Errorf("%d lines after ten seconds, want 200 and how many more", n)
		}
		time.Sleep(time.Hour)
		r.Record(m, many[:3], 0)
		if n := lines(); n != 3 {
			t.Errorf("%d lines of 3 problems", n)
		}
	})
}

// serve starts a handler on loopback and returns a function that asks it.
func serve(t *testing.T, h http.Handler) func(method, path, host string) (int, string, http.Header) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(h, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
		<-ended
	})
	return func(method, path, host string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+listener.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header
	}
}

// Metrics speak of every tenant's hosts, and one may have another replica's
// address served as a backend of his.
func TestNothingIsToldThroughAnIngress(t *testing.T) {
	server := NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
	for field, want := range map[string]int{
		"": 200, "cdn.example": 200, "ingress421-0123abcd": 403, "cdn.example;a=b, ingress421-0123abcd": 403,
	} {
		req := httptest.NewRequest("GET", "/metrics", http.NoBody)
		req.Header.Set("CDN-Loop", field)
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("CDN-Loop %q: status %d, want %d", field, w.Code, want)
		}
	}
}

func TestAdminPages(t *testing.T) {
	r := NewRecorder(slog.New(slog.DiscardHandler))
	ask := serve(t, Handler(r, Live{}))
	for _, path := range []string{"/", "/hostmap", "/hostmap.json", "/problems"} {
		if code, _, _ := ask("GET", path, ""); code != http.StatusServiceUnavailable {
			t.Errorf("GET %s before the first map: %d, want 503", path, code)
		}
	}
	m, _ := world(t)
	r.Record(m, problems(), time.Millisecond)
	tests := []struct {
		method, path, host string
		code               int
		typ                string
		has, hasNot        string
	}{
		{method: "GET", path: "/", code: 200, typ: "text/html; charset=utf-8", has: "Sites <span>5</span>", hasNot: "<script>"},
		{method: "GET", path: "/", code: 200, typ: "text/html; charset=utf-8", has: "unresolved: all are refused"},
		{method: "GET", path: "/?q=B.test", code: 200, typ: "text/html; charset=utf-8", has: "Sites <span>1</span>", hasNot: "a.test"},
		{method: "GET", path: "/?q=%22%3E%3Cscript%3E", code: 200, typ: "text/html; charset=utf-8", has: "Sites <span>0</span>", hasNot: "<script>"},
		{method: "GET", path: "/?q=shop/b", code: 200, typ: "text/html; charset=utf-8", has: "Sites <span>1</span>"},
		{method: "GET", path: "/?q=shop/gone", code: 200, typ: "text/html; charset=utf-8", has: "Sites <span>4</span>"},
		{method: "GET", path: "/sites?q=B.test", code: 200, typ: "text/html; charset=utf-8", has: "Sites <span>1</span>", hasNot: "a.test"},
		{method: "GET", path: "/certificates", code: 200, typ: "text/html; charset=utf-8", has: "Certificates <span>2</span>"},
		{method: "GET", path: "/backends", code: 200, typ: "text/html; charset=utf-8", has: "Backends <span>2</span>"},
		{method: "GET", path: "/misdirected", code: 200, typ: "text/html; charset=utf-8", has: "No request was misdirected lately."},
		{method: "GET", path: "/audit", code: 200, typ: "text/html; charset=utf-8", has: "<b>1</b> get 421 there"},
		{method: "GET", path: "/sites.json?q=b.test", code: 200, typ: "application/json", has: `{"query":"b.test","total":1,"from":0,"rows":[{"host":"b.test",`},
		{method: "GET", path: "/certificates.json?from=1&rows=1", code: 200, typ: "application/json", has: `"total":2,"from":1,"rows":[{"secret":"shop/b",`, hasNot: "shop/a"},
		{method: "GET", path: "/certificates.json?from=-1&rows=x", code: 200, typ: "application/json", has: `"total":2,"from":0,`},
		{method: "GET", path: "/backends.json?from=7", code: 200, typ: "application/json", has: `"total":2,"from":7,"rows":[]`},
		{method: "POST", path: "/sites", code: 405},
		{method: "POST", path: "/problems", code: 405},
		{method: "GET", path: "/style.css", code: 200, typ: "text/css; charset=utf-8", has: "color-scheme"},
		{method: "GET", path: "/hostmap", code: 200, typ: "text/plain; charset=utf-8", has: m.String()},
		{method: "GET", path: "/hostmap.json", code: 200, typ: "application/json", has: `"endpoints":["10.1.2.3:8080","[fd00::1]:8080"]`},
		{method: "GET", path: "/problems", code: 200, typ: "application/json", has: `"reason":"ServiceNotFound","message":"two"}`},
		{method: "HEAD", path: "/", code: 200, typ: "text/html; charset=utf-8"},
		{method: "POST", path: "/", code: 405},
		{method: "DELETE", path: "/hostmap", code: 405},
		{method: "GET", path: "/debug/pprof/", code: 404},
		{method: "GET", path: "/", host: "localhost:9421", code: 200},
		{method: "GET", path: "/", host: "[::1]:9421", code: 200},
		{method: "GET", path: "/hostmap", host: "rebound.example:9421", code: 403, hasNot: "a.test"},
	}
	for _, tt := range tests {
		code, body, header := ask(tt.method, tt.path, tt.host)
		if code != tt.code || tt.typ != "" && header.Get("Content-Type") != tt.typ {
			t.Errorf("%s %s as %q: %d %q, want %d %q", tt.method, tt.path, tt.host, code, header.Get("Content-Type"), tt.code, tt.typ)
		}
		if !strings.Contains(body, tt.has) || tt.hasNot != "" && strings.Contains(body, tt.hasNot) {
			t.Errorf("%s %s as %q: want %q in, and %q not in:\n%s", tt.method, tt.path, tt.host, tt.has, tt.hasNot, body)
		}
		if header.Get("Cache-Control") != "no-store" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s: headers %v, want no-store and a strict policy", tt.method, tt.path, header)
		}
	}
}

func TestHealth(t *testing.T) {
	var h Health
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewRecorder(nil))
	ask := serve(t, MetricsHandler(registry, &h))
	want := func(live, ready int, why string) {
		t.Helper()
		if code, _, _ := ask("GET", "/livez", ""); code != live {
			t.Errorf("/livez: %d, want %d", code, live)
		}
		if code, body, _ := ask("GET", "/readyz", "any.name"); code != ready || body != why+"\n" {
			t.Errorf("/readyz: %d %q, want %d %q", code, body, ready, why)
		}
	}
	want(200, 503, "no host map yet")
	h.SetReady()
	want(200, 200, "ok")
	h.SetDraining()
	want(200, 503, "draining")
	h.SetReady()
	want(200, 503, "draining")
	if code, body, _ := ask("GET", "/metrics", ""); code != 200 || !strings.Contains(body, "ingress421_hostmap_publish_total") {
		t.Errorf("/metrics: %d\n%s", code, body)
	}
}

// No key, in no spelling, in nothing that can be asked for or is logged.
func TestNoKeyIsEverTold(t *testing.T) {
	var log bytes.Buffer
	r := NewRecorder(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	registry := prometheus.NewRegistry()
	registry.MustRegister(r)
	var health Health
	admin, metrics := serve(t, Handler(r, Live{})), serve(t, MetricsHandler(registry, &health))
	m, keys := world(t)
	r.Record(m, problems(), time.Millisecond)

	told := map[string]string{"log": log.String()}
	for _, path := range []string{
		"/", "/hostmap", "/hostmap.json", "/problems", "/problems.json", "/misdirected", "/misdirected.json", "/audit", "/audit.json",
		"/sites", "/sites.json", "/certificates", "/certificates.json", "/backends", "/backends.json",
	} {
		_, told[path], _ = admin("GET", path, "")
	}
	for _, path := range []string{"/metrics", "/livez", "/readyz"} {
		_, told[path], _ = metrics("GET", path, "")
	}
	for i, key := range keys {
		block, _ := pem.Decode(key)
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		var private []byte
		switch k := parsed.(type) {
		case *ecdsa.PrivateKey:
			if private, err = k.Bytes(); err != nil {
				t.Fatal(err)
			}
		case *rsa.PrivateKey:
			private = k.D.Bytes()
		}
		sum := m.Certificates()[i].Sum
		canaries := []string{"PRIVATE KEY", hex.EncodeToString(sum[:]), new(big.Int).SetBytes(private).String()}
		for at := range 3 {
			// Base64 has three spellings of a run of octets, by where it begins.
			canaries = append(canaries, base64.RawStdEncoding.EncodeToString(private[at:])[:24], base64.RawStdEncoding.EncodeToString(block.Bytes[at:])[:24])
		}
		canaries = append(canaries, hex.EncodeToString(private)[:24], strings.ToUpper(hex.EncodeToString(private)[:24]), string(private[:12]))
		for where, text := range told {
			for _, canary := range canaries {
				if strings.Contains(text, canary) {
					t.Errorf("%s tells %q of a key", where, canary)
				}
			}
		}
	}
	if !strings.Contains(told["/hostmap.json"], base64.StdEncoding.EncodeToString(m.Certificates()[0].KeyPair.Leaf.Raw)) {
		t.Error("the search finds nothing: even the leaf is not there")
	}
}

func TestServerIsBounded(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), nil)
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("a server without bounds: %+v", s)
	}
	s.ReadHeaderTimeout = 50 * time.Millisecond
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	defer func() { s.Close(); <-ended }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HT"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("a client that sends half a header is kept: %v", err)
	}
}
