package http1

import (
	"errors"
	"testing"
)

// How the end of each response is told.
func TestResponses(t *testing.T) {
	t.Parallel()
	respond := func(status int, body string, kv ...string) func(*Exchange) error {
		return func(x *Exchange) error { return x.Respond(status, fields(kv...), []byte(body)) }
	}
	stream := func(status int, body string, kv ...string) func(*Exchange) error {
		return func(x *Exchange) error {
			if err := x.WriteHeader(status, fields(kv...), false); err != nil {
				return err
			}
			for i := range body {
				if _, err := x.Write([]byte(body[i : i+1])); err != nil {
					return err
				}
			}
			return x.WriteEnd(nil)
		}
	}
	none := func(status int, kv ...string) func(*Exchange) error {
		return func(x *Exchange) error { return x.WriteHeader(status, fields(kv...), true) }
	}
	const (
		get11     = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		head      = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
		get10     = "GET / HTTP/1.0\r\n\r\n"
		get10Keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	)
	for _, tt := range []struct {
		name, request string
		respond       func(*Exchange) error
		want          string
		goesOn        bool
		err           error
	}{
		{"whole", get11, respond(200, "ab", "x-y", "z"), "HTTP/1.1 200 OK\r\nX-Y: z\r\nContent-Length: 2\r\n\r\nab", true, nil},
		{"whole with a length", get11, respond(200, "ab", "content-length", "2"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", true, nil},
		{"empty", get11, none(200), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, nil},
		{"unknown status", get11, respond(299, ""), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", true, nil},
		{"length", get11, stream(200, "ab", "content-length", "2"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", true, nil},
		{"two lengths become one", get11, stream(200, "ab", "content-length", "2", "content-length", "3"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", true, nil},
		{"what is no length becomes chunks", get11, stream(200, "a", "content-length", "x"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true, nil},
		{"chunked", get11, stream(200, "ab"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", true, nil},
		{"the last chunk with the end", get11, func(x *Exchange) error {
			_ = x.WriteHeader(200, nil, false)
			_, _ = x.Write(nil) // no chunk: one without data would be the end
			return x.WriteEnd([]byte("ab"))
		}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", true, nil},
		{"trailer", get11, func(x *Exchange) error {
			_ = x.WriteHeader(200, nil, false)
			_, _ = x.Write([]byte("ab"))
			return x.WriteTrailer(fields("x-sum", "1"))
		}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n", true, nil},
		{"trailer behind a length", get11, func(x *Exchange) error {
			_ = x.WriteHeader(200, fields("content-length", "2"), false)
			_, _ = x.Write([]byte("ab"))
			return x.WriteTrailer(fields("x-sum", "1"))
		}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", true, nil},
		{"HEAD", head, respond(200, "ab"), "HTTP/1.1 200 OK\r\n\r\n", true, nil},
		{"HEAD with a length", head, stream(200, "ab", "content-length", "9"), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, nil},
		{"HEAD streamed", head, stream(200, "ab"), "HTTP/1.1 200 OK\r\n\r\n", true, nil},
		{"204", get11, respond(204, "ab", "content-length", "2"), "HTTP/1.1 204 No Content\r\n\r\n", true, nil},
		{"204 streamed", get11, stream(204, "ab"), "HTTP/1.1 204 No Content\r\n\r\n", true, nil},
		{"304", get11, respond(304, "ab", "content-length", "2"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", true, nil},
		{"HTTP/1.0", get10, respond(200, "ab"), "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", false, nil},
		{"HTTP/1.0 goes on", get10Keep, respond(200, "ab"), "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab", true, nil},
		{"HTTP/1.0 of unknown length ends with the connection", get10Keep, stream(200, "ab"), "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nab", false, nil},
		{"HTTP/1.0 ends with the connection", get10, stream(200, "ab"), "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nab", false, nil},
		{"the owner wants the end", get11, func(x *Exchange) error {
			x.SetClose()
			return x.Respond(200, nil, nil)
		}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, nil},

		// What would make a client take content for its next response, or a
		// broken response for a whole one.
		{"content too long", get11, stream(200, "abc", "content-length", "2"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", false, ErrLength},
		{"content too short", get11, stream(200, "a", "content-length", "2"), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", false, ErrLength},
		{"whole content too long", get11, respond(200, "abc", "content-length", "2"), "", false, ErrLength},
		{"whole content too short", get11, respond(200, "a", "content-length", "2"), "", false, ErrLength},
		{"no content, but a length", get11, none(200, "content-length", "2"), "", false, ErrLength},
		{"content before a head", get11, func(x *Exchange) error {
			_, err := x.Write([]byte("a"))
			return err
		}, "", false, ErrResponse},
		{"two responses", get11, func(x *Exchange) error {
			_ = x.Respond(200, nil, nil)
			return x.Respond(200, nil, nil)
		}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, ErrResponse},
		{"content behind the end", get11, func(x *Exchange) error {
			_ = x.Respond(200, nil, nil)
			return x.WriteEnd([]byte("a"))
		}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, ErrResponse},
		{"no response", get11, func(*Exchange) error { return nil }, "", false, nil},
		{"no end", get11, func(x *Exchange) error {
			return x.WriteHeader(200, nil, false)
		}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, nil},
		{"aborted", get11, func(x *Exchange) error {
			_ = x.WriteHeader(200, nil, false)
			x.Abort()
			return x.WriteEnd(nil)
		}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, ErrResponse},

		// Interim responses (RFC 9110 section 15.2).
		{"interim", get11, func(x *Exchange) error {
			_ = x.WriteInterim(100, nil)
			_ = x.WriteInterim(103, fields("link", "a"))
			err := x.Respond(200, nil, nil)
			return errors.Join(err, x.WriteInterim(103, nil)) // too late
		}, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true, nil},
		{"HTTP/1.0 knows no interim", get10, func(x *Exchange) error {
			_ = x.WriteInterim(103, nil)
			return x.Respond(200, nil, nil)
		}, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			bubble(t, Limits{}, func(x *Exchange) {
				n++
				if n > 1 {
					_ = x.Respond(200, nil, []byte("next"))
					return
				}
				if err := tt.respond(x); !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
			}, func(c *client) {
				c.say(tt.request)
				c.expect(tt.want)
				if tt.goesOn {
					c.say(get11)
					c.expect(answer("200 OK", "next"))
					return
				}
				_ = c.nc.Close()
				c.ended(ClosedEnded)
			})
		})
	}
}

// Content larger than any buffer leaves in one piece with its head's length.
func TestLargeResponse(t *testing.T) {
	t.Parallel()
	big := pad("a", 200<<10, "b")
	bubble(t, Limits{}, func(x *Exchange) {
		if x.Target == "/1" {
			_ = x.Respond(200, nil, []byte(big))
			return
		}
		_ = x.WriteHeader(200, nil, false)
		_ = x.WriteEnd([]byte(big))
	}, func(c *client) {
		c.say(get)
		c.expect(answer("200 OK", big))
		c.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
		c.expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n32000\r\n" + big + "\r\n0\r\n\r\n")
	})
}
