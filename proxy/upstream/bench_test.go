package upstream

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// echoHeads answers each request head that arrives, without allocating.
func echoHeads(response string) func(net.Conn) {
	out := []byte(response)
	return func(nc net.Conn) {
		buf, w := make([]byte, 64<<10), 0
		for {
			n, err := nc.Read(buf[w:])
			if err != nil {
				return
			}
			w += n
			for {
				end := bytes.Index(buf[:w], []byte("\r\n\r\n"))
				if end < 0 {
					break
				}
				w = copy(buf, buf[end+4:w])
				if _, err := nc.Write(out); err != nil {
					return
				}
			}
		}
	}
}

const smallResponse = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 103\r\nLast-Modified: Sun, 22 Nov 2026 09:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"637c9c5c-67\"\r\nAccept-Ranges: bytes\r\n\r\n"

func benchRequest() *Request {
	return &Request{Method: "GET", Path: "/index.html", Host: "a.shop.test", Header: []hpack.HeaderField{
		{Name: "user-agent", Value: "h2load nghttp2/1.52.0"},
		{Name: "x-forwarded-for", Value: "127.0.0.1"},
		{Name: "x-forwarded-proto", Value: "https"},
		{Name: "x-forwarded-host", Value: "a.shop.test"},
	}}
}

// target is the endpoint to measure against: BENCH_BACKEND=host:port if that is
// set (another process, pinned to another core), else one in this process.
func target(b *testing.B) netip.AddrPort {
	if addr := os.Getenv("BENCH_BACKEND"); addr != "" {
		return netip.MustParseAddrPort(addr)
	}
	return backend(b, echoHeads(smallResponse+strings.Repeat("x", 103)))
}

// load runs do on n goroutines, b.N times in all, and reports this process's
// CPU time for each.
func load(b *testing.B, n int, do func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e3, "cpu-us/op")
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGet is a small GET, on so many goroutines at once.
func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("upstream/%d", n), func(b *testing.B) {
			p := newClient(b, Config{}).Pool(Target{Addr: target(b)})
			requests := sync.Pool{New: func() any { return benchRequest() }}
			load(b, n, func() error {
				r := requests.Get().(*Request)
				e := p.Start()
				err := e.Do(r)
				if err == nil {
					if _, ok := e.Whole(); !ok {
						_, err = io.Copy(io.Discard, readerOf{e})
					}
				}
				e.Close()
				requests.Put(r)
				return err
			})
		})
		b.Run(fmt.Sprintf("nethttp/%d", n), func(b *testing.B) {
			tr := &http.Transport{MaxIdleConnsPerHost: 2000, DisableCompression: true, ReadBufferSize: 8 << 10}
			defer tr.CloseIdleConnections()
			url := "http://" + target(b).String() + "/index.html"
			load(b, n, func() error {
				req, err := http.NewRequest("GET", url, nil)
				if err != nil {
					return err
				}
				for _, f := range benchRequest().Header {
					req.Header.Set(f.Name, f.Value)
				}
				resp, err := tr.RoundTrip(req)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				return err
			})
		})
	}
}

func BenchmarkParseHead(b *testing.B) {
	var h head
	buf := make([]byte, len(smallResponse))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, smallResponse)
		if _, err := h.parse(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHead(b *testing.B) {
	r := benchRequest()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.check(); err != nil {
			b.Fatal(err)
		}
		buf = r.appendHead(buf[:0], framingNone, 0)
	}
}
