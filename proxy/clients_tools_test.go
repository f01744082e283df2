package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// toolWorld is a server with a backend for clients that are programs, and the
// CA's certificate in a file.
func toolWorld(t *testing.T) (w *world, caFile, port string) {
	ca := newAuthority(t)
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sum":
			h := sha256.New()
			n, err := io.Copy(h, r.Body)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "%d %s %s\n", n, hex.EncodeToString(h.Sum(nil)), r.Trailer.Get("X-Sent"))
		case "/big":
			_, _ = w.Write(make([]byte, 10<<20))
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
		default:
			_, _ = io.WriteString(w, "hello\n")
		}
	}))
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")}, Routes: routeTo(b)}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Certificates: []*hostmap.Certificate{ca.serverCert("c", "c.test")}, Routes: routeTo(b)}),
	}})
	w = newWorld(t, m, nil)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(w.https)
	if err != nil {
		t.Fatal(err)
	}
	return w, caFile, port
}

// run is a program's output. One that fails, or takes for ever, fails the test.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(name), args, err, out)
	}
	return string(out)
}

// upload is a file of 10 MiB, and what /sum says of it.
func upload(t *testing.T) (file, want string) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 10<<16)
	file = filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	return file, strconv.Itoa(len(body)) + " " + hex.EncodeToString(sum[:])
}

func TestCurl(t *testing.T) {
	curl := require.Tool(t, "curl")
	_, ca, port := toolWorld(t)
	file, sum := upload(t)
	for _, version := range []string{"--http1.1", "--http2"} {
		t.Run(strings.TrimLeft(version, "-"), func(t *testing.T) {
			site := "https://a.test:" + port
			do := func(args ...string) string {
				t.Helper()
				return run(t, curl, append([]string{
					"-q", "-sS", "--noproxy", "*", version, "--cacert", ca, "--resolve", "a.test:" + port + ":127.0.0.1", "--max-time", "60",
				}, args...)...)
			}
			want := map[string]string{"--http1.1": "1.1", "--http2": "2"}[version]
			if got := do("-w", "%{http_version} %{response_code}", site+"/"); got != "hello\n"+want+" 200" {
				t.Errorf("GET: %q", got)
			}
			if got := do("-T", file, site+"/sum"); !strings.HasPrefix(got, sum) {
				t.Errorf("upload: %q, want %q", got, sum)
			}
			if got := do("-H", "Expect: 100-continue", "--data-binary", "@"+file, "-v", site+"/sum"); !strings.Contains(got, sum) || !regexp.MustCompile(`< HTTP/[12.]+ 100`).MatchString(got) {
				t.Errorf("Expect: 100-continue: %q", got)
			}
			if version == "--http1.1" {
				if got := do("-H", "Transfer-Encoding: chunked", "--data-binary", "@"+file, site+"/sum"); !strings.HasPrefix(got, sum) {
					t.Errorf("upload in chunks: %q", got)
				}
			}
			if got := do("-o", os.DevNull, "-w", "%{size_download}", site+"/big"); got != strconv.Itoa(10<<20) {
				t.Errorf("download: %s", got)
			}
			if got := do("-I", site+"/"); !strings.Contains(got, " 200") {
				t.Errorf("HEAD: %q", got)
			}
			if got := do("-o", os.DevNull, "-w", "%{response_code}", "-H", "Host: c.test", site+"/"); got != "421" {
				t.Errorf("c.test on a connection for a.test: %s", got)
			}
		})
	}
}

func TestNghttp(t *testing.T) {
	nghttp := require.Tool(t, "nghttp")
	_, _, port := toolWorld(t)
	file, sum := upload(t)
	site := "https://127.0.0.1:" + port
	do := func(args ...string) string {
		t.Helper()
		return run(t, nghttp, append([]string{"--no-verify-peer", "-t", "60s", "-H", ":authority: a.test:" + port}, args...)...)
	}
	if got := do(site + "/"); !strings.Contains(got, "hello") {
		t.Errorf("GET: %q", got)
	}
	if got := do("-d", file, site+"/sum"); !strings.Contains(got, sum) {
		t.Errorf("upload: %q", got)
	}
	if got := do("-d", file, "--no-content-length", "--trailer", "x-sent: 43", site+"/sum"); !strings.Contains(got, sum+" 43") {
		t.Errorf("upload with a trailer: %q", got)
	}
	if got := do("-nv", site+"/trailers"); !strings.Contains(got, "x-sum: 42") {
		t.Errorf("trailer: %q", got)
	}
	if got := do("-nv", "-m", "20", site+"/big"); strings.Count(got, ":status: 200") != 20 || strings.Contains(got, "RST_STREAM") {
		t.Errorf("20 downloads at once: %q", got[max(0, len(got)-2000):])
	}
	if got := do("-nv", "--window-bits", "10", "--connection-window-bits", "10", site+"/"); !strings.Contains(got, ":status: 200") {
		t.Errorf("small windows: %q", got)
	}
	if got := do("-nv", "--hexdump", "--header-table-size", "0", "--max-concurrent-streams", "1", site+"/"); !strings.Contains(got, ":status: 200") {
		t.Errorf("no header table: %q", got)
	}
}

