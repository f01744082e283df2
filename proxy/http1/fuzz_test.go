package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// cut is a script whose client sends in pieces, each as long as the next octet
// of sizes says.
type cut struct {
	script
	sizes []byte
	i     int
}

func (c *cut) Read(p []byte) (int, error) {
	if len(c.sizes) > 0 {
		p = p[:min(len(p), 1+int(c.sizes[c.i%len(c.sizes)]))]
		c.i++
	}
	return c.script.Read(p)
}

// reading is one message as it is read.
type reading struct {
	Method, Target, Expect string
	Minor                  int
	Fields                 []string
	Length                 int64
	Body, Trailer          string
	Broken                 bool // the body has no end
	Last                   bool // nothing is read behind it
}

// read returns the requests in some octets, and the status that refuses what
// stands behind them, 0 for none.
func read(data, sizes []byte) (all []reading, refused int) {
	g := &Engine{
		Refuse: func(x *Exchange, status int, _ string) {
			refused = status
			_ = x.Respond(status, nil, nil)
		},
	}
	g.Handle = func(x *Exchange) {
		r := reading{Method: x.Method, Target: x.Target, Expect: x.Expect, Minor: x.minor, Length: x.ContentLength}
		for _, f := range x.Header {
			r.Fields = append(r.Fields, f.Name+": "+f.Value)
		}
		body, err := io.ReadAll(x)
		r.Body, r.Broken = string(body), err != nil
		for _, f := range x.Trailer() {
			r.Trailer += f.Name + ": " + f.Value + "\r\n"
		}
		_ = x.Respond(200, nil, nil)
		r.Last = !x.keep
		all = append(all, r)
	}
	nc := &cut{script{text: string(data), n: 1}, sizes, 0}
	if len(data) == 0 {
		nc.n = 0
	}
	g.NewConn(nc, Limits{}, nil).Serve()
	return all, refused
}

func seeds(f *testing.F, add func([]byte)) {
	for _, s := range []string{
		get, get + get, browserGet, upgrade,
		"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + get,
		"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nA: b\r\n\r\n" + get,
		"POST /1 HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
		"GET http://a/b?c HTTP/1.1\r\nHost: d\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
	} {
		add([]byte(s))
	}
}

// Octets mean the same in one piece and in any pieces.
func FuzzSplit(f *testing.F) {
	seeds(f, func(b []byte) {
		f.Add(b, []byte{0})
		f.Add(b, []byte{3, 9, 60})
	})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		whole, refused := read(data, nil)
		pieces, refusedToo := read(data, sizes)
		if got, want := fmt.Sprintf("%+v", pieces), fmt.Sprintf("%+v", whole); got != want || refused != refusedToo {
			t.Errorf("%q\nin one piece %s, refused with %d\nin pieces    %s, refused with %d", data, want, refused, got, refusedToo)
		}
	})
}

// What we take for a request is one to net/http too, and says the same. We
// refuse more than net/http does, and that is no difference to look for. Where
// net/http refuses what we accept, it is for one of these reasons:
//
//   - It parses the target as a URL. We hand it to the owner as it is, who
//     refuses what is no path in its own way, with a word for the reason.
//   - It takes a content-length beside a Trailer, or a field that Trailer may
//     not name, for a fault. Both are the owner's, who drops the field.
//   - It checks the octets of a host. The owner does, with 421 or 400.
//   - It knows PRI only with the rest of HTTP/2's preface.
//   - It passes over no empty line before a request, as RFC 9112 section 2.2
//     asks of servers. We pass over one.
func FuzzAgainstNetHTTP(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) {
		all, _ := read(data, nil)
		br := bufio.NewReaderSize(bytes.NewReader(data), 128<<10)
		for _, ours := range all {
			if start, _ := br.Peek(2); string(start) == "\r\n" {
				_, _ = br.Discard(2)
			}
			theirs, err := http.ReadRequest(br)
			if err != nil {
				if justified(ours, err) {
					return
				}
				t.Fatalf("%q\nwe read %+v, net/http says %v", data, ours, err)
			}
			compare(t, data, ours, theirs)
			body, err := io.ReadAll(theirs.Body)
			if !ours.Broken {
				if err != nil || string(body) != ours.Body {
					t.Fatalf("%q\nwe read the content %q, net/http %q, %v", data, ours.Body, body, err)
				}
			}
			if ours.Last {
				return
			}
		}
	})
}

