package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// backend serves each connection with script on a loopback listener.
func backend(t testing.TB, script func(nc net.Conn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				script(nc)
			}()
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// answering reads one request after the other and writes the same bytes to each.
func answering(response string) func(net.Conn) {
	return func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if _, err := io.WriteString(nc, response); err != nil {
				return
			}
		}
	}
}

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func get(path string) *Request {
	return &Request{Method: "GET", Path: path, Host: "a.example"}
}

// answer is a response, as text, the way a table can hold it.
func answer(e *Exchange, err error) string {
	var b strings.Builder
	if err != nil {
		var ue *Error
		if !errors.As(err, &ue) {
			return fmt.Sprintf("not an *Error: %v", err)
		}
		return "error " + ue.Reason
	}
	fmt.Fprintf(&b, "%d", e.Status)
	for _, f := range e.Header {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	var body bytes.Buffer
	if part, ok := e.Whole(); ok {
		body.Write(part)
		b.WriteString(" whole")
	} else if _, err := io.Copy(&body, readerOf{e}); err != nil {
		var ue *Error
		if !errors.As(err, &ue) {
			return fmt.Sprintf("not an *Error: %v", err)
		}
		fmt.Fprintf(&b, " %q error %s", body.String(), ue.Reason)
		return b.String()
	}
	fmt.Fprintf(&b, " %q", body.String())
	for _, f := range e.Trailer() {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	return b.String()
}

type readerOf struct{ e *Exchange }

func (r readerOf) Read(p []byte) (int, error) { return r.e.Read(p) }

func roundTrip(p *Pool, r *Request) string {
	e := p.Start()
	defer e.Close()
	return answer(e, e.Do(r))
}

func TestResponses(t *testing.T) {
	const large = 300 << 10
	tests := []struct {
		name, method, response, want string
		idle                         int // connections kept
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello", `200 x-a=b whole "hello"`, 1},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", `200 whole ""`, 1},
		{"no reason phrase", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", `200 whole ""`, 1},
		{"bare LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 2\nA: b\n\nok", `200 a=b whole "ok"`, 1},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", `200 whole ""`, 1},
		{"head chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", `200 whole ""`, 1},
		{"no content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", `204 whole ""`, 1},
		{"no content with length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", `204 whole ""`, 1},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\netag: x\r\n\r\n", `304 etag=x whole ""`, 1},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", `200 whole "abcde"`, 1},
		{"chunked with trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\nContent-Length: 7\r\n\r\n", `200 trailer=X-T whole "abc" x-t=1`, 1},
		{"many chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 20) + "0\r\nt: u\r\n\r\n", `200 "aaaaaaaaaaaaaaaaaaaa" t=u`, 1},
		{"large", "GET", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", large, strings.Repeat("x", large)), `200 "` + strings.Repeat("x", large) + `"`, 1},
		{"large chunks", "GET", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", 60000, strings.Repeat("x", 60000)), 5)), `200 "` + strings.Repeat("x", large-7200) + `"`, 1},
		{"connection close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", `200 whole "ok"`, 0},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", `200 whole "ok"`, 0},
		{"HTTP/1.0 keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", `200 whole "ok"`, 1},
		{"hop by hop", "GET", "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Connection: a\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok", `200 x-end=2 whole "ok"`, 1},
		{"order and repeats", "GET", "HTTP/1.1 200 OK\r\nSet-Cookie: b\r\nX: 1\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n", `200 set-cookie=b x=1 set-cookie=a whole ""`, 1},
		{"obs-text", "GET", "HTTP/1.1 200 \xff\r\nX: \xe4\r\nContent-Length: 0\r\n\r\n", "200 x=\xe4 whole \"\"", 1},
		{"more than its length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", `200 whole "ok"`, 0},
		{"more than nothing", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", `200 whole ""`, 0},
		{"more than its chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nx", `200 whole "a"`, 0},
		{"interim", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", `200 whole ""`, 1},

		{"no status line", "GET", "hello\r\n\r\n", "error bad_response", 0},
		{"SSH", "GET", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "error bad_response", 0},
		{"HTTP/2 version", "GET", "HTTP/2.0 200 OK\r\n\r\n", "error bad_response", 0},
		{"HTTP/1.2", "GET", "HTTP/1.2 200 OK\r\n\r\n", "error bad_response", 0},
		{"short status", "GET", "HTTP/1.1 20 OK\r\n\r\n", "error bad_response", 0},
		{"long status", "GET", "HTTP/1.1 2000 OK\r\n\r\n", "error bad_response", 0},
		{"status 099", "GET", "HTTP/1.1 099 OK\r\n\r\n", "error bad_response", 0},
		{"two spaces", "GET", "HTTP/1.1  200 OK\r\n\r\n", "error bad_response", 0},
		{"CTL in reason", "GET", "HTTP/1.1 200 O\x00K\r\n\r\n", "error bad_response", 0},
		{"empty name", "GET", "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "error bad_response", 0},
		{"no colon", "GET", "HTTP/1.1 200 OK\r\nabc\r\n\r\n", "error bad_response", 0},
		{"space before colon", "GET", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", "error bad_response", 0},
		{"obs-fold", "GET", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", "error bad_response", 0},
		{"NUL in value", "GET", "HTTP/1.1 200 OK\r\nA: b\x00\r\nContent-Length: 0\r\n\r\n", "error bad_response", 0},
		{"bare CR in value", "GET", "HTTP/1.1 200 OK\r\nA: b\rC: d\r\nContent-Length: 0\r\n\r\n", "error bad_response", 0},
		{"DEL in value", "GET", "HTTP/1.1 200 OK\r\nA: \x7f\r\nContent-Length: 0\r\n\r\n", "error bad_response", 0},
		{"name beyond ASCII", "GET", "HTTP/1.1 200 OK\r\nÄ: b\r\nContent-Length: 0\r\n\r\n", "error bad_response", 0},
		{"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk", "error bad_response", 0},
		{"same length twice", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "error bad_response", 0},
		{"list of lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "error bad_response", 0},
		{"signed length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "error bad_response", 0},
		{"negative length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", "error bad_response", 0},
		{"length overflow", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok", "error bad_response", 0},
		{"empty length", "GET", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", "error bad_response", 0},
		{"length and chunked", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "error bad_response", 0},
		{"gzip, chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "error bad_response", 0},
		{"identity", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nx", "error bad_response", 0},
		{"chunked twice", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "error bad_response", 0},
		{"chunked on HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "error bad_response", 0},
		{"101 not asked for", "GET", "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "error bad_response", 0},
		{"101 without a protocol", "GET", "HTTP/1.1 101 Switching\r\n\r\n", "error bad_response", 0},
		{"chunk size overflow", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"chunk size no hex", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"chunk size signed", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"chunk size 0x", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"chunk size with bare LF", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"chunk size with bare LF, ambiguous", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"chunk too long", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", `200 "a" error bad_response`, 0},
		{"chunk extension flood", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 2000) + "\r\na\r\n0\r\n\r\n", `200 "" error bad_response`, 0},
		{"bad trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\na b: c\r\n\r\n", `200 "a" error bad_response`, 0},
		{"head too large", "GET", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 70000) + "\r\n\r\n", "error head_too_large", 0},
		{"head never ends", "GET", strings.Repeat("HTTP/1.1 200 OK\r\n", 8000), "error head_too_large", 0},
		{"too many fields", "GET", "HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", 501) + "\r\n", "error head_too_large", 0},
		{"trailers too large", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " + strings.Repeat("x", 70000) + "\r\n\r\n", `200 "" error head_too_large`, 0},
		{"interim without end", "GET", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100), "error bad_response", 0},
		{"nearly too large", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + strings.Repeat("x", 65400) + "\r\n\r\n", "200 a=" + strings.Repeat("x", 65400) + ` whole ""`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, Config{})
			p := c.Pool(Target{Addr: backend(t, answering(tt.response))})
			r := get("/")
			r.Method = tt.method
			if got := roundTrip(p, r); got != tt.want {
				t.Errorf("got  %.300s\nwant %.300s", got, tt.want)
			}
			if got := len(p.http1.conns); got != tt.idle {
				t.Errorf("%d connections kept, want %d", got, tt.idle)
			}
		})
	}
}

func TestCloseDelimited(t *testing.T) {
	body := strings.Repeat("x", 20000)
	for _, head := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nA: b\r\n\r\n"} {
		p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
			http.ReadRequest(bufio.NewReader(nc))
			io.WriteString(nc, head+body)
		})})
		if got := roundTrip(p, get("/")); !strings.HasSuffix(got, `"`+body+`"`) {
			t.Errorf("got %.100s", got)
		}
		if len(p.http1.conns) != 0 {
			t.Error("connection kept")
		}
	}
}

func TestKeepAlive(t *testing.T) {
	conns := make(chan struct{}, 10)
	addr := backend(t, func(nc net.Conn) {
		conns <- struct{}{}
		answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(nc)
	})
	p := newClient(t, Config{}).Pool(Target{Addr: addr})
	for range 10 {
		if got := roundTrip(p, get("/")); got != `200 whole "ok"` {
			t.Fatal(got)
		}
	}
	if n := len(conns); n != 1 {
		t.Errorf("%d connections for 10 requests, want 1", n)
	}
	r := get("/")
	r.Fresh = true
	roundTrip(p, r)
	if n := len(conns); n != 2 {
		t.Errorf("a fresh connection was not made")
	}
}

func TestRequests(t *testing.T) {
	chunk := strings.Repeat("0123456789", 10000)
	trailer := func() []hpack.HeaderField {
		return []hpack.HeaderField{{Name: "x-t", Value: "1"}, {Name: "content-length", Value: "3"}, {Name: "bad", Value: "a\r\nb"}}
	}
	tests := []struct {
		name string
		req  Request
		want string // request as net/http reads it
	}{
		{"get", Request{Method: "GET", Path: "/a?b", Header: []hpack.HeaderField{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}}, `GET /a?b h [0] X=1,2 ""`},
		{"cookies", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "cookie", Value: "a=b"}, {Name: "x", Value: "1"}, {Name: "cookie", Value: "c=d"}}}, `GET / h [0] Cookie=a=b; c=d X=1 ""`},
		{"post nothing", Request{Method: "POST", Path: "/"}, `POST / h [0] Content-Length=0 ""`},
		{"post empty", Request{Method: "POST", Path: "/", Body: strings.NewReader("")}, `POST / h [0] Content-Length=0 ""`},
		{"post whole", Request{Method: "POST", Path: "/", Body: strings.NewReader("abc"), ContentLength: 3, BodyWhole: true}, `POST / h [3] Content-Length=3 "abc"`},
		{"post whole of unknown length", Request{Method: "POST", Path: "/", Body: strings.NewReader("abc"), ContentLength: -1, BodyWhole: true}, `POST / h [3] Content-Length=3 "abc"`},
		{"post whole with trailer", Request{Method: "POST", Path: "/", Body: strings.NewReader("abc"), ContentLength: -1, BodyWhole: true, Trailer: trailer}, `POST / h [-1] "abc" X-T=1`},
		{"post whole, 64 KiB", Request{Method: "POST", Path: "/", Body: strings.NewReader(chunk[:65536]), ContentLength: 65536, BodyWhole: true}, `POST / h [65536] Content-Length=65536 "` + chunk[:65536] + `"`},
		{"post whole, large", Request{Method: "POST", Path: "/", Body: strings.NewReader(chunk), ContentLength: 100000, BodyWhole: true}, `POST / h [100000] Content-Length=100000 "` + chunk + `"`},
		{"post whole, large, of unknown length", Request{Method: "POST", Path: "/", Body: strings.NewReader(chunk), ContentLength: -1, BodyWhole: true}, `POST / h [-1] "` + chunk + `"`},
		{"post stream", Request{Method: "POST", Path: "/", Body: strings.NewReader("abc"), ContentLength: 3}, `POST / h [3] Content-Length=3 "abc"`},
		{"post stream chunked", Request{Method: "POST", Path: "/", Body: strings.NewReader(chunk), ContentLength: -1, Trailer: trailer}, `POST / h [-1] "` + chunk + `" X-T=1`},
		{"upgrade", Request{Method: "GET", Path: "/", Upgrade: "websocket"}, `GET / h [0] Connection=upgrade Upgrade=websocket ""`},
		{"options", Request{Method: "OPTIONS", Path: "*"}, `OPTIONS * h [0] ""`},

		{"body short", Request{Method: "POST", Path: "/", Body: strings.NewReader("abc"), ContentLength: 4, BodyWhole: true}, `error body_aborted`},
		{"body long", Request{Method: "POST", Path: "/", Body: strings.NewReader("abcde"), ContentLength: 4, BodyWhole: true}, `error body_aborted`},
		{"stream short", Request{Method: "POST", Path: "/", Body: strings.NewReader("abc"), ContentLength: 4}, `error body_aborted`},
		{"CR LF in path", Request{Method: "GET", Path: "/\r\nX: y"}, `error bad_request`},
		{"space in path", Request{Method: "GET", Path: "/a b"}, `error bad_request`},
		{"absolute-form", Request{Method: "GET", Path: "http://x/"}, `error bad_request`},
		{"empty path", Request{Method: "GET"}, `error bad_request`},
		{"space in method", Request{Method: "GET /x", Path: "/"}, `error bad_request`},
		{"connect", Request{Method: "CONNECT", Path: "/"}, `error bad_request`},
		{"LF in host", Request{Method: "GET", Path: "/", Host: "h\nX: y"}, `error bad_request`},
		{"LF in value", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "x", Value: "a\nb"}}}, `error bad_request`},
		{"NUL in value", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "x", Value: "a\x00"}}}, `error bad_request`},
		{"colon in name", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "x:y", Value: "a"}}}, `error bad_request`},
		{"upper case name", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "Host", Value: "a"}}}, `error bad_request`},
		{"second host", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "host", Value: "a"}}}, `error bad_request`},
		{"content-length from outside", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "content-length", Value: "1"}}}, `error bad_request`},
		{"transfer-encoding from outside", Request{Method: "GET", Path: "/", Header: []hpack.HeaderField{{Name: "transfer-encoding", Value: "chunked"}}}, `error bad_request`},
		{"LF in upgrade", Request{Method: "GET", Path: "/", Upgrade: "a\nb"}, `error bad_request`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan string, 2)
			p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
				br := bufio.NewReader(nc)
				for {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					body, err := io.ReadAll(req.Body)
					if err != nil {
						return
					}
					seen <- requestText(req, body)
					io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})})
			if tt.req.Host == "" {
				tt.req.Host = "h"
			}
			got := roundTrip(p, &tt.req)
			if got == `200 whole ""` {
				got = <-seen
				if len(p.http1.conns) != 1 {
					t.Error("connection not kept")
				}
			} else if len(p.http1.conns) != 0 {
				t.Error("connection kept")
			}
			if got != tt.want {
				t.Errorf("got  %.300s\nwant %.300s", got, tt.want)
			}
		})
	}
}

func requestText(req *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s [%d]", req.Method, req.RequestURI, req.Host, req.ContentLength)
	for _, name := range sortedKeys(req.Header) {
		fmt.Fprintf(&b, " %s=%s", name, strings.Join(req.Header[name], ","))
	}
	fmt.Fprintf(&b, " %q", body)
	for _, name := range sortedKeys(req.Trailer) {
		fmt.Fprintf(&b, " %s=%s", name, strings.Join(req.Trailer[name], ","))
	}
	return b.String()
}