func TestH2load(t *testing.T) {
	h2load := require.Tool(t, "h2load")
	_, _, port := toolWorld(t)
	file, _ := upload(t)
	for _, tt := range []struct {
		name string
		n    int
		args []string
	}{
		{"small responses", 2000, []string{"-c", "20", "-m", "10", "https://a.test:" + port + "/"}},
		{"large responses", 20, []string{"-c", "4", "-m", "5", "https://a.test:" + port + "/big"}},
		{"uploads", 20, []string{"-c", "4", "-m", "5", "-d", file, "https://a.test:" + port + "/sum"}},
		{"HTTP/1.1", 500, []string{"--h1", "-c", "20", "https://a.test:" + port + "/"}},
	} {
		got := run(t, h2load, append([]string{"-n", strconv.Itoa(tt.n), "--connect-to", "127.0.0.1:" + port}, tt.args...)...)
		if !strings.Contains(got, fmt.Sprintf("status codes: %d 2xx, 0 3xx, 0 4xx, 0 5xx", tt.n)) || !strings.Contains(got, " 0 failed, 0 errored, 0 timeout") {
			t.Errorf("%s:\n%s", tt.name, got)
		}
	}
}

// nodeScript asks with Node's http2 module on one session for a.test. It prints
// a line for each thing that is as it should be, and throws at the first that
// is not.
const nodeScript = `
'use strict';
const http2 = require('http2'), assert = require('assert'), fs = require('fs'), crypto = require('crypto');
const [, , port, caFile] = process.argv;
const session = http2.connect('https://a.test:' + port, {
  ca: fs.readFileSync(caFile), servername: 'a.test', settings: { enablePush: false },
  lookup: (host, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
});
session.on('error', (err) => { throw err; });
session.on('stream', () => { throw new Error('a pushed stream'); });
const ask = (headers, body, options) => new Promise((resolve, reject) => {
  const req = session.request(headers, options);
  const got = { body: '' };
  req.on('response', (h) => { got.head = h; });
  req.on('trailers', (h) => { got.trailers = h; });
  req.on('data', (d) => { got.body += d.toString('latin1'); });
  req.on('error', reject);
  req.on('end', () => resolve(got));
  body ? body(req) : req.end();
});
(async () => {
  let got = await ask({ ':path': '/' });
  assert.strictEqual(got.head[':status'], 200);
  assert.strictEqual(got.body, 'hello\n');
  console.log('get');

  const chunk = Buffer.alloc(100000, 'x'), hash = crypto.createHash('sha256');
  got = await ask({ ':path': '/sum', ':method': 'POST' }, (req) => {
    let n = 0;
    const more = () => {
      if (n++ === 50) return req.end();
      hash.update(chunk);
      req.write(chunk, () => setImmediate(more));
    };
    more();
  });
  assert.strictEqual(got.body.trim(), '5000000 ' + hash.digest('hex'));
  console.log('post');

  got = await ask({ ':path': '/sum', ':method': 'POST', trailer: 'x-sent' }, (req) => {
    req.on('wantTrailers', () => req.sendTrailers({ 'x-sent': '44' }));
    req.end('x');
  }, { waitForTrailers: true });
  assert.ok(got.body.endsWith(' 44\n'), got.body);
  got = await ask({ ':path': '/trailers' });
  assert.strictEqual(got.trailers['x-sum'], '42');
  console.log('trailers');

  const all = await Promise.all(Array.from({ length: 10 }, () => ask({ ':path': '/big' })));
  for (const one of all) assert.strictEqual(one.body.length, 10 << 20);
  console.log('big');

  got = await ask({ ':path': '/', ':authority': 'c.test:' + port });
  assert.strictEqual(got.head[':status'], 421);
  console.log('misdirected');

  await new Promise((resolve, reject) => {
    const req = session.request({ ':path': '/big' });
    req.once('data', () => req.close(http2.constants.NGHTTP2_CANCEL));
    req.on('error', reject);
    req.on('close', resolve);
  });
  await new Promise((resolve, reject) => session.ping((err) => err ? reject(err) : resolve()));
  console.log('cancel');

  // The server is told to end now. A request that is under way is finished.
  const gone = new Promise((resolve) => session.on('goaway', (code) => { assert.strictEqual(code, 0); resolve(); }));
  const closed = new Promise((resolve) => session.on('close', resolve));
  const last = ask({ ':path': '/sum', ':method': 'POST' }, (req) => {
    req.write('held', () => { console.log('drain'); gone.then(() => req.end()); });
  });
  await gone;
  assert.ok((await last).body.startsWith('4 '));
  await closed;
  console.log('goaway');
})().catch((err) => { console.log(err); process.exit(1); });
`

