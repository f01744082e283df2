package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/ingress421/ingress421/internal/testkit"
)

// scenarios are what a user relies on, whatever the source of objects is.
var scenarios = []struct {
	name string
	play func(*testing.T, *stage)
}{
	{"right certificate by server name", rightCertificate},
	{"misdirected over HTTP2", misdirectedHTTP2},
	{"misdirected over HTTP1", misdirectedHTTP1},
	{"forms of the answer", answerForms},
	{"rules", rules},
	{"unserved is 404", unserved},
	{"client certificates", clientCertificates},
	{"cleartext", cleartext},
	{"bodies are streamed both ways", streaming},
	{"certificate rotates", rotation},
	{"broken Secret", brokenSecret},
	{"endpoints change", endpointChange},
	{"Ingress goes", ingressGoes},
	{"time to the first answer", latency},
}

func play(t *testing.T, s *stage) {
	for _, sc := range scenarios {
		t.Run(strings.ReplaceAll(sc.name, " ", "-"), func(t *testing.T) { sc.play(t, s) })
	}
}

func rightCertificate(t *testing.T, s *stage) {
	one := s.host(t, "sni-one.test", nil)
	two := s.host(t, "sni-two.test", nil)
	s.live(t, "sni-one.test", "sni-two.test")
	for host, want := range map[string]*testkit.Certificate{"sni-one.test": one, "sni-two.test": two, "SNI-One.test": one} {
		if c := s.open(t, dialing{serverName: host}); !c.is(want) {
			t.Errorf("%s was served the certificate of %v", host, c.leaf().DNSNames)
		}
	}
	s.refused(t, dialing{serverName: "sni-nobody.test"}, "unrecognized name")
}

// misdirectedLine is a log line of a 421, without its time.
func misdirectedLine(sni, authority, reason, retry, protocol string, secret string, p *testkit.Certificate) map[string]any {
	return map[string]any{
		"level": "INFO", "msg": "misdirected", "sni": sni, "authority": authority, "reason": reason,
		"rule": "certificate", "enforcement": "enforce", "retry": retry, "secret": secret,
		"fingerprint": p.Fingerprint(), "protocol": protocol, "peer": "127.0.0.1",
	}
}

