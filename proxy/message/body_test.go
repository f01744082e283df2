package message_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/message/messagetest"
)

// TestLimitBody: nobody gets more of a body than it may have, however it comes in
// pieces, and one that has just as much is whole.
func TestLimitBody(t *testing.T) {
	for _, tt := range []struct {
		n, limit int
		err      error
	}{
		{0, 10, nil},
		{10, 10, nil},
		{11, 10, message.ErrBodySize},
		{1 << 20, 10, message.ErrBodySize},
		{1 << 20, 0, nil},
	} {
		for name, pieces := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "one by one": iotest.OneByteReader, "end with the data": iotest.DataErrReader,
		} {
			x := &messagetest.Exchange{Body: pieces(strings.NewReader(strings.Repeat("x", tt.n)))}
			r := messagetest.Begin(x, nil, message.Head{ContentLength: -1})
			r.LimitBody(int64(tt.limit))
			got, err := io.Copy(io.Discard, struct{ io.Reader }{r})
			if !errors.Is(err, tt.err) || err == nil && got != int64(tt.n) || err != nil && got > int64(tt.limit) {
				t.Errorf("%d octets of %d, %s: got %d, %v", tt.n, tt.limit, name, got, err)
			}
		}
	}
}

// TestLetGo: what a response waits with is little, and does not keep the rest in
// memory.
func TestLetGo(t *testing.T) {
	long := strings.Repeat("x", 1000)
	r := messagetest.Begin(&messagetest.Exchange{}, nil, message.Head{Method: "GET", Target: "/" + long, Header: []hpack.HeaderField{
		{Name: "cookie", Value: long}, {Name: "user-agent", Value: "a"}, {Name: "user-agent", Value: "b"},
		{Name: "referer", Value: long}, {Name: "content-type", Value: "text/plain"},
	}})
	r.LetGo(100)
	if r.Get("user-agent") != "a" || len(r.Get("referer")) != 100 || r.Get("content-type") != "text/plain" || r.Get("cookie") != "" || len(r.Header) != 3 {
		t.Errorf("%v", r.Header)
	}
	if len(r.Target) != 100 || r.Method != "GET" {
		t.Errorf("%s %d", r.Method, len(r.Target))
	}
}
