package balance

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// visit is a request of a client that has a cookie, "" for none. It returns where
// it was answered and the cookie that the client has then.
func (h *house) visit(b *Backend, cookie string, tie Tie, how func(n byte) error) (at byte, after string) {
	h.t.Helper()
	turn := new(Turn)
	key, known := b.Session(cookie)
	turn.Resume(key, known, tie)
	if !turn.Begin(b, get(), time.Now()) {
		h.t.Fatal("there are no endpoints")
	}
	defer turn.End()
	for {
		at = number(turn.Endpoint())
		err := how(at)
		if err == nil {
			turn.Answered()
			if value, ok := turn.Cookie(); ok {
				return at, value
			}
			return at, cookie
		}
		if !turn.Failed(err) {
			h.t.Fatal("it is not tried again")
		}
	}
}

var ties = map[string]Tie{"balanced": {}, "persistent": {Persistent: true}}

// A client comes to the endpoint of its cookie, in every replica, and clients are
// spread over all.
func TestSessionsStay(t *testing.T) {
	for name, tie := range ties {
		t.Run(name, func(t *testing.T) {
			h, replica := newHouse(t, 0), newHouse(t, 0)
			b, other := h.publishAs(hostmap.Backend{UID: "u"}, 1, 2, 3, 4), replica.publishAs(hostmap.Backend{UID: "u"}, 1, 2, 3, 4)
			seen := map[byte]int{}
			for range 400 {
				at, cookie := h.visit(b, "", tie, answers)
				seen[at]++
				for _, by := range []*Backend{b, other} {
					if again, same := h.visit(by, cookie, tie, answers); again != at || same != cookie {
						t.Fatalf("a client of endpoint %d comes to %d, and its cookie is new: %v", at, again, same != cookie)
					}
				}
			}
			for n := byte(1); n <= 4; n++ {
				if seen[n] < 60 {
					t.Errorf("clients are at %v", seen)
				}
			}
		})
	}
}

// What is no cookie of this backend begins a session.
func TestForeignCookies(t *testing.T) {
	h := newHouse(t, 0)
	elsewhere := h.publishAs(hostmap.Backend{UID: "another"}, 1, 2)
	_, foreign := h.visit(elsewhere, "", Tie{}, answers)
	b := h.publishAs(hostmap.Backend{UID: "u"}, 1, 2)
	for _, cookie := range []string{"", "x", foreign, foreign + "=", strings.Repeat("A", 24), strings.Repeat("A", 1000), "192.0.2.1:80", base64.RawURLEncoding.EncodeToString([]byte("192.0.2.1:80......"))} {
		if _, ok := b.Session(cookie); ok {
			t.Errorf("%q is taken", cookie)
		}
	}
}

// A cookie tells nothing of the address: neither does it hold it, nor a digest
// that can be found by trying addresses.
func TestCookieTellsNothing(t *testing.T) {
	h := newHouse(t, 0)
	tie := Tie{Persistent: true}
	_, a := h.visit(h.publishAs(hostmap.Backend{UID: "a"}, 1), "", tie, answers)
	_, b := h.visit(h.publishAs(hostmap.Backend{UID: "b"}, 1), "", tie, answers)
	h2 := newHouse(t, 0)
	_, c := h.visit(h.publishAs(hostmap.Backend{UID: ""}, 1), "", tie, answers)
	_, d := h2.visit(h2.publishAs(hostmap.Backend{UID: ""}, 1), "", tie, answers)
	if a == b || c == d {
		t.Error("cookies for one address are the same under other secrets")
	}
}

// Where the endpoint has gone the client is given another one, for good.
func TestEndpointOfSessionGoes(t *testing.T) {
	for name, tie := range ties {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 0)
			cookies := map[string]byte{}
			b := h.publishAs(hostmap.Backend{UID: "u"}, 1, 2, 3)
			for range 60 {
				at, cookie := h.visit(b, "", tie, answers)
				cookies[cookie] = at
			}
			b = h.publishAs(hostmap.Backend{UID: "u"}, 1, 2)
			for cookie, was := range cookies {
				at, after := h.visit(b, cookie, tie, answers)
				if was != 3 && (at != was || after != cookie) {
					t.Errorf("a client of endpoint %d, which is there, comes to %d", was, at)
				}
				if at == 3 || tie.Persistent && was == 3 && after == cookie {
					t.Errorf("a client of endpoint 3, which has gone, comes to %d, and its cookie is new: %v", at, after != cookie)
				}
				if again, _ := h.visit(b, after, tie, answers); again != at {
					t.Errorf("a client comes to %d and then to %d", at, again)
				}
			}
		})
	}
}

