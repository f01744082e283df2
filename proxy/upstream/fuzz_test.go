package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// recorded is a connection that gives fixed bytes, at most step at a time, and
// keeps what is written to it.
type recorded struct {
	net.Conn
	in   []byte
	step int
	out  *bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error) {
	if len(r.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.in)
	r.in = r.in[n:]
	return n, nil
}
func (r *recorded) Write(p []byte) (int, error)      { return r.out.Write(p) }
func (r *recorded) Close() error                     { return nil }
func (r *recorded) SetDeadline(time.Time) error      { return nil }
func (r *recorded) SetReadDeadline(time.Time) error  { return nil }
func (r *recorded) SetWriteDeadline(time.Time) error { return nil }

// playing returns a pool whose connections give response.
func playing(t testing.TB, response []byte, step int) (*Pool, *bytes.Buffer) {
	out := new(bytes.Buffer)
	c := newClient(t, Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		return &recorded{in: response, step: step, out: out}, nil
	}})
	return c.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80")}), out
}

// received is what became of a response.
type received struct {
	status  int
	header  []hpack.HeaderField
	body    string
	trailer []hpack.HeaderField
	reason  string
	kept    int
}

func receive(t testing.TB, method string, response []byte, step int) received {
	p, _ := playing(t, response, step)
	e := p.Start()
	r := get("/")
	r.Method = method
	err := e.Do(r)
	got := received{status: e.Status, header: slices.Clone(e.Header)}
	if err == nil {
		var body []byte
		body, err = io.ReadAll(wholeOr(e))
		got.body, got.trailer = string(body), slices.Clone(e.Trailer())
	}
	if err != nil {
		var ue *Error
		if !errors.As(err, &ue) {
			t.Fatalf("not an *Error: %v", err)
		}
		got.reason = ue.Reason
		if ue.Reason == "" {
			t.Fatal("an error without reason")
		}
	}
	e.Close()
	got.kept = len(p.http1.conns)
	return got
}

// What this package takes for a response, net/http takes for the same one; the
// segments it comes in make no difference; nothing that could end a line or a
// field is in its fields; and a connection is only kept after a whole response
// with nothing behind it.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		smallResponse + strings.Repeat("x", 103),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nt: u\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 12) + "0\r\n\r\nx",
		"HTTP/1.0 200 OK\r\nConnection: x-a, close\r\nX-A: 1\r\n\r\nuntil the end",
		"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\nA: b\n\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
		"HTTP/1.1 304 \r\nContent-Length: 5\r\nKeep-Alive: timeout=5, max=3\r\n\r\n",
	} {
		f.Add([]byte(seed), false, uint8(7))
	}
	f.Fuzz(func(t *testing.T, response []byte, head bool, step uint8) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		got := receive(t, method, slices.Clone(response), len(response)+1)
		parts := receive(t, method, slices.Clone(response), int(step)+1)
		if got.reason != parts.reason || got.status != parts.status || !slices.Equal(got.header, parts.header) {
			t.Fatalf("whole: %v\nin parts: %v", got, parts)
		}
		if got.reason == "" && (got.body != parts.body || !slices.Equal(got.trailer, parts.trailer)) {
			t.Fatalf("whole: %v\nin parts: %v", got, parts)
		}
		for _, f := range slices.Concat(got.header, got.trailer) {
			if !field.IsName(f.Name) || strings.ContainsAny(f.Value, "\r\n\x00") || framing(f.Name) {
				t.Fatalf("field %q: %q", f.Name, f.Value)
			}
		}
		if got.reason != "" {
			if got.kept != 0 {
				t.Fatal("connection kept after an error")
			}
			return
		}
		compare(t, method, response, got)
	})
}

// compare reads the response with net/http too.
func compare(t *testing.T, method string, response []byte, got received) {
	br := bufio.NewReader(bytes.NewReader(response))
	var resp *http.Response
	for {
		var err error
		if resp, err = http.ReadResponse(br, &http.Request{Method: method}); err != nil {
			t.Fatalf("net/http refuses it: %v\n%v", err, got)
		}
		if resp.StatusCode >= 200 {
			break
		}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("net/http refuses its body: %v\n%v", err, got)
	}
	if resp.StatusCode != got.status || string(body) != got.body {
		t.Fatalf("net/http: %d %q\nhere: %v", resp.StatusCode, body, got)
	}
	for _, field := range got.header {
		name := http.CanonicalHeaderKey(field.Name)
		if name != "Trailer" && !slices.Contains(resp.Header[name], field.Value) {
			t.Fatalf("field %q: %q is not in %v", field.Name, field.Value, resp.Header)
		}
	}
	if _, err := br.ReadByte(); got.kept > 0 && err != io.EOF {
		t.Fatal("connection kept with bytes left on it")
	}
}

// Whatever a request holds, it arrives as one request with just that in it, or
// it is refused.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "a.example", "x-a", "b", "a=b", []byte(nil), uint8(0))
	f.Add("POST", "/a?b=c", "a.example:80", "accept", "*/*", "", []byte("hello"), uint8(1))
	f.Add("POST", "/%2e", "[::1]", "x", "\tb\x80", "c", []byte("hello"), uint8(2))
	f.Add("PUT", "/", "h", "x", "a\r\ncontent-length: 3", "", []byte("0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), uint8(3))
	f.Add("GET / HTTP/1.1\r\n", "/ HTTP/1.1\r\n\r\n", "h\r\nx: y", "x: y\r\nz", "\n", "\r", []byte("x"), uint8(5))
	f.Fuzz(func(t *testing.T, method, path, host, name, value, cookie string, body []byte, how uint8) {
		p, out := playing(t, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 100)
		r := &Request{Method: method, Path: path, Host: host, Header: []hpack.HeaderField{
			{Name: "cookie", Value: "a=b"}, {Name: name, Value: value}, {Name: "cookie", Value: cookie}}}
		if how&1 != 0 {
			r.Body, r.ContentLength = bytes.NewReader(body), int64(len(body))
			r.BodyWhole = how&2 != 0
			if how&4 != 0 {
				r.ContentLength = -1
			}
		} else {
			body = nil
		}
		e := p.Start()
		err := e.Do(r)
		if e.http1.response.sender != nil {
			<-e.http1.response.sender.done
		}
		e.Close()
		if err != nil {
			var ue *Error
			if !errors.As(err, &ue) || ue.Reason != ReasonBadRequest || out.Len() > 0 {
				t.Fatalf("%v, %q written", err, out)
			}
			return
		}
		written := out.Bytes()
		head, _, _ := bytes.Cut(written, []byte("\r\n\r\n"))
		lines := strings.Split(string(head), "\r\n")
		if lines[0] != method+" "+path+" HTTP/1.1" || lines[1] != "host: "+host || strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
			t.Fatalf("head is %q", head)
		}
		br := bufio.NewReader(bytes.NewReader(written))
		req, err := http.ReadRequest(br)
		if err != nil {
			// net/http wants a path and a host that it can take apart.
			if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "malformed Host") {
				return
			}
			t.Fatalf("%v: %q", err, written)
		}
		got, err := io.ReadAll(req.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("body %q, %v: %q", got, err, written)
		}
		if br.Buffered() > 0 {
			t.Fatalf("more than one request: %q", written)
		}
		if key := http.CanonicalHeaderKey(name); name != "cookie" && name != "pragma" && name != "trailer" &&
			req.Header.Get(key) != strings.Trim(value, " \t") {
			t.Fatalf("field %q is %q: %q", name, req.Header.Get(key), written)
		}
	})
}