// wantLine waits for the only log line of a 421 for an authority.
func (s *stage) wantLine(t *testing.T, want map[string]any) {
	t.Helper()
	var found []map[string]any
	testkit.Eventually(t, "a log line", func() string {
		if found = s.log.Lines(map[string]any{"msg": "misdirected", "authority": want["authority"], "protocol": want["protocol"]}); len(found) == 0 {
			return "it is not there"
		}
		return ""
	})
	got := make(map[string]any)
	for k, v := range found[0] {
		if k != "time" {
			got[k] = v
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(found) != 1 {
		t.Errorf("%d log lines for %s, want one (-want +got):\n%s", len(found), want["authority"], diff)
	}
}

func misdirectedHTTP2(t *testing.T, s *stage) {
	misdirectedOn(t, s, "h2", "coal")
}

func misdirectedHTTP1(t *testing.T, s *stage) {
	misdirectedOn(t, s, "http/1.1", "keep")
}

// misdirectedOn opens one connection and asks for what is covered and for what
// is not, and looks at log and metrics.
func misdirectedOn(t *testing.T, s *stage, protocol, word string) {
	a, b, c, nobody := word+"-a.test", word+"-b.test", word+"-c.test", word+"-nobody.test"
	both := s.host(t, a, []string{a, b})
	s.host(t, b, nil)
	s.host(t, c, nil)
	s.live(t, a, b, c)
	conn := s.open(t, dialing{serverName: a, http1: protocol == "http/1.1"})
	conn.get(t, a).want(t, 200, word+"-a")
	conn.get(t, b).want(t, 200, word+"-b") // covered: coalescing goes on working
	conn.get(t, c).want(t, 421, "")
	conn.get(t, nobody).want(t, 421, "")
	conn.get(t, strings.ToUpper(a)+":443").want(t, 200, word+"-a")

	secret := s.namespace + "/" + word + "-a-tls"
	s.wantLine(t, misdirectedLine(a, c, "certificate", "yes", protocol, secret, both))
	s.wantLine(t, misdirectedLine(a, nobody, "certificate", "no", protocol, secret, both))
	for _, want := range []struct {
		metric string
		labels []string
		value  float64
	}{
		{"ingress421_misdirected_requests_total", []string{`host="` + c + `"`, `reason="certificate"`, `rule="certificate"`, `enforcement="enforce"`, `protocol="` + protocol + `"`, `retry="yes"`}, 1},
		{"ingress421_misdirected_requests_total", []string{`host="` + c + `"`}, 1},
		{"ingress421_requests_total", []string{`host="` + c + `"`, `code="421"`, `method="GET"`, `protocol="` + protocol + `"`}, 1},
		{"ingress421_requests_total", []string{`host="` + b + `"`, `code="200"`, `protocol="` + protocol + `"`}, map[string]float64{"h2": 2, "http/1.1": 1}[protocol]},
		{"ingress421_misdirected_recovered_total", []string{`host="` + c + `"`}, 0},
		{"ingress421_requests_total", []string{nobody}, 0},
	} {
		if got := s.metric(t, want.metric, want.labels...); got != want.value {
			t.Errorf("%s%v = %v, want %v", want.metric, want.labels, got, want.value)
		}
	}
	// As a client does after a 421.
	s.open(t, dialing{serverName: c}).get(t, c).want(t, 200, word+"-c")
	if got := s.metric(t, "ingress421_misdirected_recovered_total", `host="`+c+`"`); got != 1 {
		t.Errorf("misdirected_recovered_total = %v, want 1", got)
	}
}

func answerForms(t *testing.T, s *stage) {
	s.host(t, "form.test", nil)
	s.host(t, "form-other.test", nil)
	s.live(t, "form.test", "form-other.test")
	const status = `ingress421; error=http_request_denied; details="certificate"`
	text := http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Cache-Control": {"no-store"}, "Proxy-Status": {status}, "Server": {"ingress421"},
	}
	problem := text.Clone()
	problem.Set("Content-Type", "application/problem+json")
	grpc := text.Clone()
	grpc.Set("Content-Type", "application/grpc")
	grpc.Set("Grpc-Status", "14")
	grpc.Set("Grpc-Message", "misdirected request: certificate")
	for _, http1 := range []bool{false, true} {
		c := s.open(t, dialing{serverName: "form.test", http1: http1})
		for _, tt := range []struct {
			name   string
			header []string
			want   http.Header
			body   string
		}{
			{"no Accept", nil, text, "421 Misdirected Request: certificate\n"},
			{"anything", []string{"Accept", "*/*"}, text, "421 Misdirected Request: certificate\n"},
			{"HTML before anything", []string{"Accept", "text/html, */*;q=0.1"}, text, "421 Misdirected Request: certificate\n"},
			{"problem", []string{"Accept", "text/html, application/problem+json;q=0.5"}, problem, `"status":421`},
			{"problem refused", []string{"Accept", "application/problem+json;q=0, */*"}, text, "421 Misdirected Request: certificate\n"},
			{"gRPC", []string{"Content-Type", "application/grpc+proto", "Te", "trailers"}, grpc, ""},
		} {
			a := c.get(t, "form-other.test", tt.header...)
			got := a.Header.Clone()
			got.Del("Date")
			got.Del("Content-Length")
			if diff := cmp.Diff(tt.want, got); diff != "" || a.StatusCode != 421 {
				t.Errorf("%s (HTTP/1.1: %v): %d (-want +got):\n%s", tt.name, http1, a.StatusCode, diff)
			}
			if !strings.Contains(a.body, tt.body) || (tt.body == "") != (a.body == "") {
				t.Errorf("%s (HTTP/1.1: %v): body %q, want %q", tt.name, http1, a.body, tt.body)
			}
			if strings.Contains(a.body, "form.test") {
				t.Errorf("%s: the body tells of another host: %q", tt.name, a.body)
			}
		}
		c.get(t, "form.test").want(t, 200, "form")
	}
}

func rules(t *testing.T, s *stage) {
	names := []string{"*.rule.test"}
	s.host(t, "www.rule.test", names)
	s.host(t, "same.rule.test", []string{"same.rule.test"}, "misdirected", "same-certificate")
	s.host(t, "name.rule.test", names, "misdirected", "server-name")
	s.host(t, "report.elsewhere.test", nil, "misdirected", "report")
	s.host(t, "off.elsewhere.test", nil, "misdirected", "off")
	s.live(t, "www.rule.test", "same.rule.test", "name.rule.test", "report.elsewhere.test", "off.elsewhere.test")
	for _, http1 := range []bool{false, true} {
		c := s.open(t, dialing{serverName: "www.rule.test", http1: http1})
		for host, want := range map[string]struct {
			status  int
			details string
		}{
			"www.rule.test":         {200, ""},
			"same.rule.test":        {421, "other_certificate"},
			"name.rule.test":        {421, "server_name"},
			"report.elsewhere.test": {200, ""},
			"off.elsewhere.test":    {200, ""},
		} {
			a := c.get(t, host)
			if a.StatusCode != want.status || !strings.Contains(a.Header.Get("Proxy-Status"), want.details) {
				t.Errorf("%s: %d %s, want %d %s", host, a.StatusCode, a.Header.Get("Proxy-Status"), want.status, want.details)
			}
		}
	}
	if got := s.metric(t, "ingress421_misdirected_requests_total", `host="report.elsewhere.test"`, `enforcement="report"`, `reason="certificate"`); got != 2 {
		t.Errorf("misdirected_requests_total of the host that only reports = %v, want 2", got)
	}
}

func unserved(t *testing.T, s *stage) {
	s.host(t, "home.unserved.test", []string{"*.unserved.test"})
	s.live(t, "home.unserved.test")
	c := s.open(t, dialing{serverName: "home.unserved.test"})
	a := c.get(t, "gone.unserved.test")
	a.want(t, 404, "")
	if got := a.Header.Get("Proxy-Status"); !strings.Contains(got, `details="unserved"`) {
		t.Errorf("proxy-status %q, want the reason unserved", got)
	}
	c.get(t, "home.unserved.test").want(t, 200, "home")
}

func clientCertificates(t *testing.T, s *stage) {
	names := []string{"*.mtls.test"}
	partners, strangers := testkit.NewCA(t, "partners"), testkit.NewCA(t, "strangers")
	ca := s.caSecret("partners-ca", partners.PEM)
	s.put(t, ca)
	s.host(t, "open.mtls.test", names)
	s.host(t, "closed.mtls.test", names, "client-auth-secret", "partners-ca")
	s.live(t, "open.mtls.test")
	friend, stranger := partners.Client(t, "friend"), strangers.Client(t, "stranger")
	s.refused(t, dialing{serverName: "closed.mtls.test"}, "certificate required")
	s.refused(t, dialing{serverName: "closed.mtls.test", clientCert: stranger}, "certificate")

	testkit.Eventually(t, "the host is served to its partner", func() string {
		c, err := s.dial(dialing{serverName: "closed.mtls.test", clientCert: friend})
		if err != nil {
			return err.Error()
		}
		defer c.close()
		a := c.get(t, "closed.mtls.test", "Client-Cert", ":Zm9yZ2Vk:")
		a.want(t, 200, "closed")
		if got := a.Header["Echo-Client-Cert"]; len(got) != 1 || !strings.HasPrefix(got[0], ":MII") {
			t.Errorf("the backend was told of the client certificates %q, want the verified one", got)
		}
		return ""
	})
	for _, http1 := range []bool{false, true} {
		c := s.open(t, dialing{serverName: "open.mtls.test", http1: http1, clientCert: friend})
		a := c.get(t, "closed.mtls.test")
		a.want(t, 421, "")
		if got := a.Header.Get("Proxy-Status"); !strings.Contains(got, `details="tls_policy"`) {
			t.Errorf("proxy-status %q, want the reason tls_policy", got)
		}
	}

	// What cannot be resolved refuses everybody, on open connections too.
	c := s.open(t, dialing{serverName: "open.mtls.test"})
	c.get(t, "open.mtls.test").want(t, 200, "open")
	s.put(t, s.caSecret("partners-ca", []byte("garbage")))
	s.refused(t, dialing{serverName: "closed.mtls.test", clientCert: friend}, "unrecognized name")
	c.get(t, "closed.mtls.test").want(t, 421, "")
	c.get(t, "open.mtls.test").want(t, 200, "open")
}

func cleartext(t *testing.T, s *stage) {
	s.host(t, "secure.test", nil)
	b := s.backend(t, "plain", nil)
	s.put(t, s.service("plain"), s.slice("plain", b.address, b.port, true), s.ingress("plain.test", "plain", ""))
	s.live(t, "secure.test")
	testkit.Eventually(t, "plain.test is served", func() string {
		if a := s.cleartext(t, "plain.test"); a.StatusCode != 200 || a.Header.Get("X-Backend") != "plain" {
			return fmt.Sprint(a.StatusCode)
		}
		return ""
	})
	a := s.cleartext(t, "secure.test")
	if got := a.Header.Get("Location"); a.StatusCode != 308 || got != "https://secure.test/path?q=1" {
		t.Errorf("%d to %q, want 308 to the same under https", a.StatusCode, got)
	}
	s.refused(t, dialing{serverName: "plain.test"}, "unrecognized name")
}

func streaming(t *testing.T, s *stage) {
	b := s.backend(t, "stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		buf := make([]byte, 1024)
		total := 0
		for {
			n, err := r.Body.Read(buf)
			total += n
			_, _ = w.Write(buf[:n])
			_ = http.NewResponseController(w).Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set("X-Sum", fmt.Sprint(total))
	})
	s.put(t, s.secret("stream-tls", s.ca.Server(t, "stream.test")), s.service("stream"),
		s.slice("stream", b.address, b.port, true), s.ingress("stream.test", "stream", "stream-tls"))
	var c *connection
	testkit.Eventually(t, "stream.test is served", func() string {
		var err error
		if c, err = s.dial(dialing{serverName: "stream.test"}); err != nil {
			return err.Error()
		}
		if a, err := c.do("GET", "https://stream.test/", nil); err != nil || a.StatusCode != 200 {
			c.close()
			return fmt.Sprintf("%v %v", a.Response, err)
		}
		return ""
	})
	t.Cleanup(c.close)

	// Each part is sent when the one before has come back.
	body, in := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", "https://stream.test/", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.h2.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for i := range 3 {
		part := fmt.Sprintf("part %d\n", i)
		go io.WriteString(in, part)
		got := make([]byte, len(part))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != part {
			t.Fatalf("part %d came back as %q, %v", i, got, err)
		}
	}
	in.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 || resp.Trailer.Get("X-Sum") != "21" {
		t.Errorf("end of the response: %q, trailer %v, %v", rest, resp.Trailer, err)
	}
}

