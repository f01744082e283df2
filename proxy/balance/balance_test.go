package balance

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// house is a registry with backends, to whose endpoints nothing is ever sent: the
// tests say what came of it.
type house struct {
	t        testing.TB
	registry *Registry
	log      bytes.Buffer
	live     map[*hostmap.Backend]*Backend
	was      map[*hostmap.Backend]*Backend // live when it was retained last
}

func newHouse(t testing.TB, connectTimeout time.Duration) *house {
	h := &house{t: t, live: make(map[*hostmap.Backend]*Backend)}
	client := upstream.New(upstream.Config{})
	t.Cleanup(client.Close)
	h.registry = New(client, connectTimeout, slog.New(slog.NewTextHandler(&h.log, nil)))
	return h
}

// publish makes a map live that has one backend, of endpoints by these numbers.
func (h *house) publish(numbers ...byte) *Backend {
	h.t.Helper()
	return h.publishAs(hostmap.Backend{}, numbers...)
}

// publishAs is publish with more about the backend.
func (h *house) publishAs(b hostmap.Backend, numbers ...byte) *Backend {
	h.t.Helper()
	b.Namespace, b.Service, b.Port = "default", "b", "80"
	for _, n := range numbers {
		b.Endpoints = append(b.Endpoints, address(n))
	}
	h.live = map[*hostmap.Backend]*Backend{&b: h.registry.Backend(&b)}
	h.retain()
	return h.live[&b]
}

// retain releases what was live and is so no more.
func (h *house) retain() {
	var gone []*Backend
	for b, resolved := range h.was {
		if h.live[b] != resolved {
			gone = append(gone, resolved)
		}
	}
	h.was = maps.Clone(h.live)
	h.registry.Release(gone)
}

func address(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 80)
}

func number(a netip.AddrPort) byte { return a.Addr().As4()[3] }

// begin begins a turn.
func (h *house) begin(b *Backend, req *upstream.Request) *Turn {
	h.t.Helper()
	t := new(Turn)
	if !t.Begin(b, req, time.Now()) {
		h.t.Fatal("there are no endpoints")
	}
	return t
}

// route sends a request to each endpoint that it is to be sent to, and returns
// their numbers. how says what an endpoint does: nil is to answer.
func (h *house) route(b *Backend, req *upstream.Request, how func(n byte) error) (tried []byte) {
	h.t.Helper()
	t := h.begin(b, req)
	defer t.End()
	for {
		n := number(t.Endpoint())
		tried = append(tried, n)
		err := how(n)
		if err == nil {
			t.Answered()
			return tried
		}
		if !t.Failed(err) {
			return tried
		}
		if len(tried) > 100 {
			h.t.Fatal("it is tried for ever")
		}
	}
}

func get() *upstream.Request { return &upstream.Request{Method: "GET"} }

func post() *upstream.Request {
	return &upstream.Request{Method: "POST", Body: strings.NewReader("x"), ContentLength: 1}
}

func answers(byte) error { return nil }

// Ways to fail.
var (
	refused   = &upstream.Error{Reason: upstream.ReasonConnect, Err: syscall.ECONNREFUSED}
	timedOut  = &upstream.Error{Reason: upstream.ReasonConnectTimeout, Err: os.ErrDeadlineExceeded}
	lostEarly = &upstream.Error{Reason: upstream.ReasonReset, Err: io.EOF, Sent: true, Silent: true}
)

// failing says that the endpoints with these numbers fail.
func failing(err error, numbers ...byte) func(byte) error {
	return func(n byte) error {
		if slices.Contains(numbers, n) {
			return err
		}
		return nil
	}
}

// first returns where the next n requests begin.
func (h *house) first(b *Backend, n int) (begun []byte) {
	h.t.Helper()
	for range n {
		begun = append(begun, h.route(b, get(), answers)[0])
	}
	return begun
}

