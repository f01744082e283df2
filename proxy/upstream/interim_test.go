package upstream

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// What follows Do may belong to another request.
func TestInterimEndsWithDo(t *testing.T) {
	p := newClient(t, Config{}).Pool(server(t, H2C, func(w http.ResponseWriter, r *http.Request) {
		for range 20 {
			w.WriteHeader(103)
		}
		<-r.Context().Done()
	}))
	var running, over atomic.Bool
	in := make(chan struct{}, 100)
	e := p.Start()
	r := get("/")
	r.Interim = func(int, []hpack.HeaderField) {
		if over.Load() {
			t.Error("called after Do")
		}
		running.Store(true)
		in <- struct{}{}
		time.Sleep(20 * time.Millisecond)
		running.Store(false)
	}
	go func() {
		<-in
		e.Cancel()
	}()
	if err := e.Do(r); err == nil {
		t.Error("not canceled")
	}
	over.Store(true)
	if running.Load() {
		t.Error("runs when Do has returned")
	}
	e.Close()
}

func TestTransportTooManyInterims(t *testing.T) {
	for status, want := range map[int]string{103: "error bad_response", 101: "error bad_response"} {
		p := newClient(t, Config{}).Pool(server(t, H2C, func(w http.ResponseWriter, r *http.Request) {
			for range 2 * maxInterim {
				w.WriteHeader(status)
			}
		}))
		if got := roundTrip(p, get("/")); got != want {
			t.Errorf("%d: got %s", status, got)
		}
	}
}

// However many are read at once, they come in order, and before the final
// response.
func TestInterimOrder(t *testing.T) {
	p := newClient(t, Config{}).Pool(server(t, H2C, func(w http.ResponseWriter, _ *http.Request) {
		for i := range maxInterim {
			w.Header().Set("N", strconv.Itoa(i))
			w.WriteHeader(103)
		}
		w.WriteHeader(200)
	}))
	var got []string
	e := p.Start()
	defer e.Close()
	r := get("/")
	r.Interim = func(status int, h []hpack.HeaderField) {
		if len(got) == 0 {
			time.Sleep(20 * time.Millisecond) // a slow client: the others queue up
		}
		got = append(got, fmt.Sprint(status, " ", h[0].Value))
	}
	if err := e.Do(r); err != nil {
		t.Fatal(err)
	}
	for i := range maxInterim {
		if len(got) != maxInterim || got[i] != fmt.Sprint("103 ", i) {
			t.Fatalf("got %d: %v", len(got), got)
		}
	}
}

// A client that does not take an interim response holds up nobody else on the
// same connection to the backend.
func TestInterimHoldsUpNobody(t *testing.T) {
	const others = 50
	var mu sync.Mutex
	conns := map[string]bool{}
	p := newClient(t, Config{}).Pool(server(t, H2C, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		if r.URL.Path == "/slow" {
			w.WriteHeader(103)
		}
	}))
	called, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		e := p.Start()
		defer e.Close()
		r := get("/slow")
		r.Interim = func(int, []hpack.HeaderField) {
			close(called)
			<-release
		}
		done <- e.Do(r)
	}()
	<-called
	answered := make(chan string)
	for range others {
		go func() { answered <- roundTrip(p, get("/")) }()
	}
	late := time.After(10 * time.Second)
	for range others {
		select {
		case got := <-answered:
			if !strings.HasPrefix(got, "200") {
				t.Error(got)
			}
		case <-late:
			close(release)
			t.Fatal("held up")
		}
	}
	select {
	case err := <-done:
		t.Errorf("Do returned while an interim response was passed on: %v", err)
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(conns) != 1 {
		t.Errorf("%d connections: the requests were not on the same one", len(conns))
	}
}

// All interim responses of a request together may be as large as a head.
func TestInterimSize(t *testing.T) {
	for _, tt := range []struct{ n, size int }{{2, 40_000}, {30, 2500}, {2, 30_000}, {30, 2000}} {
		want := `200 whole ""`
		if tt.n*tt.size > MaxHeadBytes {
			want = "error head_too_large"
		}
		link := strings.Repeat("x", tt.size)
		for name, target := range map[string]Target{
			"h2c": framesBackend(t, func(c *framesConn, r framesRequest) {
				for range tt.n {
					c.head(r.stream, false, ":status", "103", "link", link)
				}
				c.head(r.stream, true, ":status", "200")
			}),
			"http": {Addr: backend(t, answering(
				strings.Repeat("HTTP/1.1 103 \r\nLink: "+link+"\r\n\r\n", tt.n)+"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))},
		} {
			p := newClient(t, Config{}).Pool(target)
			if got := roundTrip(p, get("/")); got != want {
				t.Errorf("%s, %d of %d: got %s, want %s", name, tt.n, tt.size, got, want)
			}
		}
	}
}

// A backend that says that it is at work is not one that says nothing.
func TestInterimIsASignOfLife(t *testing.T) {
	const wait = 300 * time.Millisecond
	for _, protocol := range []Protocol{HTTP1, H2C} {
		p := newClient(t, Config{ReadTimeout: wait}).Pool(server(t, protocol, func(w http.ResponseWriter, _ *http.Request) {
			for range 4 {
				time.Sleep(wait / 2)
				w.WriteHeader(102)
			}
		}))
		if got := roundTrip(p, get("/")); !strings.HasPrefix(got, "200") {
			t.Errorf("%s: %s", protocol, got)
		}
	}
}
