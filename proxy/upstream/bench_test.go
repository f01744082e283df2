package upstream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
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

// BenchmarkGetH2 is a small GET over HTTP/2, on so many goroutines at once. The
// backend answers in frames that it has made before, and allocates nothing.
func BenchmarkGetH2(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			p := newClient(b, Config{}).Pool(Target{Addr: backend(b, echoFrames), Protocol: H2C})
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
	}
}

// echoFrames answers each HEADERS frame with the head and body of one response,
// whose fields are in the dynamic table from the first on.
func echoFrames(nc net.Conn) {
	br := bufio.NewReaderSize(nc, 64<<10)
	if _, err := br.Discard(len(http2.ClientPreface)); err != nil {
		return
	}
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	block := func() []byte {
		head.Reset()
		_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
		_ = enc.WriteField(hpack.HeaderField{Name: "content-type", Value: "text/plain"})
		_ = enc.WriteField(hpack.HeaderField{Name: "content-length", Value: "103"})
		_ = enc.WriteField(hpack.HeaderField{Name: "etag", Value: "637c9c5c-67"})
		return head.Bytes()
	}
	body := bytes.Repeat([]byte("x"), 103)
	out := bufio.NewWriterSize(nc, 64<<10)
	fr := http2.NewFramer(out, nil)
	_ = fr.WriteSettings()
	var header [9]byte
	for {
		if br.Buffered() == 0 && out.Flush() != nil {
			return
		}
		if _, err := io.ReadFull(br, header[:]); err != nil {
			return
		}
		if _, err := br.Discard(int(header[0])<<16 | int(header[1])<<8 | int(header[2])); err != nil {
			return
		}
		if http2.FrameType(header[3]) == http2.FrameHeaders {
			id := binary.BigEndian.Uint32(header[5:])
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block(), EndHeaders: true})
			_ = fr.WriteData(id, true, body)
		}
	}
}

func BenchmarkParseHead(b *testing.B) {
	var h http1Head
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

// BenchmarkDownload is 1 MiB of response, BenchmarkUpload 1 MiB of request body
// that is not whole.
func BenchmarkDownload(b *testing.B) {
	const size = 1 << 20
	body := strings.Repeat("x", size)
	responses := map[string]string{
		"length":  fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body),
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("8000\r\n"+body[:0x8000]+"\r\n", size/0x8000) + "0\r\n\r\n",
	}
	for name, response := range responses {
		addr := backend(b, echoHeads(response))
		b.Run(name+"/upstream", func(b *testing.B) {
			p := newClient(b, Config{}).Pool(Target{Addr: addr})
			buf := make([]byte, 64<<10)
			r := benchRequest()
			b.SetBytes(size)
			load(b, 1, func() error {
				e := p.Start()
				defer e.Close()
				if err := e.Do(r); err != nil {
					return err
				}
				_, err := io.CopyBuffer(onlyWriter{io.Discard}, readerOf{e}, buf)
				return err
			})
		})
		b.Run(name+"/nethttp", func(b *testing.B) {
			tr := &http.Transport{DisableCompression: true}
			defer tr.CloseIdleConnections()
			buf := make([]byte, 64<<10)
			b.SetBytes(size)
			load(b, 1, func() error {
				req, err := http.NewRequest("GET", "http://"+addr.String()+"/", nil)
				if err != nil {
					return err
				}
				resp, err := tr.RoundTrip(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				_, err = io.CopyBuffer(onlyWriter{io.Discard}, resp.Body, buf)
				return err
			})
		})
	}
}

// onlyWriter hides ReadFrom, which would bring a buffer of its own.
type onlyWriter struct{ io.Writer }

func BenchmarkUpload(b *testing.B) {
	const size = 1 << 20
	body := strings.Repeat("x", size)
	addr := backend(b, func(nc net.Conn) {
		br := bufio.NewReaderSize(nc, 64<<10)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	for _, length := range []int64{size, -1} {
		b.Run(fmt.Sprintf("upstream/%d", length), func(b *testing.B) {
			p := newClient(b, Config{}).Pool(Target{Addr: addr})
			b.SetBytes(size)
			load(b, 1, func() error {
				e := p.Start()
				defer e.Close()
				return e.Do(&Request{Method: "PUT", Path: "/", Host: "h", Body: onlyReader{strings.NewReader(body)}, ContentLength: length})
			})
		})
		b.Run(fmt.Sprintf("nethttp/%d", length), func(b *testing.B) {
			tr := &http.Transport{DisableCompression: true}
			defer tr.CloseIdleConnections()
			b.SetBytes(size)
			load(b, 1, func() error {
				req, err := http.NewRequest("PUT", "http://"+addr.String()+"/", onlyReader{strings.NewReader(body)})
				if err != nil {
					return err
				}
				req.ContentLength = length
				resp, err := tr.RoundTrip(req)
				if err != nil {
					return err
				}
				return resp.Body.Close()
			})
		})
	}
}

type onlyReader struct{ io.Reader }
