package forward

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/message/messagetest"
)

// FuzzRequestFields: whatever a client sends, a backend gets each field that we
// vouch for once, with our own words, and none that is for one hop or frames the
// message; what else the client has sent, it gets as it came.
func FuzzRequestFields(f *testing.F) {
	f.Add("x-forwarded-for", "1.2.3.4", "close, x-mine", "x_real_ip", false)
	f.Add("client-cert", ":AAAA:", "", "ssl-client-verify", true)
	f.Add("x-mine", "a", "x-forwarded-proto, X-Mine", "transfer-encoding", true)
	peer := netip.MustParseAddr("192.0.2.1")
	h := hop{httpsPort: "8443", loopMark: message.Field(hostmap.LoopField, newLoopMark())}
	ours := map[string]string{
		"x-forwarded-for": "192.0.2.1", "x-real-ip": "192.0.2.1", "x-forwarded-proto": "https",
		"x-forwarded-host": "a.test:444", "x-forwarded-port": "8443", "client-cert": ":mine:",
	}
	f.Fuzz(func(t *testing.T, name, value, connection, another string, http1 bool) {
		if !field.IsName(name) || !field.IsName(another) {
			return
		}
		sent := []hpack.HeaderField{{Name: name, Value: value}, {Name: another, Value: value}}
		head := message.Head{Protocol: message.HTTP2, Header: append(make([]hpack.HeaderField, 0, 8), sent...)}
		if http1 {
			head.Protocol = message.HTTP1
			head.Header = append(head.Header, hpack.HeaderField{Name: "connection", Value: connection})
		}
		c := &message.Client{Facts: hostmap.Facts{TLS: true, Peer: peer}, Source: peer, SourceText: peer.String(), Certificate: ":mine:"}
		r := messagetest.Begin(&messagetest.Exchange{}, c, head)
		r.NoteConnection()
		p := &Passage{site: hostmap.NewSite(hostmap.Site{Host: "a.test"}), hostport: "a.test:444"}
		seen := map[string]int{}
		passed := 0
		for _, f := range h.requestFields(r, p, false) {
			switch fate := field.ClientFate(f.Name); {
			case ours[f.Name] != "":
				seen[f.Name]++
				if f.Value != ours[f.Name] {
					t.Errorf("%s: %q", f.Name, f.Value)
				}
			case f == h.loopMark:
				seen[f.Name]++
			case fate&(field.OneHop|field.Framing|field.Vouched) != 0:
				t.Errorf("the backend gets %s: %q", f.Name, f.Value)
			case f.Name != name && f.Name != another || f.Value != value:
				t.Errorf("the backend gets what nobody sent, %s: %q", f.Name, f.Value)
			case http1 && field.InList(connection, f.Name) && f.Name != hostmap.LoopField:
				t.Errorf("%s is for one hop", f.Name)
			default:
				passed++
			}
		}
		for n := range ours {
			if seen[n] != 1 {
				t.Errorf("%s: %d of them", n, seen[n])
			}
		}
		want := 0
		for _, f := range sent {
			if kept(f.Name) && (!http1 || !field.InList(connection, f.Name) || f.Name == hostmap.LoopField) && f != h.loopMark {
				want++
			}
		}
		if passed != want || seen[hostmap.LoopField] == 0 {
			t.Errorf("%d fields are passed on, want %d", passed, want)
		}
	})
}

// A request's target with another path keeps its query.
func TestTarget(t *testing.T) {
	for _, tt := range []struct{ asked, rewritten, want string }{
		{"/a", "", "/a"}, {"/a?b?c", "", "/a?b?c"},
		{"/a", "/x", "/x"}, {"/a?", "/x", "/x?"}, {"/a?b?c=/d", "/x", "/x?b?c=/d"},
	} {
		r := messagetest.Begin(&messagetest.Exchange{}, nil, message.Head{})
		r.Path = tt.asked
		p := &Passage{path: tt.rewritten}
		if got := p.target(r); got != tt.want {
			t.Errorf("%q as %q is %q, want %q", tt.asked, tt.rewritten, got, tt.want)
		}
	}
}

// TestLoopMark: no two processes have the same name, and one is told by it.
func TestLoopMark(t *testing.T) {
	a, b := newLoopMark(), newLoopMark()
	if a == b || !strings.HasPrefix(a, hostmap.LoopMark) {
		t.Fatalf("%s and %s", a, b)
	}
	for _, tt := range []struct {
		own, others int
		want        bool
	}{{0, 0, false}, {2, 0, false}, {3, 0, true}, {0, 9, false}, {0, 10, true}, {2, 7, false}, {2, 8, true}} {
		h := message.Head{Header: []hpack.HeaderField{{Name: hostmap.LoopField, Value: strings.Repeat(b+", ", tt.others)}, {Name: hostmap.LoopField, Value: strings.Repeat(a+", ", tt.own)}}}
		if got := goesRound(&h, a); got != tt.want {
			t.Errorf("%d times through us, %d through others: %v", tt.own, tt.others, got)
		}
	}
}
