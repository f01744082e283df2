package h2

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/test/require"
)

// serverTLS makes a TLS configuration that speaks HTTP/2 with a certificate
// for localhost.
func serverTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"h2"},
	}
}

// serve runs cfg on a TLS listener on loopback until the test ends.
func serve(t testing.TB, cfg *config) (addr string) {
	addr, _ = serveConns(t, cfg)
	return addr
}

// serveConns is serve; each calls its argument with every open connection.
func serveConns(t testing.TB, cfg *config) (addr string, each func(func(*Conn))) {
	t.Helper()
	tc := serverTLS(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[*Conn]bool{}
	wg.Go(func() {
		for {
			sock, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				nc := tls.Server(NewCork(sock), tc)
				if nc.Handshake() != nil {
					nc.Close()
					return
				}
				c := cfg.newConn(nc)
				mu.Lock()
				conns[c] = true
				mu.Unlock()
				c.Serve()
				mu.Lock()
				delete(conns, c)
				mu.Unlock()
			})
		}
	})
	each = func(f func(*Conn)) {
		mu.Lock()
		defer mu.Unlock()
		for c := range conns {
			f(c)
		}
	}
	t.Cleanup(func() {
		ln.Close()
		each(func(c *Conn) { c.Close() })
		wg.Wait()
	})
	return ln.Addr().String(), each
}

// echo answers with the request's body and trailers.
func echo(s *Stream) {
	h := []hpack.HeaderField{{Name: "content-type", Value: "text/plain"}, {Name: "x-path", Value: s.Path}}
	if s.WriteHeader(200, h, false) != nil {
		return
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := s.Read(buf)
		if n > 0 {
			if _, err := s.Write(buf[:n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return
		}
	}
	if t := s.Trailer(); len(t) > 0 {
		s.WriteTrailer(t)
		return
	}
	s.WriteEnd(nil)
}

func goClient(t testing.TB) *http.Client {
	tr := &http2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestGoClientEchoesBodiesOfAnySize(t *testing.T) {
	addr := serve(t, &config{Handle: echo})
	cl := goClient(t)
	for _, size := range []int{0, 1, 1000, 16 << 10, 70_000, 5 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		res, err := cl.Post("https://"+addr+"/echo", "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%d octets: %v", size, err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d octets: got %d octets back, error %v", size, len(got), err)
		}
		if p := res.Header.Get("x-path"); p != "/echo" {
			t.Errorf("path = %q", p)
		}
	}
}

func TestGoClientTrailersBothWays(t *testing.T) {
	addr := serve(t, &config{Handle: echo})
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", "https://"+addr+"/", pr)
	req.Trailer = http.Header{"X-Sum": nil}
	go func() {
		io.Copy(pw, strings.NewReader("hello"))
		req.Trailer.Set("X-Sum", "42")
		pw.Close()
	}()
	res, err := goClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "hello" || res.Trailer.Get("X-Sum") != "42" {
		t.Errorf("body %q, trailer %v, error %v", b, res.Trailer, err)
	}
}

func TestGoClientManyStreamsAtOnce(t *testing.T) {
	addr := serve(t, &config{Handle: echo})
	cl := goClient(t)
	body := bytes.Repeat([]byte("x"), 300_000)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			res, err := cl.Post("https://"+addr+"/", "", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if n, err := io.Copy(io.Discard, res.Body); n != int64(len(body)) || err != nil {
				t.Errorf("got %d octets, error %v", n, err)
			}
		})
	}
	wg.Wait()
}

type cancelFunc func()

func (f cancelFunc) Cancel() { f() }

func TestGoClientCancelReachesTheOwner(t *testing.T) {
	canceled := make(chan struct{})
	started := make(chan struct{})
	addr := serve(t, &config{Handle: func(s *Stream) {
		s.OnCancel(cancelFunc(func() { close(canceled) }))
		close(started)
		<-canceled
		s.OnCancel(nil)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://"+addr+"/", nil)
	go func() { <-started; cancel() }()
	if _, err := goClient(t).Do(req); err == nil {
		t.Error("the request was answered")
	}
	select {
	case <-canceled:
	case <-time.After(5 * time.Second):
		t.Error("the owner was not told")
	}
}

func TestGoClientHeadAndBodilessStatuses(t *testing.T) {
	addr := serve(t, &config{Handle: func(s *Stream) {
		status := 200
		if s.Path == "/204" {
			status = 204
		}
		s.WriteHeader(status, []hpack.HeaderField{{Name: "x-a", Value: "b"}}, false)
		s.Write([]byte("must not be seen"))
		s.WriteEnd(nil)
	}})
	cl := goClient(t)
	res, err := cl.Head("https://" + addr + "/")
	if err != nil || res.StatusCode != 200 || res.Header.Get("x-a") != "b" {
		t.Fatalf("HEAD: %v %v", res, err)
	}
	if res, err = cl.Get("https://" + addr + "/204"); err != nil || res.StatusCode != 204 {
		t.Fatalf("204: %v %v", res, err)
	}
	if b, err := io.ReadAll(res.Body); len(b) > 0 || err != nil {
		t.Errorf("204: body %q, error %v", b, err)
	}
}

// Connections that are drained again and again, and requests given up, must not
// cost any other request.
func TestNoRequestIsLostByDrain(t *testing.T) {
	addr, each := serveConns(t, &config{Handle: echo})
	stop := make(chan struct{})
	var drainer, clients sync.WaitGroup
	drainer.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				each((*Conn).Drain)
			}
		}
	})
	for w := range 6 {
		clients.Go(func() {
			cl := goClient(t)
			for i := range 30 {
				ctx, cancel := context.WithCancel(t.Context())
				body := bytes.Repeat([]byte{byte(i)}, (i%7)*9000)
				req, _ := http.NewRequestWithContext(ctx, "POST", "https://"+addr+"/", bytes.NewReader(body))
				res, err := cl.Do(req)
				if err != nil {
					t.Errorf("request %d.%d: %v", w, i, err)
					cancel()
					continue
				}
				if i%5 == 4 {
					cancel() // in the middle of the response
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if i%5 != 4 && (err != nil || !bytes.Equal(got, body)) {
					t.Errorf("request %d.%d: %d octets of %d, error %v", w, i, len(got), len(body), err)
				}
				cancel()
			}
		})
	}
	clients.Wait()
	close(stop)
	drainer.Wait()
}

func TestNghttpAndH2load(t *testing.T) {
	addr := serve(t, &config{Handle: echo})
	for _, c := range []struct {
		tool string
		args []string
		want string
	}{
		{"nghttp", []string{"--no-verify-peer", "-d", "client_test.go", "-v", "https://" + addr + "/x"}, "x-path: /x"},
		{"h2load", []string{"-n", "2000", "-c", "10", "-m", "20", "-d", "doc.go", "https://" + addr + "/"}, "2000 succeeded, 0 failed"},
	} {
		bin := require.Tool(t, c.tool)
		out, err := exec.Command(bin, c.args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v\n%s", c.tool, err, out)
		}
	}
}
