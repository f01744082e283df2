package message_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
)

// said is a request line, or what stands for it in HTTP/2, and one field.
type said struct{ method, target, name, value string }

// understood is what an engine makes of it: refused, or the same four.
type understood struct {
	refused bool
	said
}

func fieldOf(h []hpack.HeaderField, skip string) (name, value string) {
	for _, f := range h {
		if f.Name != "host" && f.Name != skip || f.Name == "host" && f.Value != "a.test" {
			name, value = f.Name, f.Value
		}
	}
	return name, value
}

func byHTTP1(s said) (u understood) {
	u.refused = true
	g := &http1.Engine{
		Handle: func(x *http1.Exchange) {
			u = understood{said: said{method: x.Method, target: x.Target}}
			u.name, u.value = fieldOf(x.Header, "x-last")
			x.Abort()
		},
		Refuse: func(x *http1.Exchange, _ int, _ string) { x.Abort() },
	}
	there, here := net.Pipe()
	go func() {
		_, _ = io.WriteString(here, s.method+" "+s.target+" HTTP/1.1\r\nHost: a.test\r\n"+s.name+":"+s.value+"\r\nX-Last: y\r\n\r\n")
		_, _ = io.Copy(io.Discard, here)
	}()
	_, _ = g.NewConn(there, http1.Limits{}, nil).Serve()
	_ = here.Close()
	return u
}

func byHTTP2(s said) (u understood) {
	u.refused = true
	g := &h2.Engine{
		Admit: func(st *h2.Stream) bool {
			u = understood{said: said{method: st.Method, target: st.Path}}
			u.name, u.value = fieldOf(st.Header, "")
			_ = st.Conn().Close()
			return true
		},
		Refuse: func(st *h2.Stream, _ int, _ string) { _ = st.Conn().Close() },
		Cut:    func(c *h2.Conn, _ string) { _ = c.Close() },
	}
	var out, block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: s.method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "a.test"},
		{Name: ":path", Value: s.target}, {Name: s.name, Value: s.value},
	} {
		_ = enc.WriteField(f)
	}
	out.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&out, nil)
	_ = fr.WriteSettings()
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	there, here := net.Pipe()
	go func() {
		_, _ = here.Write(out.Bytes())
		_ = here.Close()
	}()
	go func() { _, _ = io.Copy(io.Discard, here) }()
	_, _ = g.NewConn(there, h2.Limits{}, nil).Serve()
	return u
}

// sayable tells whether both protocols can say this, and leave it to their
// engine to judge. What they differ in by design:
//
//   - Lines end fields in HTTP/1.1, and a colon names. HTTP/2 refuses those octets
//     where they would be taken for more.
//   - HTTP/1.1 has fields for the connection, which HTTP/2 refuses (RFC 9113 section
//     8.2.2), and te with more than trailers. Transfer-Encoding is judged by rules
//     of its own.
//   - Names are in lower case in HTTP/2, and white space around a value is none of
//     it: HTTP/2 refuses both, HTTP/1.1 mends them, as it must (RFC 9110 sections
//     5.1 and 5.5).
//   - A target in another form than a path is for the owner of HTTP/1.1, who cuts
//     the authority off; "*" and CONNECT have rules of their own in HTTP/2.
//   - A fragment is refused by the engine of HTTP/1.1, and by the owner in HTTP/2.
//   - A second host is refused by the engine of HTTP/1.1, and compared with the
//     authority by the owner in HTTP/2.
func (s said) sayable() bool {
	own := []string{"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te", "host", "x-last"}
	return !strings.ContainsAny(s.method+s.target+s.name+s.value, "\r\n") && !strings.Contains(s.name, ":") &&
		!slices.Contains(own, strings.ToLower(s.name)) && s.method != "CONNECT" && s.method != "PRI" &&
		(s.target == "" || s.target[0] == '/') && !strings.Contains(s.target, "#")
}

// What a request and its fields may say is the same in both protocols: neither is
// the laxer way in.
func FuzzBothProtocolsReadTheSame(f *testing.F) {
	for _, s := range []said{
		{"GET", "/", "x-y", "z"}, {"GET", "/a?b=c", "Cookie", "a=b; c=d"}, {"g!~", "/%00", "x", ""}, {"POST", "/", "content-length", "3"},
		{"POST", "/", "content-length", "3, 3"}, {"POST", "/", "content-length", "+3"}, {"POST", "/", "content-length", "03"}, {"POST", "/", "Content-Length", " 3\t"},
		{"GET", "/", "x y", "z"}, {"GET", "/", "x", "a\x00b"}, {"GET", "/", "x", "a\x7fb"}, {"GET", "/", "x", "a\tb"}, {"GET", "/", "x", "\xe4"}, {"GET", "/", "x\xe4", "a"},
		{"GET", "/", "", "a"}, {"GET", "/", "x ", "a"}, {"GET", "/", " x", "a"}, {"G T", "/", "x", "a"}, {"", "/", "x", "a"}, {"GET", "", "x", "a"}, {"GET", "/a b", "x", "a"},
		{"GET", "/\x80", "x", "a"}, {"GET", "/\t", "x", "a"}, {"GET", "/", "expect", "x"}, {"GET", "/", "priority", "u=9"}, {"GET", "/", "content_length", "9"},
	} {
		f.Add(s.method, s.target, s.name, s.value)
	}
	f.Fuzz(func(t *testing.T, method, target, name, value string) {
		s := said{method, target, name, value}
		if len(method)+len(target)+len(name)+len(value) > 2000 || !s.sayable() {
			return
		}
		plain := s
		plain.name, plain.value = asciiLower(name), field.Trim(value)
		one, two := byHTTP1(s), byHTTP2(plain)
		if one != two {
			t.Fatalf("%+q\nHTTP/1.1 reads %+v\nHTTP/2 reads   %+v", s, one, two)
		}
		if !one.refused && one.said != plain {
			t.Fatalf("%+q is read as %+q", plain, one.said)
		}
		if plain != s && !byHTTP2(s).refused {
			t.Fatalf("HTTP/2 takes %+q", s)
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
