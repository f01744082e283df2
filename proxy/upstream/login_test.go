package upstream

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2/hpack"
)

func TestSpeech(t *testing.T) {
	tests := []struct {
		value string
		want  speech
	}{
		{"", speechNone},
		{"Negotiate", speechNone},
		{"NTLM ", speechNone},
		{"Negotiate, NTLM, Basic realm=x", speechNone},
		{"Basic TlRMTVNTUAABAAAA", speechNone},
		{"NTLMv2 TlRMTVNTUAABAAAA", speechNone},
		{"Digest realm=\"ntlm\"", speechNone},
		{"NTLM TlRMTVNTUAABAAAA", speechBegins},
		{"ntlm \t TlRMTVNTUAABAAAA", speechBegins},
		{"Negotiate TlRMTVNTUAABAAAA", speechBegins},
		{"NEGOTIATE YIIabc", speechBegins},
		{"Negotiate\tYIIabc", speechBegins},
		{"NTLM TlRMTVNTUAADAAAA", speechGoesOn},
		{"NTLM TlRMTVNTUAACAAAA", speechGoesOn},
		{"Negotiate oQ==", speechGoesOn},
		{"Negotiate !", speechGoesOn},
		{"Basic realm=x, NTLM TlRMTVNTUAACAAAA, Digest a=b", speechGoesOn},
		{"Negotiate , ntlm TlRMTVNTUAACAAAA", speechGoesOn},
	}
	for _, tt := range tests {
		if got := speechOf(tt.value); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.value, got, tt.want)
		}
	}
}

func FuzzSpeech(f *testing.F) {
	f.Add("NTLM TlRMTVNTUAABAAAA")
	f.Add("Basic realm=x, Negotiate YII")
	f.Fuzz(func(t *testing.T, value string) {
		// One challenge more in front takes nothing away.
		if got := speechOf(value); got != speechNone && speechOf("Basic realm=x, "+value) != got {
			t.Errorf("%q is not found behind another challenge", value)
		}
	})
}

// loggedIn is a pool with a backend that speaks Negotiate, and says with each
// response which connection it came by.
func loggedIn(t *testing.T, cfg Config) *Pool {
	var conns atomic.Int64
	return newClient(t, cfg).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		n := conns.Add(1)
		br := bufio.NewReader(nc)
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
		}
	})})
}

func asking(l *Login, host, authorization string) *Request {
	r := &Request{Method: "GET", Path: "/", Host: host, Login: l}
	if authorization != "" {
		r.Header = []hpack.HeaderField{{Name: "authorization", Value: authorization}}
	}
	return r
}

// Where a connection goes that somebody has logged in on, and where the requests
// after that go.
func TestLogin(t *testing.T) {
	const negotiate = "Negotiate YII="
	var alice, bob Login
	defer alice.Close()
	defer bob.Close()
	p := loggedIn(t, Config{})
	for _, tt := range []struct {
		name string
		r    *Request
		conn string
	}{
		{"a connection for all", asking(&alice, "h", ""), "1"},
		{"is used by the next", asking(nil, "h", ""), "1"},
		{"and logged in on", asking(&alice, "h", negotiate), "1"},
		{"and held", asking(&alice, "h", ""), "1"},
		{"for one host", asking(&alice, "g", ""), "2"},
		{"and one client", asking(&bob, "h", ""), "2"},
		{"whoever nobody holds for", asking(nil, "h", negotiate), "2"},
		{"has a connection that ends", asking(nil, "h", ""), "3"},
		{"another client logs in", asking(&bob, "h", negotiate), "3"},
		{"and has its own", asking(&bob, "h", ""), "3"},
		{"as the first one has", asking(&alice, "h", negotiate), "1"},
	} {
		if got, want := roundTrip(p, tt.r), fmt.Sprintf("200 whole %q", tt.conn); got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
	if !alice.Holds(p, asking(&alice, "h", "")) || alice.Holds(p, asking(&alice, "g", "")) {
		t.Error("Holds tells otherwise")
	}
	if n := p.held.Load(); n != 2 {
		t.Errorf("%d held, want 2", n)
	}
	alice.Close()
	if alice.HoldsAny() {
		t.Error("a closed Login holds something")
	}
	if got := roundTrip(p, asking(&alice, "h", negotiate)); got != `200 whole "4"` {
		t.Errorf("after Close: %s", got)
	}
	if n := p.held.Load(); n != 1 || alice.HoldsAny() {
		t.Errorf("%d held after Close, want 1", n)
	}
}

// The bound of idle connections holds for those held by all clients together.
func TestLoginsOfAPoolAreBounded(t *testing.T) {
	p := loggedIn(t, Config{MaxIdlePerEndpoint: 2})
	logins := make([]Login, 3)
	for i := range logins {
		roundTrip(p, asking(&logins[i], "h", "Negotiate YII="))
		defer logins[i].Close()
	}
	if p.held.Load() != 2 || logins[2].HoldsAny() {
		t.Errorf("%d held, want 2", p.held.Load())
	}
}

// What is held without a request for a minute is closed, in time even while
// other connections are held on.
func TestLoginIsHeldAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{}).Pool(Target{})
		var l Login
		defer l.Close()
		ends := make([]net.Conn, 2)
		hold := func(i int) {
			var ours net.Conn
			ours, ends[i] = net.Pipe()
			l.keep(heldConn{c: newHTTP1Conn(ours), pool: p, host: "h"}, time.Now(), 0)
		}
		hold(0)
		time.Sleep(50 * time.Second)
		hold(1)
		time.Sleep(11 * time.Second)
		if p.held.Load() != 1 {
			t.Errorf("%d held after 61 s, want the younger one", p.held.Load())
		}
		if _, err := ends[0].Read(make([]byte, 1)); err == nil {
			t.Error("the older one is open")
		}
		time.Sleep(70 * time.Second)
		if p.held.Load() != 0 || l.HoldsAny() {
			t.Errorf("%d held in the end", p.held.Load())
		}
	})
}