func TestNode(t *testing.T) {
	node := require.Tool(t, "node", "nodejs")
	w, ca, port := toolWorld(t)
	script := filepath.Join(t.TempDir(), "client.js")
	if err := os.WriteFile(script, []byte(nodeScript), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, script, port, ca)
	var out testkit.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	eventually(t, "node asks for the drain:\n"+out.String(), func() bool {
		return strings.Contains(out.String(), "drain\n") || len(ended) == 1
	})
	go w.stop()
	if err := <-ended; err != nil || !strings.HasSuffix(out.String(), "get\npost\ntrailers\nbig\nmisdirected\ncancel\ndrain\ngoaway\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestBackendProtocols sends bodies to backends that speak HTTP/2, and HTTP/1.1
// over TLS, and takes their bodies and trailers back.
func TestBackendProtocols(t *testing.T) {
	ca := newAuthority(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("Trailer", "X-Sum")
		ctl := http.NewResponseController(w)
		_ = ctl.EnableFullDuplex()
		_ = ctl.Flush()
		h := sha256.New()
		// Back as it comes, so that bodies are under way both ways at once.
		_, _ = io.Copy(io.MultiWriter(w, h), r.Body)
		w.Header().Set("X-Sum", hex.EncodeToString(h.Sum(nil)))
	})
	for _, tt := range []struct {
		name     string
		protocol hostmap.Protocol
		verified bool
		http1    bool
		want     string
	}{
		{"H2C", hostmap.H2C, false, false, "HTTP/2.0"},
		{"HTTPS by ALPN h2", hostmap.HTTPS, false, false, "HTTP/2.0"},
		{"HTTPS by ALPN h2, verified", hostmap.HTTPS, true, false, "HTTP/2.0"},
		{"HTTPS by ALPN http/1.1", hostmap.HTTPS, false, true, "HTTP/1.1"},
	} {
		srv := httptest.NewUnstartedServer(handler)
		srv.Config.Protocols = new(http.Protocols)
		if tt.protocol.TLS() {
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{ca.serverCert("b", "a.test").KeyPair}}
			srv.Config.Protocols.SetHTTP1(true)
			srv.Config.Protocols.SetHTTP2(!tt.http1)
			srv.EnableHTTP2 = !tt.http1
			srv.StartTLS()
		} else {
			srv.Config.Protocols.SetUnencryptedHTTP2(true)
			srv.Start()
		}
		t.Cleanup(srv.Close)
		b := &hostmap.Backend{
			Namespace: "default", Service: "b", Port: "80", Protocol: tt.protocol,
			Endpoints: []netip.AddrPort{netip.MustParseAddrPort(srv.Listener.Addr().String())},
		}
		if tt.verified {
			b.CAs, b.CAID = x509.NewCertPool(), sha256.Sum256(ca.cert.Raw)
			b.CAs.AddCert(ca.cert)
		}
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, oneSite(t, b), nil, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for _, size := range []int{0, 1, 1 << 16, 3 << 20} {
					body := bytes.Repeat([]byte{'x'}, size)
					a := roundTrip(t, rt, "POST", "https://a.test/", func(r *http.Request) {
						r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
					})
					sum := sha256.Sum256(body)
					if want := hex.EncodeToString(sum[:]); a.StatusCode != 200 || a.body != string(body) || a.Trailer.Get("X-Sum") != want || a.Header.Get("X-Proto") != tt.want {
						t.Errorf("%d octets: %d by %s, %d back, trailer %q, want %q", size, a.StatusCode, a.Header.Get("X-Proto"), len(a.body), a.Trailer.Get("X-Sum"), want)
					}
				}
			})
		})
	}
}
