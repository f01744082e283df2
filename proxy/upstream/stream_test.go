package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2/hpack"
)

// The backend answers before it has the body, which the client never finishes.
func TestEarlyResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := piped(t, Config{}, func(nc net.Conn) {
			http.ReadRequest(bufio.NewReader(nc))
			io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
			io.Copy(io.Discard, nc)
		})
		body := blocked{make(chan struct{})}
		r := &Request{Method: "POST", Path: "/", Host: "h", Body: body, ContentLength: 1 << 30}
		if got := roundTrip(p, r); got != `413 whole "big"` {
			t.Errorf("got %s", got)
		}
		select {
		case <-body.stop:
		default:
			t.Error("the body was not stopped")
		}
		if len(p.http1.conns) != 0 {
			t.Error("the connection was kept with half a request on it")
		}
	})
}

// The same over TCP, with a body that the backend does not take: an answer must
// come through although the backend closes with bytes unread.
func TestEarlyResponseWhileSending(t *testing.T) {
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		http.ReadRequest(bufio.NewReader(nc))
		io.WriteString(nc, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		nc.(*net.TCPConn).CloseWrite()
		io.CopyN(io.Discard, nc, 64<<20)
	})})
	endless := strings.NewReader(strings.Repeat("x", 32<<20))
	r := &Request{Method: "POST", Path: "/", Host: "h", Body: endless, ContentLength: 32 << 20}
	if got := roundTrip(p, r); got != `403 whole "no"` {
		t.Errorf("got %s", got)
	}
}

// failing gives some bytes and then an error.
type failing struct{ n int }

func (f *failing) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, errors.New("client went away")
	}
	f.n--
	p[0] = 'x'
	return 1, nil
}

// The backend must never take half a body for a whole one.
func TestBodyAborted(t *testing.T) {
	for _, length := range []int64{10, -1} {
		for _, protocol := range []Protocol{HTTP1, H2C, HTTPS} {
			t.Run(fmt.Sprintf("%v/%d", protocol, length), func(t *testing.T) {
				read := make(chan error, 1)
				target := server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
					_, err := io.ReadAll(r.Body)
					read <- err
				})
				p := newClient(t, Config{}).Pool(target)
				r := &Request{Method: "POST", Path: "/", Host: "h", Body: &failing{5}, ContentLength: length}
				if got := roundTrip(p, r); got != "error body_aborted" {
					t.Errorf("got %s", got)
				}
				if err := <-read; err == nil {
					t.Error("the backend saw the end of the body")
				}
			})
		}
	}
}

// echo answers while it reads.
func echo(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex()
	w.WriteHeader(200)
	rc.Flush()
	buf := make([]byte, 4096)
	for {
		n, err := r.Body.Read(buf)
		w.Write(buf[:n])
		rc.Flush()
		if err != nil {
			return
		}
	}
}

// Both bodies at once: each part must come back before the next is sent.
func TestFullDuplex(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2C, HTTPS, GRPC, GRPCS} {
		t.Run(protocol.String(), func(t *testing.T) {
			p := newClient(t, Config{}).Pool(server(t, protocol, echo))
			pr, pw := io.Pipe()
			e := p.Start()
			defer e.Close()
			err := e.Do(&Request{Method: "POST", Path: "/", Host: "h", Body: pr, ContentLength: -1})
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			for i := range 5 {
				part := fmt.Sprintf("part %d", i)
				io.WriteString(pw, part)
				n, err := io.ReadFull(readerOf{e}, buf[:len(part)])
				if got := string(buf[:n]); got != part || err != nil {
					t.Fatalf("got %q, %v", got, err)
				}
			}
			pw.Close()
			if n, err := e.Read(buf); n != 0 || err != io.EOF {
				t.Errorf("got %d, %v at the end", n, err)
			}
		})
	}
}

