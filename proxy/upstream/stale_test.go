package upstream

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// impatient is a backend that closes connections idle for the given time, and
// counts how often it was asked for each request. Like the event loop of nginx
// it looks for bytes once more before it believes its timer, else the time that
// a busy test machine takes to run it would be the subject here.
type impatient struct {
	idle time.Duration
	mu   sync.Mutex
	seen map[string]int
}

func (b *impatient) serve(nc net.Conn) {
	br := bufio.NewReader(nc)
	for {
		nc.SetReadDeadline(time.Now().Add(b.idle))
		if _, err := br.Peek(1); err != nil && !(isTimeout(err) && hasBytes(nc)) {
			return
		}
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		b.mu.Lock()
		b.seen[req.Header.Get("Id")]++
		b.mu.Unlock()
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

func hasBytes(nc net.Conn) (yes bool) {
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		yes = n == 1 && err == nil
	})
	return yes
}

// A backend may close an idle connection at the very moment a request goes out
// on it. Of 10,000 POSTs at all times before and after that, at most one may
// fail, and none may be processed twice.
func TestPostOnStaleConnection(t *testing.T) {
	t.Parallel()
	const posts, workers, idle = 10000, 1000, 500 * time.Millisecond
	b := &impatient{idle: idle, seen: make(map[string]int)}
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, b.serve)})
	var failed, next atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				// About the backend's idle limit: the subject of the test, not
				// synchronisation.
				time.Sleep(rand.N(2 * idle))
				id := next.Add(1)
				if id > posts {
					return
				}
				r := &Request{Method: "POST", Path: "/", Host: "h",
					Header: []hpack.HeaderField{{Name: "id", Value: strconv.FormatInt(id, 10)}},
					Body:   strings.NewReader("body"), ContentLength: 4, BodyWhole: true}
				e := p.Start()
				if err := e.Do(r); err != nil {
					failed.Add(1)
					t.Logf("request %d: %v", id, err)
				}
				e.Close()
			}
		})
	}
	wg.Wait()
	t.Logf("%d POSTs in %v, %d failed", posts, time.Since(start), failed.Load())
	if failed.Load() > posts/10000 {
		t.Errorf("%d of %d failed", failed.Load(), posts)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, n := range b.seen {
		if n != 1 {
			t.Errorf("request %s was processed %d times", id, n)
		}
	}
}

// lingering closes its first connection at the second request on it, in a way
// of the test's choice, and answers all others.
func lingering(t *testing.T, end func(nc net.Conn, br *bufio.Reader)) (p *Pool, requests *atomic.Int64) {
	requests = new(atomic.Int64)
	var conns atomic.Int64
	p = newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		first := conns.Add(1) == 1
		br := bufio.NewReader(nc)
		for n := 1; ; n++ {
			if first && n == 2 {
				end(nc, br)
				return
			}
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			requests.Add(1)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})})
	return p, requests
}

func TestRepeat(t *testing.T) {
	readThenClose := func(nc net.Conn, br *bufio.Reader) {
		req, err := http.ReadRequest(br)
		if err == nil {
			io.Copy(io.Discard, req.Body)
		}
	}
	readThenReset := func(nc net.Conn, br *bufio.Reader) {
		readThenClose(nc, br)
		nc.(*net.TCPConn).SetLinger(0)
	}
	readThenAnswerHalf := func(nc net.Conn, br *bufio.Reader) {
		readThenClose(nc, br)
		io.WriteString(nc, "HTTP/1.1 200")
	}
	post := func() *Request {
		return &Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader("x"), ContentLength: 1, BodyWhole: true}
	}
	with := func(r *Request, method string) *Request { r.Method = method; return r }
	tests := []struct {
		name     string
		end      func(net.Conn, *bufio.Reader)
		req      *Request
		want     string
		requests int64 // answered
	}{
		{"GET read and closed", readThenClose, get("/"), `200 whole "ok"`, 2},
		{"GET read and reset", readThenReset, get("/"), `200 whole "ok"`, 2},
		{"GET with half an answer", readThenAnswerHalf, get("/"), "error reset", 1},
		{"PUT whole", readThenClose, with(post(), "PUT"), `200 whole "ok"`, 2},
		{"POST read and closed", readThenClose, post(), "error reset", 1},
		{"POST read and reset", readThenReset, post(), "error reset", 1},
		{"PATCH read and closed", readThenClose, with(post(), "PATCH"), "error reset", 1},
		{"method nobody knows", readThenClose, with(get("/"), "FROB"), "error reset", 1},
		{"PUT stream", readThenClose, &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader("x"), ContentLength: 1}, "error reset", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, requests := lingering(t, tt.end)
			if got := roundTrip(p, get("/")); got != `200 whole "ok"` {
				t.Fatal(got)
			}
			e := p.Start()
			defer e.Close()
			err := e.Do(tt.req)
			if got := answer(e, err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if err != nil && !err.(*Error).Sent {
				t.Error("Sent is false though the request was read")
			}
			if n := requests.Load(); n != tt.requests {
				t.Errorf("backend answered %d requests, want %d", n, tt.requests)
			}
		})
	}
}

// The fresh connection of a repetition fails too: that is all.
func TestRepeatOnce(t *testing.T) {
	var requests atomic.Int64
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		if n := requests.Add(1); n == 1 {
			http.ReadRequest(br)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
		http.ReadRequest(br)
	})})
	roundTrip(p, get("/"))
	if got := roundTrip(p, get("/")); got != "error reset" {
		t.Errorf("got %s", got)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// Bytes nobody asked for must not become the answer to the next request.
func TestUnaskedBytes(t *testing.T) {
	pushed := make(chan struct{})
	var conns atomic.Int64
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		if conns.Add(1) > 1 {
			answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(nc)
			return
		}
		br := bufio.NewReader(nc)
		http.ReadRequest(br)
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		pushed <- struct{}{}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		pushed <- struct{}{}
		br.ReadByte()
	})})
	roundTrip(p, get("/"))
	<-pushed
	<-pushed
	r := get("/")
	r.Method = "POST"
	if got := roundTrip(p, r); got != `200 whole "ok"` {
		t.Errorf("got %s", got)
	}
}

// trusting makes the pool's idle connections say that they are open.
func trusting(p *Pool) {
	for _, c := range p.http1.conns {
		c.probe = func(uintptr) { c.found = quiet }
	}
}

// The request meets a connection that the backend has just closed: the reset
// that answers it proves that it was not read, so that even a POST goes again.
func TestRepeatWhatWasRefused(t *testing.T) {
	closed := make(chan struct{})
	var conns atomic.Int64
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		if conns.Add(1) > 1 {
			answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(nc)
			return
		}
		http.ReadRequest(bufio.NewReader(nc))
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		nc.Close()
		close(closed)
	})})
	roundTrip(p, get("/"))
	<-closed
	trusting(p)
	r := &Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader("x"), ContentLength: 1, BodyWhole: true}
	if got := roundTrip(p, r); got != `200 whole "ok"` {
		t.Errorf("got %s", got)
	}
}

// A backend that closes only its own direction may still read the request.
func TestNoRepeatAfterHalfClose(t *testing.T) {
	closed := make(chan struct{})
	var requests atomic.Int64
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			if requests.Add(1) == 1 {
				io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				nc.(*net.TCPConn).CloseWrite()
				close(closed)
			}
		}
	})})
	roundTrip(p, get("/"))
	<-closed
	trusting(p)
	r := get("/")
	r.Method = "POST"
	if got := roundTrip(p, r); got != "error reset" {
		t.Errorf("got %s", got)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("backend read %d requests, want 2", n)
	}
}
