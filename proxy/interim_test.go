package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// An HTTP/1.1 client that reads no interim response holds up nobody whose
// request goes to the same backend, and is not waited for for ever.
func TestInterimForAClientThatDoesNotRead(t *testing.T) {
	const stall = 3 * time.Second
	link := strings.Repeat("x", 2000)
	var slow atomic.Int64
	b := backendOf(t, hostmap.H2C, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			slow.Add(1)
			w.Header().Set("Link", link)
			for range 30 {
				w.WriteHeader(103)
			}
			w.Header().Del("Link")
		}
	})
	w := newWorld(t, oneSite(t, b), func(c *Config) { c.Limits.StallTimeout = stall })
	nc, err := net.Dial("tcp", w.http)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	// One after the other, until nothing more can be written to it: nearly all
	// of what is written is interim responses.
	const requests = 400
	go func() {
		_, _ = io.WriteString(nc, strings.Repeat("GET /slow HTTP/1.1\r\nHost: a.test\r\n\r\n", requests))
	}()
	tr := w.client(message.HTTP2, "a.test")
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.https)
	}
	stalled := time.Time{}
	for last := int64(-1); ; {
		ctx, cancel := context.WithTimeout(t.Context(), stall/2)
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://a.test/", nil)
		begin := time.Now()
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatalf("held up for %v: %v", time.Since(begin), err)
		}
		_ = resp.Body.Close()
		cancel()
		if n := slow.Load(); n != last {
			last, stalled = n, time.Now()
		}
		if time.Since(stalled) > stall/4 {
			if last == requests {
				t.Fatal("nothing has stalled")
			}
			break
		}
	}
	// What is in the buffers, and then the end.
	_ = nc.SetReadDeadline(time.Now().Add(10 * stall))
	time.Sleep(time.Until(stalled.Add(stall + stall/2))) // the stall limit is the subject
	if _, err := io.Copy(io.Discard, nc); isTimeout(err) {
		t.Error("the connection is still open")
	}
	if n := slow.Load(); n == requests {
		t.Error("the client was waited for")
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// The 100 that a client waits for and an interim response of the backend do not
// get into each other.
func TestContinueBesideAnInterim(t *testing.T) {
	b := tcpBackend(t, "b", func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for line := "x"; strings.TrimSpace(line) != ""; {
			var err error
			if line, err = br.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		_, _ = io.CopyN(io.Discard, br, 5)
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	w := newWorld(t, oneSite(t, b), nil)
	for range 20 {
		nc, err := net.Dial("tcp", w.http)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		br := bufio.NewReader(nc)
		seen := map[int]int{}
		for {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if link := resp.Header.Get("Link"); (resp.StatusCode == 103) != (link == "</a>") {
				t.Errorf("%d with %q", resp.StatusCode, link)
			}
			if seen[resp.StatusCode]++; resp.StatusCode == 100 {
				_, _ = io.WriteString(nc, "hello")
			}
			if resp.StatusCode >= 200 {
				break
			}
		}
		_ = nc.Close()
		if seen[100] != 1 || seen[103] != 1 || seen[200] != 1 {
			t.Errorf("got %v", seen)
		}
	}
}