func rotation(t *testing.T, s *stage) {
	first := s.host(t, "rotate.test", nil)
	s.live(t, "rotate.test")
	old := s.open(t, dialing{serverName: "rotate.test"})
	kept := s.open(t, dialing{serverName: "rotate.test", http1: true})
	old.get(t, "rotate.test").want(t, 200, "rotate")
	kept.get(t, "rotate.test").want(t, 200, "rotate")
	if !old.is(first) {
		t.Error("served another certificate than the Secret's")
	}

	second := s.ca.Server(t, "rotate.test")
	s.put(t, s.secret("rotate-tls", second))
	testkit.Eventually(t, "a new handshake gets the new certificate", func() string {
		if c := s.open(t, dialing{serverName: "rotate.test"}); !c.is(second) {
			return "it got the old one"
		}
		return ""
	})
	for _, c := range []*connection{old, kept} {
		a := c.get(t, "rotate.test")
		a.want(t, 200, "rotate")
		if a.Close {
			t.Error("a renewal asks an open connection to close")
		}
	}
	if !old.h2.CanTakeNewRequest() {
		t.Error("a renewal drains an open connection")
	}
}

func brokenSecret(t *testing.T, s *stage) {
	good := s.host(t, "broken.test", nil)
	s.live(t, "broken.test")
	secret := s.secret("broken-tls", good)
	secret.Data[corev1.TLSPrivateKeyKey] = []byte("garbage")
	s.put(t, secret)
	s.problem(t, "broken.test", "CertificateInvalid", true)
	c := s.open(t, dialing{serverName: "broken.test"})
	if !c.is(good) {
		t.Error("while the Secret is broken another certificate is served than the last good one")
	}
	c.get(t, "broken.test").want(t, 200, "broken")

	s.objects.remove(t, secret)
	s.problem(t, "broken.test", "SecretNotFound", true)
	if !s.open(t, dialing{serverName: "broken.test"}).is(good) {
		t.Error("without its Secret another certificate is served than the last good one")
	}

	mended := s.ca.Server(t, "broken.test")
	s.put(t, s.secret("broken-tls", mended))
	s.problem(t, "broken.test", "SecretNotFound", false)
	if !s.open(t, dialing{serverName: "broken.test"}).is(mended) {
		t.Error("the mended Secret's certificate is not served")
	}

	// One that never was any good is not replaced by another's certificate.
	b := s.backend(t, "never", nil)
	empty := s.secret("never-tls", good)
	empty.Data[corev1.TLSCertKey] = []byte("garbage")
	s.put(t, empty, s.service("never"), s.slice("never", b.address, b.port, true), s.ingress("never.test", "never", "never-tls"))
	s.problem(t, "never.test", "CertificateInvalid", true)
	s.refused(t, dialing{serverName: "never.test"}, "unrecognized name")
}

