package gate_test

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/gate"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/message/messagetest"
	"github.com/ingress421/ingress421/proxy/observe"
)

// door is a gate before a map of a.test, which is in cleartext too.
type door struct {
	gate *gate.Gate
	view *gate.View
}

func newDoor(t testing.TB, port int) *door {
	t.Helper()
	o := observe.New(observe.Config{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(o.Close)
	b := &hostmap.Backend{}
	ranges := hostmap.NewRanges(netip.MustParsePrefix("192.0.2.0/24"))
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Terms: hostmap.Terms{HTTPSRedirect: true}, Routes: []*hostmap.Route{{Type: hostmap.Prefix, Path: "/", Backend: b}}}),
		hostmap.NewSite(hostmap.Site{Host: "open.test", Routes: []*hostmap.Route{
			{Type: hostmap.Prefix, Path: "/", Backend: b},
			{Type: hostmap.Prefix, Path: "/near", Backend: b, Terms: hostmap.Terms{Allow: ranges}},
			{Type: hostmap.Prefix, Path: "/gone", Backend: b, Terms: hostmap.Terms{Redirect: hostmap.Redirect{Status: 308, Target: "/here"}}},
		}}),
	}})
	return &door{gate.New(o, port), gate.NewView(m, nil, o)}
}

// ask has the gate judge a request in cleartext, from 198.51.100.1.
func (d *door) ask(head message.Head) (x *messagetest.Exchange, r *message.Request, admitted bool) {
	x = &messagetest.Exchange{}
	source := netip.MustParseAddr("198.51.100.1")
	r = messagetest.Begin(x, &message.Client{Facts: hostmap.Facts{Peer: source}, Source: source}, head)
	var c gate.Case
	c.Open(d.view)
	return x, r, d.gate.Admit(r, &c)
}