func TestRetryDoesNotMoveTheTurn(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2, 3)
	got := []byte{
		h.route(b, get(), answers)[0],
		h.route(b, get(), failing(lostEarly, 3))[0], // goes on elsewhere
		h.route(b, get(), answers)[0],
		h.route(b, get(), answers)[0],
	}
	if want := []byte{2, 3, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("requests began at %v, want %v", got, want)
	}
}

func TestEveryEndpointIsTriedOnce(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2, 3, 4, 5)
	tried := h.route(b, post(), func(byte) error { return refused })
	if slices.Sort(tried); !slices.Equal(tried, []byte{1, 2, 3, 4, 5}) {
		t.Errorf("tried %v, want each of five once", tried)
	}
	h = newHouse(t, 0)
	if tried := h.route(h.publish(1), get(), func(byte) error { return refused }); len(tried) != 1 {
		t.Errorf("a backend's only endpoint refused, and was tried %d times", len(tried))
	}
}

// All connecting together is within one connect time-out, in which there is time
// for others.
func TestTimeToConnect(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		endpoints int
		timeout   time.Duration // of the request
		want      []time.Duration
	}{
		{1, 0, []time.Duration{0}}, // as it was
		{2, 0, []time.Duration{500 * ms, 4500 * ms}},
		{3, 0, []time.Duration{500 * ms, 500 * ms, 4000 * ms}},
		{3, time.Second, []time.Duration{250 * ms, 250 * ms, 500 * ms}},
		{3, 400 * ms, []time.Duration{200 * ms, 100 * ms, 100 * ms}},
		{3, 60 * time.Second, []time.Duration{6 * time.Second, 6 * time.Second, 48 * time.Second}},
		{2, -1, []time.Duration{500 * ms, -1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, 0)
			b := h.publish([]byte{1, 2, 3}[:tt.endpoints]...)
			req := get()
			req.ConnectTimeout = tt.timeout
			turn := h.begin(b, req)
			var got []time.Duration
			for again := true; again; again = turn.Failed(timedOut) {
				got = append(got, req.ConnectTimeout)
				time.Sleep(req.ConnectTimeout)
			}
			turn.End()
			if !slices.Equal(got, tt.want) {
				t.Errorf("%d endpoints, time-out %v: %v, want %v", tt.endpoints, tt.timeout, got, tt.want)
			}
		})
	}
}

// Where there is nobody better, who is slow gets time: a SYN that is lost is sent
// again after a second.
func TestTimeToConnectWhereOthersRest(t *testing.T) {
	for _, resting := range [][]byte{{1}, {1, 2}} {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		for range 2 {
			h.route(b, get(), failing(refused, resting...))
		}
		req := get()
		turn := h.begin(b, req)
		if req.ConnectTimeout != 2500*time.Millisecond {
			t.Errorf("%v rest: %v to connect to %v, want half of 5 s", resting, req.ConnectTimeout, turn.Endpoint())
		}
		turn.End()
	}
}

// Where all rest, who was misjudged comes before who has been dead for long.
func TestWhereAllRestTheLeastFailedIsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2, 3)
		for range 100 {
			h.route(b, get(), failing(timedOut, 1, 2))
			time.Sleep(time.Second)
		}
		h.route(b, get(), func(byte) error { return timedOut }) // as when this machine is too slow
		for range 10 {
			if tried := h.route(b, get(), failing(timedOut, 1, 2)); tried[len(tried)-1] != 3 || len(tried) > 2 {
				t.Fatalf("tried %v, want 3 at once, or after a probe", tried)
			}
		}
	})
}

func TestRestIsDealtOutEvenly(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2, 3, 4)
	for h.route(b, get(), failing(refused, 2))[0] != 2 {
	}
	count := map[byte]int{}
	for _, n := range h.first(b, 1200) {
		count[n]++
	}
	if count[2] != 0 || count[1] != 400 || count[3] != 400 || count[4] != 400 {
		t.Errorf("requests by endpoint: %v, want 400 each but for 2", count)
	}
}