func endpointChange(t *testing.T, s *stage) {
	s.host(t, "moving.test", nil)
	s.live(t, "moving.test")
	c := s.open(t, dialing{serverName: "moving.test"})
	until := func(what string, status int, backend string) {
		t.Helper()
		testkit.Eventually(t, what, func() string {
			if a := c.get(t, "moving.test"); a.StatusCode != status || a.Header.Get("X-Backend") != backend {
				return fmt.Sprintf("%d from %q", a.StatusCode, a.Header.Get("X-Backend"))
			}
			return ""
		})
	}
	next := s.backend(t, "moved", nil)
	s.put(t, s.slice("moving", next.address, next.port, true))
	until("the new endpoint answers on the open connection", 200, "moved")
	s.put(t, s.slice("moving", next.address, next.port, false))
	until("an endpoint that is not ready gets no requests", 503, "")
	if a := c.get(t, "moving.test"); !strings.Contains(a.Header.Get("Proxy-Status"), `details="no_endpoints"`) {
		t.Errorf("proxy-status %q, want the reason no_endpoints", a.Header.Get("Proxy-Status"))
	}
	s.put(t, s.slice("moving", next.address, next.port, true))
	until("it is ready again", 200, "moved")
}

func ingressGoes(t *testing.T, s *stage) {
	s.host(t, "going.test", nil)
	s.live(t, "going.test")
	c := s.open(t, dialing{serverName: "going.test"})
	c.get(t, "going.test").want(t, 200, "going")
	s.objects.remove(t, s.ingress("going.test", "going", "going-tls"))
	s.refused(t, dialing{serverName: "going.test"}, "unrecognized name")
	testkit.Eventually(t, "the open connection is drained", func() string {
		if c.h2.CanTakeNewRequest() {
			return "it takes requests"
		}
		return ""
	})
	testkit.Eventually(t, "the host's series go", func() string {
		if n := s.metric(t, "ingress421_requests_total", `host="going.test"`); n != 0 {
			return fmt.Sprintf("requests_total is %v", n)
		}
		return ""
	})
}