// A new endpoint takes its share of sessions, but for persistent ones.
func TestEndpointComes(t *testing.T) {
	for name, tie := range ties {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 0)
			b := h.publishAs(hostmap.Backend{UID: "u"}, 1, 2, 3)
			cookies := map[string]byte{}
			moved, many := 0, 300
			if tie.Persistent {
				many = 3 // A cookie is its endpoint's.
			}
			for len(cookies) < many {
				at, cookie := h.visit(b, "", tie, answers)
				cookies[cookie] = at
			}
			b = h.publishAs(hostmap.Backend{UID: "u"}, 1, 2, 3, 4)
			for cookie, was := range cookies {
				at, _ := h.visit(b, cookie, tie, answers)
				if at != was {
					moved++
					if at != 4 {
						t.Errorf("a client moves from %d to %d", was, at)
					}
				}
			}
			if tie.Persistent && moved != 0 || !tie.Persistent && (moved < 45 || moved > 105) {
				t.Errorf("%d of %d clients move", moved, len(cookies))
			}
		})
	}
}

// Where the endpoint fails the client is served elsewhere, and comes back when it
// is well again, or stays where it was served if it is to.
func TestEndpointOfSessionFails(t *testing.T) {
	for name, tie := range ties {
		for _, moves := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tie.Moves = moves
					h := newHouse(t, 0)
					b := h.publishAs(hostmap.Backend{UID: "u"}, 1, 2, 3)
					home, cookie := h.visit(b, "", tie, answers)
					at, after := h.visit(b, cookie, tie, failing(refused, home))
					if at == home || (after != cookie) != moves {
						t.Fatalf("a client of %d is served at %d, and its cookie is new: %v", home, at, after != cookie)
					}
					if again, _ := h.visit(b, after, tie, failing(refused, home)); again == home || moves && again != at {
						t.Errorf("then it is served at %d, after %d", again, at)
					}
					time.Sleep(time.Minute)
					want := home
					if moves {
						want = at
					}
					if again, _ := h.visit(b, after, tie, answers); again != want {
						t.Errorf("when all are well it is served at %d, want %d", again, want)
					}
				})
			})
		}
	}
}

// Requests of one key go to one endpoint, or to as many as were asked for, in
// every replica; keys are spread, and go elsewhere when their endpoint rests.
func TestKeys(t *testing.T) {
	h, replica := newHouse(t, 0), newHouse(t, 0)
	b, other := h.publish(1, 2, 3, 4), replica.publish(1, 2, 3, 4)
	aimed := func(b *Backend, key Key, among int, how func(byte) error) byte {
		turn := new(Turn)
		turn.AimAt(key, among)
		if !turn.Begin(b, get(), time.Now()) {
			t.Fatal("there are no endpoints")
		}
		defer turn.End()
		for {
			err := how(number(turn.Endpoint()))
			if err == nil {
				turn.Answered()
				return number(turn.Endpoint())
			}
			if !turn.Failed(err) {
				t.Fatal("it is not tried again")
			}
		}
	}
	homes := map[byte]int{}
	for key := range Key(400) {
		at := aimed(b, key, 1, answers)
		homes[at]++
		if aimed(b, key, 1, answers) != at || aimed(other, key, 1, answers) != at {
			t.Fatalf("key %d goes to several endpoints", key)
		}
		some := map[byte]bool{}
		for range 20 {
			some[aimed(b, key, 2, answers)] = true
		}
		if len(some) != 2 || !some[at] {
			t.Fatalf("key %d of %d, which is to have two endpoints, has %v", key, at, some)
		}
	}
	for n := byte(1); n <= 4; n++ {
		if homes[n] < 60 {
			t.Errorf("keys are at %v", homes)
		}
	}
	for key := range Key(8) {
		if at, again := aimed(b, key, 1, failing(refused, 1, 2)), aimed(b, key, 1, failing(refused, 1, 2)); at != again || at < 3 {
			t.Errorf("where endpoints fail key %d goes to %d and to %d", key, at, again)
		}
	}
}

// Keys allocate nothing.
func TestAimAllocatesNothing(t *testing.T) {
	h := newHouse(t, 0)
	b, now := h.publish(1, 2, 3), time.Now()
	_, cookie := h.visit(b, "", Tie{}, answers)
	turn, req := new(Turn), &upstream.Request{Method: "GET"}
	if n := testing.AllocsPerRun(100, func() {
		for among := range 2 {
			*turn = Turn{}
			req.ConnectTimeout = 0
			turn.AimAt(7, among+1)
			turn.Begin(b, req, now)
			turn.End()
		}
		*turn = Turn{}
		key, known := b.Session(cookie)
		turn.Resume(key, known, Tie{})
		turn.Begin(b, req, now)
		turn.Answered()
		_, _ = turn.Cookie()
		turn.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
