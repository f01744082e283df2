package http1

import (
	"fmt"
	"strings"
	"testing"
)

// What is a request, and what it means.
func TestHeadsAccepted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, head, want string }{
		{"a request", "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a?b 1 [{host a}] length 0"},
		{"names in lower case, values as they are", "GET / HTTP/1.1\r\nHOST: A\r\nX-Y: Z\r\n\r\n", "GET / 1 [{host A} {x-y Z}] length 0"},
		{"white space around values", "GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\nY: \r\nZ:z  z\r\n\r\n", "GET / 1 [{host a} {x } {y } {z z  z}] length 0"},
		{"fields of one name stay apart, in order", "GET / HTTP/1.1\r\nX: 1\r\nHost: a\r\nX: 2\r\n\r\n", "GET / 1 [{x 1} {host a} {x 2}] length 0"},
		{"octets beyond ASCII in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\r\n\r\n", "GET / 1 [{host a} {x \xe4\xff}] length 0"},
		{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / 1 [{host }] length 0"},
		{"absolute form", "GET http://a/b HTTP/1.1\r\nHost: c\r\n\r\n", "GET http://a/b 1 [{host c}] length 0"},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * 1 [{host a}] length 0"},
		{"authority form", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT a:1 1 [{host a:1}] length 0"},
		{"any token is a method", "g!~ / HTTP/1.1\r\nHost: a\r\n\r\n", "g!~ / 1 [{host a}] length 0"},
		{"one empty line before it", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 1 [{host a}] length 0"},
		{"a later minor version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", "GET / 1 [{host a}] length 0"},
		{"HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n", "GET / 0 [] length 0 last"},
		{"HTTP/1.0 with a length", "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "POST / 0 [{content-length 3}] length 3 last"},
		{"HTTP/1.0 waits for no 100", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "POST / 0 [{expect 100-continue} {content-length 3}] length 3 last"},
		{"HTTP/1.0 that asks to go on", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / 0 [{connection Keep-Alive}] length 0"},
		{"HTTP/1.0 that asks for both", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / 0 [{connection keep-alive, close}] length 0 last"},
		{"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "GET / 1 [{host a} {connection x, Close}] length 0 last"},
		{"a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc", "POST / 1 [{host a} {content-length 003}] length 3"},
		{"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "POST / 1 [{host a} {transfer-encoding Chunked}] length -1"},
		{"an expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", "POST / 1 [{host a} {expect 100-continue} {content-length 0}] length 0 expects 100-continue"},
		{"two expectations are both there", "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nExpect: 100-continue\r\n\r\n", "GET / 1 [{host a} {expect x} {expect 100-continue}] length 0 expects x, 100-continue"},
		{"200 fields", "GET / HTTP/1.0\r\n" + strings.Repeat("a:\r\n", 200) + "\r\n", "GET / 0 [" + strings.TrimSpace(strings.Repeat("{a } ", 200)) + "] length 0 last"},
		{"64 KiB", pad("GET / HTTP/1.0\r\nX: ", 64<<10, "\r\n\r\n"), "GET / 0 [{x " + strings.Repeat("x", 64<<10-23) + "}] length 0 last"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			bubble(t, Limits{}, func(x *Exchange) {
				got = fmt.Sprintf("%s %s %d %s length %d", x.Method, x.Target, x.minor, pairs(x), x.ContentLength)
				if !x.keep {
					got += " last"
				}
				if x.Expect != "" {
					got += " expects " + x.Expect
				}
				echo(x)
			}, func(c *client) { c.say(tt.head) })
			if got != tt.want {
				t.Errorf("%.300q, want %.300q", got, tt.want)
			}
		})
	}
}

func pairs(x *Exchange) string {
	var s []string
	for _, f := range x.Header {
		s = append(s, "{"+f.Name+" "+f.Value+"}")
	}
	return "[" + strings.Join(s, " ") + "]"
}

// pad is a text of n octets.
func pad(start string, n int, end string) string {
	return start + strings.Repeat("x", n-len(start)-len(end)) + end
}

// What is no request, or one that two readers may take for different ones, is
// refused, and the connection ends: what stands behind it is never read as a
// request.
func TestHeadsRefused(t *testing.T) {
	t.Parallel()
	const line = "POST / HTTP/1.1\r\nHost: a\r\n"
	for _, tt := range []struct{ name, head, want string }{
		// RFC 9112 section 6: where a body ends.
		{"coding beside a length", line + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "400 malformed"},
		{"length beside a coding", line + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400 malformed"},
		{"a length of 0 beside a coding", line + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 malformed"},
		{"a coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "400 malformed"},
		{"another coding", line + "Transfer-Encoding: gzip\r\n\r\n", "400 malformed"},
		{"another coding before chunked", line + "Transfer-Encoding: gzip, chunked\r\n\r\n", "400 malformed"},
		{"another coding in a field of its own", line + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "400 malformed"},
		{"identity", line + "Transfer-Encoding: identity\r\n\r\n", "400 malformed"},
		{"chunked twice", line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400 malformed"},
		{"chunked twice in a list", line + "Transfer-Encoding: chunked, chunked\r\n\r\n", "400 malformed"},
		{"chunked in a list with nothing", line + "Transfer-Encoding: ,chunked\r\n\r\n", "400 malformed"},
		{"chunked with a parameter", line + "Transfer-Encoding: chunked;a=b\r\n\r\n", "400 malformed"},
		{"chunked in quotes", line + "Transfer-Encoding: \"chunked\"\r\n\r\n", "400 malformed"},
		{"chunked with a letter of another alphabet", line + "Transfer-Encoding: chun\u212aed\r\n\r\n", "400 malformed"},
		{"a vertical tab before chunked", line + "Transfer-Encoding: \vchunked\r\n\r\n", "400 malformed"},
		{"no coding named", line + "Transfer-Encoding:\r\n\r\n", "400 malformed"},
		{"differing lengths", line + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "400 malformed"},
		{"the same length twice", line + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", "400 malformed"},
		{"listed lengths", line + "Content-Length: 3, 3\r\n\r\n", "400 malformed"},
		{"a signed length", line + "Content-Length: +3\r\n\r\n", "400 malformed"},
		{"a negative length", line + "Content-Length: -3\r\n\r\n", "400 malformed"},
		{"a hexadecimal length", line + "Content-Length: 0x3\r\n\r\n", "400 malformed"},
		{"a length with underscores", line + "Content-Length: 1_0\r\n\r\n", "400 malformed"},
		{"a length with a space", line + "Content-Length: 1 0\r\n\r\n", "400 malformed"},
		{"no length named", line + "Content-Length:\r\n\r\n", "400 malformed"},
		{"a length of more than 18 digits", line + "Content-Length: 1234567890123456789\r\n\r\n", "400 malformed"},

		// Section 5: field lines.
		{"a folded line", line + "X: a\r\n b\r\n\r\n", "400 malformed"},
		{"a line folded with a tab", line + "X: a\r\n\tb\r\n\r\n", "400 malformed"},
		{"a first line that is folded", "POST / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a line that is but white space", line + " \r\n\r\n", "400 malformed"},
		{"white space behind a name", line + "X : a\r\n\r\n", "400 malformed"},
		{"a tab behind a name", line + "Content-Length\t: 3\r\n\r\n", "400 malformed"},
		{"white space in a name", line + "X Y: a\r\n\r\n", "400 malformed"},
		{"no name", line + ": a\r\n\r\n", "400 malformed"},
		{"no colon", line + "X\r\n\r\n", "400 malformed"},
		{"no token for a name", line + "X(): a\r\n\r\n", "400 malformed"},
		{"a name beyond ASCII", line + "X\xe4: a\r\n\r\n", "400 malformed"},
		{"NUL in a name", line + "X\x00: a\r\n\r\n", "400 malformed"},
		{"NUL in a value", line + "X: a\x00b\r\n\r\n", "400 malformed"},
		{"DEL in a value", line + "X: a\x7fb\r\n\r\n", "400 malformed"},
		{"a bare CR in a value", line + "X: a\rb\r\n\r\n", "400 malformed"},
		{"two CR at the end of a line", line + "X: a\r\r\n\r\n", "400 malformed"},
		{"a bare CR before a name", line + "\rX: a\r\n\r\n", "400 malformed"},
		{"a bare LF behind a field", line + "X: a\n\r\n", "400 malformed"},
		{"a bare LF for the empty line", line + "\n", "400 malformed"},
		{"CR CR LF for the empty line", line + "\r\r\n", "400 malformed"},

		// Section 3: the request line, and the host.
		{"a bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400 malformed"},
		{"a bare CR in the request line", "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a bare CR for a request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", "400 malformed"},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"white space before", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"white space behind", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 malformed"},
		{"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"an empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"no token for a method", "GET@ / HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"no version", "GET /\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a version without its minor", "GET / HTTP/1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"another program's version", "GET / HTTQ/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"HTTP/2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 version"},
		{"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", "505 version"},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 malformed"},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "400 malformed"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400 malformed"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 malformed"},
		{"the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "400 malformed"},
		{"two hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400 malformed"},
		{"two hosts beside absolute form", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 malformed"},
		{"two empty lines before it", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},
		{"a bare LF before it", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 malformed"},

		{"201 fields", "GET / HTTP/1.0\r\n" + strings.Repeat("a:\r\n", 201) + "\r\n", "431 header_list"},
		{"an octet over 64 KiB", pad("GET / HTTP/1.0\r\nX: ", 64<<10+1, "\r\n\r\n"), "431 header_list"},
		{"a line without an end", pad("GET /", 64<<10+1, ""), "431 header_list"},
		{"fields without an end", "GET / HTTP/1.0\r\n" + strings.Repeat("a:\r\n", 17<<10), "431 header_list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, Limits{}, func(x *Exchange) {
				t.Errorf("taken for a request: %s %s %v", x.Method, x.Target, x.Header)
			}, func(c *client) {
				c.say(tt.head + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
				got := c.hear()
				line, _, _ := strings.Cut(got, "\r\n")
				_, status, _ := strings.Cut(line, " ")
				_, body, _ := strings.Cut(got, "\r\n\r\n")
				if got := status[:min(3, len(status))] + " " + body; got != tt.want {
					t.Errorf("answered %q, want %q", got, tt.want)
				}
				if !strings.Contains(got, closeField+"\r\n") {
					t.Errorf("the client is not told that the connection ends: %q", got)
				}
				_ = c.nc.Close()
				c.ended(ClosedProtocol)
			})
		})
	}
}

// A smaller limit than a buffer's size holds too.
func TestHeadLimit(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 101} {
		bubble(t, Limits{MaxHeaderBytes: 100}, echo, func(c *client) {
			c.say(pad("GET / HTTP/1.0\r\nX: ", n, "\r\n\r\n"))
			if got := c.hear(); strings.Contains(got, " 200 ") != (n == 100) {
				t.Errorf("%d octets: %q", n, got)
			}
		})
	}
}