// A connection on which a whole body was streamed is used again.
func TestStreamedUploadsKeepTheConnection(t *testing.T) {
	var conns atomic.Int64
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		conns.Add(1)
		answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(nc)
	})})
	body := strings.Repeat("x", 200<<10)
	for range 50 {
		r := &Request{Method: "PUT", Path: "/", Host: "h", Body: strings.NewReader(body), ContentLength: int64(len(body))}
		if got := roundTrip(p, r); got != `200 whole ""` {
			t.Fatal(got)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 50 uploads, want 1", n)
	}
}

func TestInterim(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2C, HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			p := newClient(t, Config{}).Pool(server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // sends 100
				w.Header().Set("Link", "</a.css>")
				w.WriteHeader(103)
				w.WriteHeader(200)
			}))
			var seen []string
			r := &Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader("x"), ContentLength: 1,
				Header: []hpack.HeaderField{{Name: "expect", Value: "100-continue"}},
				Interim: func(status int, h []hpack.HeaderField) {
					text := fmt.Sprint(status)
					for _, f := range h {
						text += " " + f.Name + "=" + f.Value
					}
					seen = append(seen, text)
				}}
			e := p.Start()
			defer e.Close()
			if err := e.Do(r); err != nil || e.Status != 200 {
				t.Fatal(e.Status, err)
			}
			if got := strings.Join(seen, ", "); got != "100, 103 link=</a.css>" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestUpgrade(t *testing.T) {
	const answered = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello "
	for _, protocol := range []Protocol{HTTP1, HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			// The backend greets in the segment of its 101, then echoes.
			target := server(t, protocol, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "websocket" {
					w.WriteHeader(400)
					return
				}
				nc, brw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer nc.Close()
				io.WriteString(nc, answered)
				io.Copy(nc, brw)
			})
			p := newClient(t, Config{}).Pool(target)
			r := get("/")
			r.Upgrade = "websocket"
			e := p.Start()
			if err := e.Do(r); err != nil {
				t.Fatal(err)
			}
			if e.Status != 101 || len(e.Header) != 1 || e.Header[0].Name != "sec-websocket-accept" {
				t.Errorf("got %d %v", e.Status, e.Header)
			}
			tunnel := e.Upgraded()
			io.WriteString(tunnel, "world")
			buf := make([]byte, 11)
			if _, err := io.ReadFull(tunnel, buf); err != nil || string(buf) != "hello world" {
				t.Errorf("got %q, %v", buf, err)
			}
			// Cancel ends it, also while a read waits.
			time.AfterFunc(time.Millisecond, e.Cancel)
			if n, err := tunnel.Read(buf); err == nil {
				t.Errorf("read %d bytes of a canceled tunnel", n)
			}
			e.Close()
			if len(p.http1.conns) != 0 {
				t.Error("connection kept")
			}
		})
	}
}

func TestUpgradeRefused(t *testing.T) {
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"))})
	r := get("/")
	r.Upgrade = "websocket"
	e := p.Start()
	defer e.Close()
	if got := answer(e, e.Do(r)); got != `403 whole "no"` || e.Upgraded() != nil {
		t.Errorf("got %s", got)
	}
	p = newClient(t, Config{}).Pool(Target{Addr: backend(t, answering("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"))})
	if got := roundTrip(p, r); got != "error bad_response" {
		t.Errorf("another protocol than asked for: %s", got)
	}
}

// Whatever the segments are, the response is the same.
func TestSegments(t *testing.T) {
	response := "HTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nt: u\r\n\r\n"
	for size := 1; size <= len(response); size++ {
		synctest.Test(t, func(t *testing.T) {
			_, p := piped(t, Config{}, func(nc net.Conn) {
				br := bufio.NewReader(nc)
				for {
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					for rest := response; rest != ""; {
						n := min(size, len(rest))
						io.WriteString(nc, rest[:n])
						rest = rest[n:]
					}
				}
			})
			got := strings.Replace(roundTrip(p, get("/")), "whole ", "", 1)
			if got != `200 x=y "hello world" t=u` {
				t.Errorf("segments of %d: %s", size, got)
			}
			if len(p.http1.conns) != 1 {
				t.Errorf("segments of %d: connection not kept", size)
			}
		})
	}
}