// A rest doubles each time that the probe after it fails, up to 30 s, and only
// one request pays for finding out.
func TestRestGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		var at []time.Duration // when 1 was tried
		start := time.Now()
		for time.Since(start) < 3*time.Minute {
			if tried := h.route(b, get(), failing(refused, 1)); tried[0] == 1 {
				if !slices.Equal(tried, []byte{1, 2}) {
					t.Fatalf("a probe was tried at %v", tried)
				}
				at = append(at, time.Since(start))
			}
			time.Sleep(5 * time.Millisecond)
		}
		for i := 1; i < len(at); i++ {
			want := min(time.Second<<(i-1), 30*time.Second)
			if got := at[i] - at[i-1]; got < want*3/4 || got > want*5/4+20*time.Millisecond {
				t.Errorf("rest %d took %v, want %v give or take a quarter", i, got, want)
			}
		}
		if len(at) < 8 {
			t.Errorf("%d probes in 3 minutes", len(at)-1)
		}
	})
}

// Until a probe has ended, no other begins at the same endpoint for a second; and
// what cannot be repeated is none while there may be something that can.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		h.route(b, get(), answers)
		h.route(b, get(), failing(refused, 1))
		h.route(b, get(), failing(refused, 1))
		time.Sleep(1500 * time.Millisecond)
		for range 10 {
			if n := h.route(b, post(), answers)[0]; n != 2 {
				t.Fatalf("a POST probes endpoint %d", n)
			}
		}
		var probes []*Turn
		for range 10 {
			turn := h.begin(b, get())
			if number(turn.Endpoint()) == 1 {
				probes = append(probes, turn)
			} else {
				turn.End()
			}
		}
		if len(probes) != 1 {
			t.Fatalf("%d of 10 requests probe an endpoint, want 1", len(probes))
		}
		probes[0].Answered()
		probes[0].End()
		// One in ten at first: it warms up.
		if got := h.first(b, 100); !slices.Contains(got, 1) {
			t.Errorf("after a probe was answered requests begin at %v", got)
		}
	})
}

// Where nothing but POSTs comes, one of them is the probe in the end.
func TestProbeByPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		for h.route(b, post(), failing(refused, 1))[0] != 1 {
		}
		time.Sleep(2500 * time.Millisecond)
		if got := []byte{h.route(b, post(), answers)[0], h.route(b, post(), answers)[0]}; !slices.Contains(got, 1) {
			t.Errorf("POSTs begin at %v", got)
		}
	})
}

// When one endpoint comes back the others are asked without waiting for the end
// of their rests, or it would carry the load of all for up to half a minute.
func TestOneComesBackAndOthersAreProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2, 3)
		for range 100 { // all are down for long, so that rests are long
			h.route(b, get(), func(byte) error { return timedOut })
			time.Sleep(time.Second)
		}
		if got := h.first(b, 12); !slices.Contains(got[3:], 1) || !slices.Contains(got[3:], 2) || !slices.Contains(got[3:], 3) {
			t.Errorf("when all work again requests begin at %v", got)
		}
	})
}

// Requests that were under way together tell of one failure.
func TestTogetherIsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		var turns []*Turn
		for range 40 {
			turn := h.begin(b, get())
			if number(turn.Endpoint()) == 1 {
				turns = append(turns, turn)
			} else {
				turn.End()
			}
		}
		time.Sleep(500 * time.Millisecond)
		for _, turn := range turns {
			if !turn.Failed(timedOut) {
				t.Fatal("a request is not tried elsewhere")
			}
			turn.End()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(1250 * time.Millisecond)
		if got := h.first(b, 2); !slices.Contains(got, 1) {
			t.Error("twenty requests that failed together made a rest longer than a second")
		}
	})
}

// An answer to what was sent before an endpoint failed does not end its rest.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		h.route(b, get(), answers)
		slow := h.begin(b, get())
		time.Sleep(10 * time.Millisecond)
		defer h.begin(b, get()).End() // so that the other is as busy
		h.route(b, get(), failing(refused, 1))
		slow.Answered()
		slow.End()
		if got := h.first(b, 6); slices.Contains(got, 1) {
			t.Errorf("requests begin at %v, and 1 should rest", got)
		}
	})
}

