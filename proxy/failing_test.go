package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// An endpoint that hangs up before the first octet of a response costs no request
// that may be sent again, and none that may not is sent twice.
func TestEndpointThatHangsUp(t *testing.T) {
	var bad, good atomic.Int64
	hangsUp := tcpBackend(t, "bad", func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			bad.Add(1)
		}
	}).Endpoints[0]
	answers := backend(t, "good", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { good.Add(1) })).Endpoints[0]
	both := &hostmap.Backend{Namespace: "default", Service: "b", Port: "80", Endpoints: []netip.AddrPort{hangsUp, answers}}
	onBoth(t, oneSite(t, both), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
			for range 2 {
				if a := roundTrip(t, rt, method, "https://a.test/", nil); a.StatusCode != 200 {
					t.Errorf("%s: %d", method, a.StatusCode)
				}
			}
		}
	})
	onBoth(t, oneSite(t, both), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
		bad.Store(0)
		lost := 0
		for range 10 {
			before := bad.Load() + good.Load()
			a := roundTrip(t, rt, "POST", "https://a.test/", func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader([]byte("x"))), 1
			})
			if n := bad.Load() + good.Load() - before; n != 1 {
				t.Errorf("a POST came to endpoints %d times", n)
			}
			if a.StatusCode != 200 {
				lost++
			}
		}
		if lost != 3 || bad.Load() != 3 {
			t.Errorf("%d of 10 POSTs were lost, want 3: then the endpoint rests", lost)
		}
	})
}

// A body of which too much was read to be sent again is for the client to send
// again, which it may, as none of it was processed.
func TestUnprocessedBody(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 200<<10)
	var refused atomic.Int64
	b := &hostmap.Backend{
		Namespace: "default", Service: "b", Port: "80", Protocol: hostmap.H2C,
		Endpoints: []netip.AddrPort{refusingStreams(t, 100_000, &refused), refusingStreams(t, 100_000, &refused)},
	}
	w := newWorld(t, oneSite(t, b), nil)
	request := func(contentType string) *http.Request {
		// Without a length, so that it is not known beforehand to be too large.
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://a.test/", struct{ io.Reader }{bytes.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		return req
	}
	t.Run("http/1.1", func(t *testing.T) {
		refused.Store(0)
		a := w.rawHTTP1("a.test", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+string(body))
		if a.status != "503" || a.header["retry-after"] == "" || refused.Load() != 1 {
			t.Errorf("sent %d times, then %+v; want 503 with Retry-After after one", refused.Load(), a)
		}
	})
	t.Run("h2", func(t *testing.T) {
		for _, contentType := range []string{"text/plain", "application/grpc"} {
			refused.Store(0)
			resp, err := w.h2Client("a.test", nil).RoundTrip(request(contentType))
			var stream http2.StreamError
			if !errors.As(err, &stream) || stream.Code != http2.ErrCodeRefusedStream {
				t.Errorf("%s: %v, %v; want a stream error REFUSED_STREAM", contentType, resp, err)
			}
			if refused.Load() != 1 {
				t.Errorf("%s: sent %d times", contentType, refused.Load())
			}
		}
	})
}
