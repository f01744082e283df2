package http1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A body comes out the same however it is cut into writes.
func TestBodySplit(t *testing.T) {
	t.Parallel()
	const (
		length  = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
		chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n006 ;a=\"b\"\r\n world\r\n0\r\nX-Sum: 1\r\nY:\t2 \r\n\r\n"
	)
	for _, tt := range []struct{ name, message, trailer string }{
		{"length", length, "[]"},
		{"chunked", chunked, "[{x-sum 1} {y 2}]"},
	} {
		for i := 1; i <= len(tt.message); i++ {
			trailer := ""
			bubble(t, Limits{}, func(x *Exchange) {
				echo(x)
				trailer = "["
				for n, f := range x.Trailer() {
					trailer += strings.Repeat(" ", min(n, 1)) + "{" + f.Name + " " + f.Value + "}"
				}
				trailer += "]"
			}, func(c *client) {
				c.say(tt.message[:i])
				c.say(tt.message[i:])
				if got := c.hear(); !strings.HasSuffix(got, "\r\n\r\nPOST / hello world") {
					t.Errorf("%s, split at %d: %q", tt.name, i, got)
				}
			})
			if trailer != tt.trailer {
				t.Errorf("%s, split at %d: trailer %s", tt.name, i, trailer)
			}
		}
	}
}

// A message whose chunks can be read in two ways is not read to its end, and no
// octet behind the fault is taken for content.
func TestChunksRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<10)
	for _, tt := range []struct{ name, chunks, content string }{
		{"no size", "\r\nabc\r\n0\r\n\r\n", ""},
		{"no hexadecimal size", "g\r\n", ""},
		{"a prefixed size", "0x3\r\nabc\r\n0\r\n\r\n", ""},
		{"a signed size", "+3\r\nabc\r\n0\r\n\r\n", ""},
		{"a negative size", "-1\r\n", ""},
		{"white space before a size", " 3\r\nabc\r\n0\r\n\r\n", ""},
		{"white space behind a size", "3 \r\nabc\r\n0\r\n\r\n", ""},
		{"white space behind the last size", "3\r\nabc\r\n0\t\r\n\r\n", "abc"},
		{"white space in a size", "1 0\r\n", ""},
		{"an underscore in a size", "1_0\r\n", ""},
		{"a size of 16 digits", "0000000000000003\r\nabc\r\n0\r\n\r\n", ""},
		{"a size that wraps around", "10000000000000003\r\nabc\r\n0\r\n\r\n", ""},
		{"a bare LF behind a size", "3\nabc\r\n0\r\n\r\n", ""},
		{"a bare CR behind a size", "3\rabc\r\n0\r\n\r\n", ""},
		{"a bare CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n", ""},
		{"a bare LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n", ""},
		{"NUL in an extension", "3;a\x00\r\nabc\r\n0\r\n\r\n", ""},
		{"a long extension", "3;" + long + "\r\nabc\r\n0\r\n\r\n", ""},
		{"more extensions than data", strings.Repeat("1;"+long[:1000]+"\r\na\r\n", 20), strings.Repeat("a", 16)},
		{"a bare LF behind data", "3\r\nabc\n0\r\n\r\n", "abc"},
		{"nothing behind data", "3\r\nabc0\r\n\r\n", "abc"},
		{"more data than its size", "3\r\nabcd\r\n0\r\n\r\n", "abc"},
		{"a bare LF at the end", "0\r\n\n", ""},
		{"a bare CR at the end", "0\r\n\r\r\n", ""},
		{"a folded trailer", "0\r\nX: a\r\n b\r\n\r\n", ""},
		{"a trailer without a colon", "0\r\nGET / HTTP/1.1\r\n\r\n", ""},
		{"white space behind a trailer's name", "0\r\nX : a\r\n\r\n", ""},
		{"a bare LF behind a trailer", "0\r\nX: a\n\r\n", ""},
		{"NUL in a trailer", "0\r\nX: \x00\r\n\r\n", ""},
		{"201 trailer fields", "0\r\n" + strings.Repeat("a:\r\n", 201) + "\r\n", ""},
		{"a long trailer", "0\r\n" + pad("X: ", 64<<10+1, "\r\n\r\n"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var content []byte
			var err, again error
			bubble(t, Limits{}, func(x *Exchange) {
				if x.Target != "/body" {
					t.Errorf("smuggled: %s %s", x.Method, x.Target)
				}
				content, err = io.ReadAll(x)
				_, again = x.Read(make([]byte, 1))
				_ = x.Respond(400, nil, nil)
			}, func(c *client) {
				c.say("POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + tt.chunks + get)
				c.expect("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			})
			if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("read to %v", err)
			}
			if again != err {
				t.Errorf("reading on: %v, was %v", again, err)
			}
			if string(content) != tt.content {
				t.Errorf("content %q, want %q", content, tt.content)
			}
		})
	}
}

// A client that leaves in the middle of a body has not sent all of it.
func TestBodyCutShort(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"Content-Length: 9\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n9\r\nx",
		"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n",
	} {
		var err error
		bubble(t, Limits{}, func(x *Exchange) {
			_, err = io.ReadAll(x)
			x.Abort()
		}, func(c *client) {
			c.say("POST / HTTP/1.1\r\nHost: a\r\n" + body)
			_ = c.nc.Close()
			c.ended(ClosedEnded)
		})
		if err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// No octet behind a body belongs to it, and what stands there is the next
// request; content that nobody read and that is here is passed over.
func TestNextRequestBehindABody(t *testing.T) {
	t.Parallel()
	for _, read := range []bool{true, false} {
		n := 0
		bubble(t, Limits{}, func(x *Exchange) {
			n++
			if x.Target == "/1" && !read {
				if !x.Whole() {
					t.Error("the body is not whole")
				}
				_ = x.Respond(200, nil, []byte("unread"))
				if _, err := x.Read(make([]byte, 9)); err != ErrReadStopped && err != io.EOF {
					t.Errorf("reading behind the answer: %v", err)
				}
				return
			}
			echo(x)
		}, func(c *client) {
			c.say("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nefgh")
			first := "POST /1 abc"
			if !read {
				first = "unread"
			}
			c.expect(answer("200 OK", first) + answer("200 OK", "POST /2 efgh"))
		})
		if n != 2 {
			t.Errorf("%d requests", n)
		}
	}
}

// A connection goes on behind a body in chunks that every reader sees end in the
// same place, and behind no other.
func TestBehindChunks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fields, chunks string
		goes           bool
	}{
		"plain":                      {"", "1\r\nx\r\n0\r\n\r\n", true},
		"with trailer fields":        {"", "1\r\nx\r\n0\r\nA: b\r\n\r\n", true},
		"empty":                      {"", "0\r\n\r\n", true},
		"an extension":               {"", "1;a=b\r\nx\r\n0\r\n\r\n", false},
		"an extension at the end":    {"", "1\r\nx\r\n0;a\r\n\r\n", false},
		"zeros before a size":        {"", "01\r\nx\r\n0\r\n\r\n", false},
		"many zeros at the end":      {"", "1\r\nx\r\n000\r\n\r\n", false},
		"a name like another coding": {"Transfer_Encoding: x\r\n", "1\r\nx\r\n0\r\n\r\n", false},
		"a name like a length":       {"Content_Length: 5\r\n", "1\r\nx\r\n0\r\n\r\n", false},
		"another name":               {"X_Y: 5\r\n", "1\r\nx\r\n0\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := "x"
			if !strings.Contains(tt.chunks, "x") {
				content = ""
			}
			bubble(t, Limits{}, echo, func(c *client) {
				c.say("POST /1 HTTP/1.1\r\nHost: a\r\n" + tt.fields + "Transfer-Encoding: chunked\r\n\r\n" + tt.chunks + get)
				if tt.goes {
					c.expect(answer("200 OK", "POST /1 "+content) + answer("200 OK", "GET /1 "))
					return
				}
				c.expect(answer("200 OK", "POST /1 "+content, closeField))
				_ = c.nc.Close()
				c.ended(ClosedEnded)
			})
		})
	}
}