// Lost connections have an endpoint rest after three in a row; six where more
// than half of the endpoints would.
func TestLostInRow(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2, 3, 4)
	losses := func(bad ...byte) map[byte]int {
		n := map[byte]int{}
		for range 60 {
			for _, tried := range h.route(b, get(), failing(lostEarly, bad...)) {
				n[tried]++
			}
		}
		return n
	}
	n := losses(1, 2, 3)
	counts := []int{n[1], n[2], n[3]}
	if slices.Sort(counts); !slices.Equal(counts, []int{3, 3, 6}) {
		t.Errorf("connections lost before a rest: %v, want 3, 3 and 6", n)
	}
	// One that answers in between does not rest.
	h = newHouse(t, 0)
	b = h.publish(1, 2)
	lose, at := false, map[byte]int{}
	for range 40 {
		h.route(b, get(), func(n byte) error {
			at[n]++
			if lose = !lose; lose && n == 1 {
				return lostEarly
			}
			return nil
		})
	}
	if at[1] < 15 {
		t.Errorf("an endpoint that answers every other request had %v of 40", at)
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	request := func(method, upgrade string, body bool) *upstream.Request {
		r := &upstream.Request{Method: method, Upgrade: upgrade}
		if body {
			r.Body = strings.NewReader("x")
		}
		return r
	}
	fail := func(reason string, sent, read, silent bool) *upstream.Error {
		return &upstream.Error{Reason: reason, Err: io.EOF, Sent: sent, BodyRead: read, Silent: silent}
	}
	for _, tt := range []struct {
		name string
		req  *upstream.Request
		err  error
		want bool
	}{
		{"POST, no connection", request("POST", "", true), refused, true},
		{"POST, no connection in time", request("POST", "", true), timedOut, true},
		{"POST, TLS failed", request("POST", "", true), fail(upstream.ReasonTLS, false, false, false), true},
		{"tunnel, no connection", request("GET", "websocket", false), refused, true},
		{"POST, not processed", request("POST", "", true), fail(upstream.ReasonRefused, false, false, false), true},
		{"POST, not processed, body read", request("POST", "", true), fail(upstream.ReasonRefused, false, true, false), false},
		{"POST, not processed, but answered", request("POST", "", true), fail(upstream.ReasonRefused, true, false, false), false},
		{"GET, lost early", request("GET", "", false), lostEarly, true},
		{"HEAD, lost early", request("HEAD", "", false), lostEarly, true},
		{"OPTIONS, lost early", request("OPTIONS", "", false), lostEarly, true},
		{"TRACE, lost early", request("TRACE", "", false), lostEarly, true},
		{"PUT without a body, lost early", request("PUT", "", false), lostEarly, true},
		{"DELETE without a body, lost early", request("DELETE", "", false), lostEarly, true},
		{"PUT, lost early", request("PUT", "", true), lostEarly, false},
		{"GET with a body, lost early", request("GET", "", true), lostEarly, false},
		{"POST without a body, lost early", request("POST", "", false), lostEarly, false},
		{"PATCH, lost early", request("PATCH", "", false), lostEarly, false},
		{"unknown method, lost early", request("BREW", "", false), lostEarly, false},
		{"tunnel, lost early", request("GET", "websocket", false), lostEarly, false},
		{"GET, lost later", request("GET", "", false), fail(upstream.ReasonReset, true, false, false), false},
		{"GET, no answer in time", request("GET", "", false), fail(upstream.ReasonReadTimeout, true, false, false), false},
		{"GET, not taken in time", request("GET", "", false), fail(upstream.ReasonSendTimeout, true, false, false), false},
		{"GET, nonsense", request("GET", "", false), fail(upstream.ReasonBadResponse, true, false, false), false},
		{"GET, head too large", request("GET", "", false), fail(upstream.ReasonHeadTooLarge, true, false, false), false},
		{"GET, client gone", request("GET", "", false), fail(upstream.ReasonCanceled, false, false, false), false},
		{"GET, bad request", request("GET", "", false), fail(upstream.ReasonBadRequest, false, false, false), false},
		{"POST, body aborted", request("POST", "", true), fail(upstream.ReasonBodyAborted, false, true, false), false},
		{"another error", request("GET", "", false), io.EOF, false},
	} {
		h := newHouse(t, 0)
		turn := h.begin(h.publish(1, 2), tt.req)
		was := turn.Endpoint()
		if got := turn.Failed(tt.err); got != tt.want || got == (turn.Endpoint() == was) {
			t.Errorf("%s: again %v at %v after %v, want %v", tt.name, got, turn.Endpoint(), was, tt.want)
		}
		turn.End()
	}
}

