package h2

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// hints is an early hint of 8 KiB as it is sent.
var hints = []hpack.HeaderField{{Name: "link", Value: strings.Repeat("\\", 4<<10)}}

// Whoever writes interim responses may have other clients' to pass on: one that
// does not read must not stop him, nor cost much memory.
func TestInterimResponsesNeverWait(t *testing.T) {
	const sent = 1000
	var written, ended atomic.Bool
	var end chan struct{} // of the bubble
	cfg := &config{Handle: func(s *Stream) {
		for range sent {
			if err := s.WriteInterim(103, hints); err != nil {
				t.Errorf("WriteInterim: %v", err)
			}
			time.Sleep(time.Millisecond) // the flusher runs
		}
		written.Store(true)
		<-end
		if err := s.Respond(204, nil, nil); err != nil {
			t.Errorf("Respond: %v", err)
		}
		ended.Store(true)
	}}
	bubble(t, cfg, func(ct *tester) {
		end = make(chan struct{})
		ct.headers(1, true, get...)
		time.Sleep(2 * time.Second)
		if !written.Load() {
			t.Error("WriteInterim waits for the client")
		}
		close(end)
		synctest.Wait()
		if ended.Load() {
			t.Error("the final response did not wait for room")
		}
		n := 0
		for {
			got := ct.next()
			if strings.HasPrefix(got, "HEADERS stream=1 end :status=204") {
				break
			}
			if got == "" || got == "EOF" {
				t.Fatalf("got %q after %d interim responses", got, n)
			}
			n++
		}
		if n < 10 || n > 100 {
			t.Errorf("%d interim responses of %d arrived", n, sent)
		}
	})
}

// A stream that its client has reset waits for nothing, though the client does
// not read and the buffer stays full.
func TestResetStreamDoesNotAwaitRoom(t *testing.T) {
	var result atomic.Pointer[error]
	var start, full chan struct{} // of the bubble
	cfg := &config{Handle: func(s *Stream) {
		if s.ID() == 1 {
			<-start
			for range 1000 {
				_ = s.WriteInterim(103, hints)
				time.Sleep(time.Millisecond) // the flusher runs
			}
			close(full)
			s.Read(make([]byte, 1)) // until the connection ends
			return
		}
		<-full
		err := s.WriteHeader(200, nil, false)
		result.Store(&err)
	}}
	bubble(t, cfg, func(ct *tester) {
		start, full = make(chan struct{}), make(chan struct{})
		ct.headers(1, false, post()...)
		ct.headers(3, true, get...)
		synctest.Wait()
		close(start)
		time.Sleep(2 * time.Second)
		if result.Load() != nil {
			t.Fatal("the header did not wait for room")
		}
		ct.fr.WriteRSTStream(3, http2.ErrCodeCancel)
		synctest.Wait()
		var reset *ResetError
		switch err := result.Load(); {
		case err == nil:
			t.Error("the stream still waits")
		case !errors.As(*err, &reset):
			t.Errorf("got %v", *err)
		}
	})
}