// A client waits with its content until its owner reads.
func TestBodyPressure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		read := make(chan bool)
		c := dial(t, Limits{}, func(x *Exchange) {
			<-read
			echo(x)
		})
		sent := 0
		go func() {
			const body = 1 << 20
			_, _ = fmt.Fprintf(c.nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", body)
			for range body / 1024 {
				n, _ := c.nc.Write(make([]byte, 1024))
				sent += n
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if sent > smallBuffer {
			t.Errorf("%d octets were taken that nobody has read", sent)
		}
		close(read)
		if got := c.hear(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("answered %.100q", got)
		}
		_ = c.nc.Close()
	})
}

// StopRead ends a Read that waits, and those after it.
func TestStopRead(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		var first, second error
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, first = io.ReadAll(x)
			_, second = x.Read(make([]byte, 1))
		}()
		time.Sleep(time.Second)
		x.StopRead()
		<-done
		if first != ErrReadStopped || second != ErrReadStopped {
			t.Errorf("%v and %v", first, second)
		}
		_ = x.Respond(200, nil, nil)
	}, func(c *client) {
		c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
		time.Sleep(time.Second)
		c.expect(answer("200 OK", "", closeField))
	})
}

// StopRead that comes when all was read does the next request no harm.
func TestStopReadTooLate(t *testing.T) {
	t.Parallel()
	bubble(t, Limits{}, func(x *Exchange) {
		echo(x)
		x.StopRead()
	}, func(c *client) {
		for range 3 {
			c.say("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
			c.expect(answer("200 OK", "POST /1 abc"))
			time.Sleep(time.Second)
		}
	})
}