// What may have killed a pod does not kill all of thirty.
func TestSentThreeTimesAtMost(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2, 3, 4, 5, 6)
	if tried := h.route(b, get(), func(byte) error { return lostEarly }); len(tried) != 3 {
		t.Errorf("sent to %v, want three of them", tried)
	}
}

func TestOnlyEndpointOnFreshConnection(t *testing.T) {
	h := newHouse(t, 0)
	req := get()
	if tried := h.route(h.publish(1), req, func(byte) error { return lostEarly }); len(tried) != 2 || !req.Fresh {
		t.Errorf("sent to %v, the last time fresh: %v; want twice, the second time fresh", tried, req.Fresh)
	}
	if got := h.first(h.publish(1), 3); !slices.Equal(got, []byte{1, 1, 1}) {
		t.Errorf("requests begin at %v", got)
	}
}

func TestMisdirected(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2)
	for _, tt := range []struct {
		name string
		req  *upstream.Request
		want bool
	}{
		{"GET", get(), true},
		{"POST without a body", &upstream.Request{Method: "POST"}, true},
		{"POST", post(), false},
		{"tunnel", &upstream.Request{Method: "GET", Upgrade: "websocket"}, false},
	} {
		turn := h.begin(b, tt.req)
		if got := turn.Misdirected(); got != tt.want || tt.req.Fresh != tt.want {
			t.Errorf("%s: again %v, fresh %v; want %v", tt.name, got, tt.req.Fresh, tt.want)
		}
		if turn.Misdirected() {
			t.Errorf("%s: a second time", tt.name)
		}
		turn.End()
	}
	if h.registry.figures()[service{"default", "b"}].ejections != 0 {
		t.Error("an endpoint rests that has answered")
	}
}

// A storm of requests that fail everywhere does not become a larger one.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, err := range []error{lostEarly, refused, &upstream.Error{Reason: upstream.ReasonRefused, Err: io.EOF}} {
			h := newHouse(t, 0)
			b := h.publish(1, 2, 3)
			const rate, seconds = 100, 60
			tries := 0
			for range rate * seconds {
				tries += len(h.route(b, get(), func(byte) error { return err }))
				time.Sleep(time.Second / rate)
			}
			const requests = rate * seconds
			if most := requests*12/10 + retryBurst + seconds + 10; tries > int(most) {
				t.Errorf("%v: %d requests were sent %d times, want %v at most", err, requests, tries, most)
			}
			if tries < requests*11/10 {
				t.Errorf("%v: %d requests were sent %d times", err, requests, tries)
			}
		}
	})
}

// A Service with a request a second can have every one of them tried again.
func TestBudgetOfFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1)
		for i := range 200 {
			if tried := h.route(b, get(), func(byte) error { return lostEarly }); len(tried) != 2 {
				t.Fatalf("request %d was not tried again", i)
			}
			time.Sleep(time.Second)
		}
	})
}

// When a pod goes with hundreds of requests under way, they are tried elsewhere.
func TestBudgetOfManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2, 3)
		for range 2000 {
			h.route(b, get(), answers)
			time.Sleep(time.Millisecond)
		}
		h.route(b, get(), func(byte) error { return lostEarly })
		for i := range 300 {
			turn := h.begin(b, get())
			if !turn.Failed(lostEarly) {
				t.Fatalf("request %d is not tried elsewhere", i)
			}
			turn.End()
		}
	})
}