// latency measures the time from a change to the first request, or handshake,
// that is answered by it. It only looks that it is within a second.
func latency(t *testing.T, s *stage) {
	const rounds = 10
	s.host(t, "latency.test", nil)
	s.live(t, "latency.test")
	c := s.open(t, dialing{serverName: "latency.test"})
	two := []backend{s.backend(t, "latency-0", nil), s.backend(t, "latency-1", nil)}
	measure := func(what string, change func(i int), changed func(i int) bool) {
		t.Helper()
		var took []time.Duration
		for i := range rounds {
			change(i)
			began := time.Now()
			for !changed(i) {
				if time.Since(began) > patience {
					t.Fatalf("%s: not live after %v", what, patience)
				}
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		t.Logf("%s: median %.1f ms, slowest %.1f ms of %d", what, ms(took[rounds/2]), ms(took[rounds-1]), rounds)
		if took[rounds/2] > time.Second {
			t.Errorf("%s: median %v, want it live within a second", what, took[rounds/2])
		}
	}
	measure("EndpointSlice to first response", func(i int) {
		b := two[i%2]
		s.put(t, s.slice("latency", b.address, b.port, true))
	}, func(i int) bool {
		return c.get(t, "latency.test").Header.Get("X-Backend") == two[i%2].name
	})
	pairs := make([]*testkit.Certificate, rounds)
	for i := range pairs {
		pairs[i] = s.ca.Server(t, "latency.test")
	}
	measure("Secret to first handshake", func(i int) {
		s.put(t, s.secret("latency-tls", pairs[i]))
	}, func(i int) bool {
		n, err := s.dial(dialing{serverName: "latency.test"})
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		return n.is(pairs[i])
	})
	s.put(t, s.secret("latency-tls", s.ca.Server(t, "*.latency.test", "latency.test")))
	measure("new Ingress to first response", func(i int) {
		s.put(t, s.ingress(fmt.Sprintf("h%d.latency.test", i), "latency", "latency-tls"))
	}, func(i int) bool {
		host := fmt.Sprintf("h%d.latency.test", i)
		n, err := s.dial(dialing{serverName: host})
		if err != nil {
			return false
		}
		defer n.close()
		return n.get(t, host).StatusCode == 200
	})
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