func justified(r reading, err error) bool {
	msg := err.Error()
	return strings.Contains(msg, "parse \"") || strings.Contains(msg, "invalid URI") || strings.Contains(msg, "invalid URL port") ||
		strings.Contains(msg, "bad trailer key") || strings.Contains(msg, "malformed Host header") || r.Method == "PRI"
}

func compare(t *testing.T, data []byte, ours reading, theirs *http.Request) {
	t.Helper()
	if ours.Method != theirs.Method || ours.Target != theirs.RequestURI {
		t.Fatalf("%q\nwe read %s %s, net/http %s %s", data, ours.Method, ours.Target, theirs.Method, theirs.RequestURI)
	}
	if ours.Length != theirs.ContentLength {
		t.Fatalf("%q\nwe read a length of %d, net/http %d", data, ours.Length, theirs.ContentLength)
	}
	if theirs.ProtoMajor != 1 || ours.Minor != min(theirs.ProtoMinor, 1) {
		t.Fatalf("%q\nwe read HTTP/1.%d, net/http %s", data, ours.Minor, theirs.Proto)
	}
	// net/http takes Host, Transfer-Encoding and Trailer out of its map, and
	// adds Cache-Control for Pragma.
	taken := []string{"host", "transfer-encoding", "trailer"}
	fields := map[string][]string{}
	for _, f := range ours.Fields {
		name, value, _ := strings.Cut(f, ": ")
		if !slices.Contains(taken, name) {
			name = textproto.CanonicalMIMEHeaderKey(name)
			fields[name] = append(fields[name], value)
		}
		if name == "host" && !strings.Contains(ours.Target, "//") && ours.Method != "CONNECT" && value != theirs.Host {
			t.Fatalf("%q\nwe read the host %q, net/http %q", data, value, theirs.Host)
		}
	}
	header := maps.Clone(map[string][]string(theirs.Header))
	if header["Pragma"] != nil && fields["Cache-Control"] == nil {
		delete(header, "Cache-Control")
	}
	if !maps.EqualFunc(fields, header, slices.Equal) {
		t.Fatalf("%q\nwe read %q, net/http %q", data, fields, header)
	}
}

// A body in chunks that we read to its end is the same to net/http, but for one
// with white space before an extension: RFC 9110 section 5.6.3 has a recipient
// pass it over (RFC 9112 section 7.1.1), net/http refuses it.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "003 ; a=b;c\r\nabc\r\n1\r\nd\r\n0;x\r\nA: b\r\nC:\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n0",
		"3\nabc\n0\n\n", "3 \r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "3\r\nabcd\r\n0\r\n\r\n", "0\r\n A: b\r\n\r\n",
	} {
		f.Add([]byte(s), []byte{1, 40})
	}
	f.Fuzz(func(t *testing.T, chunks, sizes []byte) {
		const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		all, _ := read(append([]byte(head), chunks...), sizes)
		if len(all) != 1 {
			t.Fatalf("%d requests", len(all))
		}
		ours := all[0]
		br := bufio.NewReaderSize(bytes.NewReader(chunks), 128<<10)
		body, err := io.ReadAll(httputil.NewChunkedReader(br))
		if ours.Broken {
			if err == nil && !bytes.HasPrefix(body, []byte(ours.Body)) {
				t.Fatalf("%q\nbefore the fault we read %q, net/http %q", chunks, ours.Body, body)
			}
			return
		}
		if err != nil && (bytes.Contains(chunks, []byte(" ;")) || bytes.Contains(chunks, []byte("\t;"))) {
			return
		}
		if err != nil || string(body) != ours.Body {
			t.Fatalf("%q\nwe read %q, net/http %q, %v", chunks, ours.Body, body, err)
		}
		trailer, err := textproto.NewReader(br).ReadMIMEHeader()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%q\nwe read the trailer %q, net/http says %v", chunks, ours.Trailer, err)
		}
		want := map[string][]string{}
		for line := range strings.SplitSeq(strings.TrimSuffix(ours.Trailer, "\r\n"), "\r\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				name = textproto.CanonicalMIMEHeaderKey(name)
				want[name] = append(want[name], value)
			}
		}
		if !maps.EqualFunc(want, trailer, slices.Equal) {
			t.Fatalf("%q\nwe read the trailer %q, net/http %q", chunks, want, trailer)
		}
	})
}