func TestAdmit(t *testing.T) {
	for _, tt := range []struct {
		name     string
		head     message.Head
		port     int
		status   int // 0: admitted
		location string
		details  string
	}{
		{name: "served", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/"}},
		{name: "to https", head: message.Head{Authority: "A.test.:80", HasAuthority: true, Target: "/x/../y?z"}, port: 443, status: 308, location: "https://a.test/y?z"},
		{name: "to https elsewhere", head: message.Head{Authority: "a.test", HasAuthority: true, Target: "/"}, port: 8443, status: 308, location: "https://a.test:8443/"},
		{name: "to another path", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/gone/x"}, status: 308, location: "/here"},
		{name: "from too far away", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/near"}, status: 403, details: "source_range"},
		{name: "nobody", head: message.Head{Target: "/"}, status: 400, details: "bad_authority"},
		{name: "two hosts", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/", Header: []hpack.HeaderField{{Name: "host", Value: "a.test"}}}, status: 400, details: "host_conflict"},
		{name: "no path", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "*"}, status: 400, details: "bad_path"},
		{name: "a fragment", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/?a#b"}, status: 400, details: "bad_path"},
		{name: "another scheme", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/", Scheme: "https"}, status: 421, details: "scheme"},
		{name: "a proxy is asked", head: message.Head{Method: "CONNECT", Authority: "open.test", HasAuthority: true}, status: 405, details: "method"},
		{name: "HTTP/2's own", head: message.Head{Method: "PRI", Authority: "open.test", HasAuthority: true, Target: "/"}, status: 405, details: "method"},
		{name: "waits for something", head: message.Head{Authority: "open.test", HasAuthority: true, Target: "/", Unmet: true}, status: 417, details: "expectation"},
		{name: "elsewhere", head: message.Head{Authority: "b.test", HasAuthority: true, Target: "/"}, status: 404, details: "unserved"},
	} {
		d := newDoor(t, tt.port)
		x, r, admitted := d.ask(tt.head)
		if admitted != (tt.status == 0) || x.Status != tt.status || x.Get("location") != tt.location ||
			tt.details != "" && !strings.HasSuffix(x.Get("proxy-status"), `; details="`+tt.details+`"`) {
			t.Errorf("%s: admitted %v, %d %v", tt.name, admitted, x.Status, x.Header)
		}
		if !admitted && (x.Get("date") == "" || x.Get("server") != "ingress421" || r.Status != x.Status || r.Reason != tt.details) {
			t.Errorf("%s: %v; said of it: %d %s", tt.name, x.Header, r.Status, r.Reason)
		}
	}
}

// TestProblemIsNamed: a 421 is application/problem+json for whom names that with a
// weight, and for nobody else.
func TestProblemIsNamed(t *testing.T) {
	d := newDoor(t, 443)
	for accept, want := range map[string]bool{
		"":                         false,
		"*/*":                      false,
		"application/*":            false,
		"application/problem+json": true,
		"text/html, Application/Problem+JSON ; q=0.5": true,
		"application/problem+json;q=0":                false,
		"application/problem+json; q=0.0, */*":        false,
		"application/problem+json;a=b;Q=1":            true,
		"application/problem+json;q=x":                false,
		"application/problem+jsonx":                   false,
	} {
		x, _, _ := d.ask(message.Head{
			Authority: "open.test", HasAuthority: true, Target: "/", Scheme: "https",
			Header: []hpack.HeaderField{{Name: "accept", Value: "text/plain"}, {Name: "accept", Value: accept}},
		})
		if got := x.Get("content-type") == "application/problem+json"; got != want || x.Status != 421 {
			t.Errorf("%q: %d %s", accept, x.Status, x.Get("content-type"))
		}
	}
}

// FuzzAdmit: whatever stands in a head, it is answered or admitted as one host, in
// canonical form, with which every Host field agrees.
func FuzzAdmit(f *testing.F) {
	f.Add("open.test", "open.test:80", "/near/../x?y", "text/html;q=0", "1.2.3.4")
	f.Add("", "a.test", "*", "application/problem+json", "unknown")
	d := newDoor(f, 443)
	f.Fuzz(func(t *testing.T, authority, host, target, accept, said string) {
		head := message.Head{
			Method: "GET", Authority: authority, HasAuthority: authority != "", Target: target,
			Header: []hpack.HeaderField{{Name: "host", Value: host}, {Name: "accept", Value: accept}, {Name: "x-forwarded-for", Value: said}},
		}
		x, r, admitted := d.ask(head)
		if !admitted {
			if x.Status < 300 {
				t.Errorf("neither admitted nor answered: %d", x.Status)
			}
			return
		}
		canonical, _, err := hostmap.Authority(host)
		if err != nil || canonical != r.Host || r.Host != "open.test" {
			t.Errorf("%q beside %q is admitted as %q", authority, host, r.Host)
		}
		path, _, _ := strings.Cut(r.Path, "?")
		if again, err := hostmap.Path(path); err != nil || again != path || strings.HasPrefix(path, "/near/") {
			t.Errorf("%q is admitted as %q", target, r.Path)
		}
	})
}

// A 421 of a flood allocates nothing.
func TestMisdirectedAllocatesNothing(t *testing.T) {
	d := newDoor(t, 443)
	client := &message.Client{Facts: hostmap.Facts{TLS: true, Version: tls.VersionTLS13}}
	r := messagetest.Begin(&quiet{}, client, message.Head{
		Protocol: message.HTTP2, Method: "GET", Scheme: "https", Authority: "a.test", HasAuthority: true, Target: "/",
	})
	var c gate.Case
	n := testing.AllocsPerRun(100, func() {
		c.Open(d.view)
		d.gate.Admit(r, &c)
	})
	if n != 0 || r.Status != 421 {
		t.Errorf("%v allocations, status %d", n, r.Status)
	}
}

// quiet is an exchange that keeps nothing.
type quiet struct{ messagetest.Exchange }

func (*quiet) RespondBlock(*message.Block, []hpack.HeaderField, []byte) error { return nil }