// A retry goes to the endpoints that there are now: an old address may be another
// tenant's by then.
func TestRetryGoesToTheNewestEndpoints(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2, 3)
	turn := h.begin(b, get()) // at 2
	h.publish(2, 4)
	if !turn.Failed(lostEarly) || number(turn.Endpoint()) != 4 {
		t.Errorf("the retry goes to %v, want the one that is new", turn.Endpoint())
	}
	turn.End()
	turn = h.begin(b, get())
	h.live = nil
	h.retain()
	if turn.Failed(refused) {
		t.Errorf("the backend is gone, and %v is tried", turn.Endpoint())
	}
	turn.End()
}

// What is known of an endpoint outlives maps, and goes when nobody needs it.
func TestEndpointsOutliveMaps(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2)
	for h.route(b, get(), failing(refused, 1))[0] != 1 {
	}
	b = h.publish(1, 2, 3)
	if got := h.first(b, 6); slices.Contains(got, 1) {
		t.Errorf("under the next map requests begin at %v, and 1 should rest", got)
	}
	turn := h.begin(b, get())
	used := number(turn.Endpoint())
	h.live = nil
	h.retain()
	if n := len(h.registry.endpoints); n != 1 {
		t.Errorf("%d endpoints are known, want the one in use", n)
	}
	b = h.publish(used)
	turn.End()
	if n := b.members[0].inFlight.Load(); n != 0 || len(h.registry.endpoints) != 1 {
		t.Errorf("%d requests in flight, %d endpoints", n, len(h.registry.endpoints))
	}
	h.live = nil
	h.retain()
	if len(h.registry.endpoints) != 0 || len(h.registry.ledgers) != 0 {
		t.Error("something is known of what there is no more")
	}
}

// What is wrong with us, or with what the client asked for, is not held against
// an endpoint.
func TestNotTheEndpointsFault(t *testing.T) {
	for _, tt := range []struct {
		name       string
		serverName string
		err        error
	}{
		{"no descriptors", "", &upstream.Error{Reason: upstream.ReasonConnect, Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}}},
		{"name of the client's", "x.test", &upstream.Error{Reason: upstream.ReasonTLS, Err: errors.New("unrecognized name")}},
		{"slow", "", &upstream.Error{Reason: upstream.ReasonReadTimeout, Err: os.ErrDeadlineExceeded, Sent: true}},
		{"client gone", "", &upstream.Error{Reason: upstream.ReasonCanceled, Err: io.EOF}},
	} {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		for range 20 {
			req := get()
			req.ServerName = tt.serverName
			h.route(b, req, failing(tt.err, 1))
		}
		if got := h.first(b, 2); !slices.Contains(got, 1) {
			t.Errorf("%s: the endpoint rests", tt.name)
		}
	}
}

// A client that gives up before we would have does not hide a black hole.
func TestImpatientClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		h.route(b, get(), answers)
		turn := h.begin(b, get())
		time.Sleep(300 * time.Millisecond)
		turn.Failed(&upstream.Error{Reason: upstream.ReasonCanceled, Err: io.EOF})
		bad := number(turn.Endpoint())
		turn.End()
		if got := h.first(b, 4); slices.Contains(got, bad) {
			t.Errorf("requests begin at %v, and %d should rest", got, bad)
		}
	})
}

func TestLogAndMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1, 2)
		for range 10 {
			h.route(b, get(), failing(refused, 1))
		}
		if err := testutil.CollectAndCompare(h.registry, strings.NewReader(`
# HELP ingress421_upstream_ejections_total Endpoints that began to rest, because they had failed.
# TYPE ingress421_upstream_ejections_total counter
ingress421_upstream_ejections_total{namespace="default",service="b"} 1
# HELP ingress421_upstream_endpoints_resting Endpoints that rest now.
# TYPE ingress421_upstream_endpoints_resting gauge
ingress421_upstream_endpoints_resting{namespace="default",service="b"} 1
# HELP ingress421_upstream_retries_total Requests that were to be sent once more, by whether the backend's budget allowed it.
# TYPE ingress421_upstream_retries_total counter
ingress421_upstream_retries_total{namespace="default",result="made",service="b"} 1
ingress421_upstream_retries_total{namespace="default",result="over_budget",service="b"} 0
`)); err != nil {
			t.Error(err)
		}
		if f := h.registry.Failing(); len(f) != 1 || f[0].Namespace != "default" || f[0].Addr.Addr().As4()[3] != 1 || f[0].Failures == 0 || !f[0].Resting || f[0].Probe <= 0 {
			t.Errorf("endpoints that fail: %+v", f)
		}
		time.Sleep(2 * time.Second)
		h.first(b, 2)
		lines := strings.Split(strings.TrimSpace(h.log.String()), "\n")
		if len(lines) != 2 ||
			!strings.Contains(lines[0], `level=WARN msg="endpoint rests" backend=default/b:80 endpoint=192.0.2.1:80 reason=connect error="connection refused"`) ||
			!strings.Contains(lines[1], `level=INFO msg="endpoint is back" backend=default/b:80 endpoint=192.0.2.1:80 after=2s`) {
			t.Errorf("the log:\n%s", &h.log)
		}
	})
}

// However many endpoints fail, a backend has ten lines in ten seconds.
func TestLogIsBounded(t *testing.T) {
	h := newHouse(t, 0)
	numbers := make([]byte, 200)
	for i := range numbers {
		numbers[i] = byte(i)
	}
	b := h.publish(numbers...)
	h.route(b, get(), failing(refused, numbers[:199]...))
	if n := strings.Count(h.log.String(), "endpoint rests"); n != linesMost {
		t.Errorf("%d lines, want %d", n, linesMost)
	}
}

func TestTurnAllocatesNothing(t *testing.T) {
	h := newHouse(t, 0)
	b, req, now := h.publish(1, 2, 3), get(), time.Now()
	turn := new(Turn)
	if n := testing.AllocsPerRun(100, func() {
		*turn = Turn{}
		req.ConnectTimeout = 0
		turn.Begin(b, req, now)
		turn.Answered()
		turn.End()
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkTurn(b *testing.B) {
	h := newHouse(b, 0)
	backend, now := h.publish(1, 2, 3), time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req, turn := get(), new(Turn)
		for pb.Next() {
			*turn = Turn{}
			req.ConnectTimeout = 0
			turn.Begin(backend, req, now)
			turn.Answered()
			turn.End()
		}
	})
}

// A tenant's slice may name another's pod: what he makes of it is his own affair.
func TestTenantsAreApart(t *testing.T) {
	h := newHouse(t, 0)
	b := h.publish(1, 2)
	theirs := &hostmap.Backend{Namespace: "tenant", Service: "b", Port: "80", Endpoints: []netip.AddrPort{address(1), address(2)}}
	h.live[theirs] = h.registry.Backend(theirs)
	for range 6 {
		h.route(h.live[theirs], get(), failing(lostEarly, 1))
	}
	if got := h.first(h.live[theirs], 4); slices.Contains(got, 1) {
		t.Errorf("their requests begin at %v, and 1 should rest", got)
	}
	if got := h.first(b, 4); !slices.Equal(got, []byte{2, 1, 2, 1}) {
		t.Errorf("requests begin at %v", got)
	}
}

// A backend's only endpoint is known to fail, and goes on taking its turn.
func TestOnlyEndpointFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 0)
		b := h.publish(1)
		for range 3 {
			h.route(b, get(), failing(refused, 1))
		}
		f := h.registry.Failing()
		if len(f) != 1 || f[0].Failures < 3 || f[0].Resting {
			t.Errorf("endpoints that fail: %+v", f)
		}
		h.route(b, get(), failing(refused))
		if f := h.registry.Failing(); len(f) != 0 {
			t.Errorf("endpoints that fail after an answer: %+v", f)
		}
	})
}
