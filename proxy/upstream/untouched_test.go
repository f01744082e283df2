package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// asked counts the Reads of a body.
type asked struct {
	io.Reader
	n atomic.Int64
}

func (b *asked) Read(p []byte) (int, error) {
	b.n.Add(1)
	return b.Reader.Read(p)
}

// A body is not read before there is somebody to send it to.
func TestBodyUntouchedWithoutConnection(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2C, HTTPS} {
		for _, shape := range []struct {
			name   string
			length int64
			whole  bool
		}{{"whole", 4, true}, {"whole, unknown length", -1, true}, {"stream", 4, false}, {"chunked", -1, false}} {
			p := newClient(t, Config{Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("nobody there")
			}}).Pool(Target{Addr: backend(t, func(net.Conn) {}), Protocol: protocol})
			body := &asked{Reader: strings.NewReader("body")}
			e := p.Start()
			err := e.Do(&Request{Method: "POST", Path: "/", Host: "h", Body: body, ContentLength: shape.length, BodyWhole: shape.whole})
			e.Close()
			var ue *Error
			if !errors.As(err, &ue) || ue.Reason != ReasonConnect || ue.Sent || ue.BodyRead || body.n.Load() != 0 {
				t.Errorf("%s, %s: %+v after %d reads", protocol, shape.name, ue, body.n.Load())
			}
		}
	}
}

// A repetition that finds nobody leaves a body behind that is not whole.
func TestBodyReadBeforeRepetition(t *testing.T) {
	for _, length := range []int64{1, -1} {
		addr := backend(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		var dials atomic.Int64
		p := newClient(t, Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials.Add(1) > 1 {
				return nil, errors.New("nobody there")
			}
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &deaf{Conn: nc}, err
		}}).Pool(Target{Addr: addr})
		if got := roundTrip(p, get("/")); got != `200 whole ""` {
			t.Fatal(got)
		}
		p.http1.conns[0].nc.(*deaf).now.Store(true)
		e := p.Start()
		err := e.Do(&Request{Method: "POST", Path: "/", Host: "h", Body: strings.NewReader("x"), ContentLength: length, BodyWhole: true})
		e.Close()
		var ue *Error
		if !errors.As(err, &ue) || ue.Reason != ReasonConnect || !ue.BodyRead || ue.Sent {
			t.Errorf("length %d: %+v", length, ue)
		}
	}
}

// deaf takes nothing when it is told to.
type deaf struct {
	net.Conn
	now atomic.Bool
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.now.Load() {
		return 0, errors.New("broken pipe")
	}
	return d.Conn.Write(p)
}
