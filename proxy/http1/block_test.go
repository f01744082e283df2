package http1

import (
	"strings"
	"testing"
)

// What a Block makes of a response is what Respond makes of its fields, for every
// client.
func TestBlockIsItsFields(t *testing.T) {
	with := fields("content-type", "text/plain", "server", "x", "content-length", "12")
	without := fields("content-type", "application/grpc", "grpc-status", "14")
	more := fields("date", "Sat, 28 Nov 2026 07:00:00 GMT")
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	} {
		for _, c := range []struct {
			head *Block
			body []byte
		}{{NewBlock(421, with...), hello}, {NewBlock(421, without...), nil}, {NewBlock(421, with...), []byte("too short")}} {
			plain := whole(t, request, func(x *Exchange) error {
				return x.Respond(421, append(c.head.fields[:len(c.head.fields):len(c.head.fields)], more...), c.body)
			})
			block := whole(t, request, func(x *Exchange) error { return x.RespondBlock(c.head, more, c.body) })
			if plain != block {
				t.Errorf("%q:\n%q\n%q", request, plain, block)
			}
		}
	}
}

// whole is all that a client reads that sends one request and then waits for the
// end, with the error of the answer behind it.
func whole(t *testing.T, request string, answer func(*Exchange) error) string {
	t.Helper()
	var out strings.Builder
	g := newEngine(func(x *Exchange) {
		if err := answer(x); err != nil {
			out.WriteString("error: " + err.Error())
		}
	})
	_, _ = g.NewConn(&recording{script: script{text: request, n: 1}, out: &out}, Limits{}, nil).Serve()
	return out.String()
}

// recording is a script that keeps what it is told.
type recording struct {
	script
	out *strings.Builder
}

func (r *recording) Write(p []byte) (int, error) { return r.out.Write(p) }
