package upstream

import (
	"net/http"
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
