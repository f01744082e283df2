package proxy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// Apache Bench speaks HTTP/1.0, and has to ask for its connection to be kept.
func TestApacheBench(t *testing.T) {
	ab := require.Tool(t, "ab")
	w, _, _ := toolWorld(t)
	file, _ := upload(t)
	const n = 300
	for _, tt := range []struct {
		name, path string
		n, kept    int
		args       []string
	}{
		{"connections of one request", "/", n, 0, nil},
		{"connections that are kept", "/", n, n, []string{"-k"}},
		{"HEAD", "/", n, n, []string{"-k", "-i"}},
		{"large responses", "/big", 10, 0, []string{"-k"}}, // of no known length: ended by the connection's end,
		{"uploads", "/sum", 10, 10, []string{"-k", "-p", file, "-T", "text/plain"}},
	} {
		args := append(tt.args, "-q", "-l", "-n", fmt.Sprint(tt.n), "-c", "5", "-H", "Host: a.test", "http://"+w.http+tt.path)
		got := run(t, ab, args...)
		for _, want := range []string{`Complete requests: +` + fmt.Sprint(tt.n) + `\n`, `Failed requests: +0\n`} {
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: no %s in\n%s", tt.name, want, got)
			}
		}
		if kept := regexp.MustCompile(`Keep-Alive requests: +` + fmt.Sprint(tt.kept) + `\n`); tt.kept > 0 && !kept.MatchString(got) || strings.Contains(got, "Non-2xx") {
			t.Errorf("%s: connections not kept, or refusals:\n%s", tt.name, got)
		}
	}
}

func TestWrk(t *testing.T) {
	wrk := require.Tool(t, "wrk")
	w, _, _ := toolWorld(t)
	// A script of its own pipelines three requests at a time.
	pipeline := filepath.Join(t.TempDir(), "pipeline.lua")
	script := `init = function(args)
  local r = {}
  for i = 1, 3 do r[i] = wrk.format("GET", "/", {Host = "a.test"}) end
  all = table.concat(r)
end
request = function() return all end
`
	if err := os.WriteFile(pipeline, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-H", "Host: a.test"}, {"-s", pipeline}} {
		got := run(t, wrk, append(args, "-t", "1", "-c", "10", "-d", "1s", "http://"+w.http+"/")...)
		if !regexp.MustCompile(`\n +[1-9]\d* requests in `).MatchString(got) || strings.Contains(got, "Socket errors") || strings.Contains(got, "Non-2xx") {
			t.Errorf("%q:\n%s", args, got)
		}
	}
}

// nodeHTTP1Script asks with Node's https module, whose agent keeps connections.
const nodeHTTP1Script = `
'use strict';
const https = require('https'), assert = require('assert'), fs = require('fs');
const [, , port, caFile] = process.argv;
const agent = new https.Agent({
  keepAlive: true, maxSockets: 1, ca: fs.readFileSync(caFile),
  lookup: (host, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4),
});
const ask = (options, body) => new Promise((resolve, reject) => {
  const req = https.request({ host: 'a.test', port, agent, servername: 'a.test', ...options });
  const got = { body: '', continued: false, reused: false };
  req.on('continue', () => { got.continued = true; });
  req.on('error', reject);
  req.on('response', (res) => {
    got.status = res.statusCode; got.reused = req.reusedSocket;
    res.on('data', (d) => { got.body += d.toString('latin1'); });
    res.on('error', reject);
    res.on('end', () => { got.trailers = res.trailers; resolve(got); });
  });
  body ? body(req, got) : req.end();
});
(async () => {
  let got = await ask({ path: '/' });
  assert.deepStrictEqual([got.status, got.body, got.reused], [200, 'hello\n', false]);
  got = await ask({ path: '/' });
  assert.deepStrictEqual([got.status, got.reused], [200, true]);
  console.log('get');

  got = await ask({ path: '/sum', method: 'POST' }, (req) => { // in chunks
    req.addTrailers({ 'X-Sent': '45' });
    for (let i = 0; i < 50; i++) req.write(Buffer.alloc(100000, 'x'));
    req.end();
  });
  assert.ok(got.body.startsWith('5000000 '), got.body);
  console.log('post');

  got = await ask({ path: '/sum', method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 4 } }, (req, got) => {
    req.flushHeaders();
    req.on('continue', () => { req.end('held'); });
  });
  assert.ok(got.continued && got.body.startsWith('4 '), got.body);
  console.log('continue');

  got = await ask({ path: '/trailers' });
  assert.strictEqual(got.trailers['x-sum'], '42');
  console.log('trailers');

  got = await ask({ path: '/big' });
  assert.strictEqual(got.body.length, 10 << 20);
  console.log('big');

  got = await ask({ path: '/', method: 'HEAD' });
  assert.deepStrictEqual([got.status, got.body, got.reused], [200, '', true]);
  got = await ask({ path: '/', headers: { Host: 'c.test' } });
  assert.strictEqual(got.status, 421);
  got = await ask({ path: '/' });
  assert.deepStrictEqual([got.status, got.reused], [200, true]);
  console.log('misdirected');
  agent.destroy();
})().catch((err) => { console.log(err); process.exit(1); });
`

func TestNodeHTTP1(t *testing.T) {
	node := require.Tool(t, "node", "nodejs")
	_, ca, port := toolWorld(t)
	script := filepath.Join(t.TempDir(), "client.js")
	if err := os.WriteFile(script, []byte(nodeHTTP1Script), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, node, script, port, ca); got != "get\npost\ncontinue\ntrailers\nbig\nmisdirected\n" {
		t.Error(got)
	}
}

// javaScript asks with Java's HttpClient, of HTTP/1.1.
const javaScript = `
import java.io.FileInputStream;
import java.io.SequenceInputStream;
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Client {
	public static void main(String[] args) throws Exception {
		KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
		trusted.load(null);
		try (FileInputStream in = new FileInputStream(args[1])) {
			trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
		}
		TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		managers.init(trusted);
		SSLContext tls = SSLContext.getInstance("TLS");
		tls.init(null, managers.getTrustManagers(), null);
		HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(tls).build();
		String site = "https://a.test:" + args[0];
		HttpResponse.BodyHandler<String> text = HttpResponse.BodyHandlers.ofString();
		byte[] body = new byte[1000000];

		HttpResponse<String> got = client.send(HttpRequest.newBuilder(URI.create(site + "/")).build(), text);
		System.out.println("get " + got.statusCode() + " " + got.version() + " " + got.body().trim());
		got = client.send(HttpRequest.newBuilder(URI.create(site + "/sum")).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build(), text);
		System.out.println("post " + got.body().split(" ")[0]);
		got = client.send(HttpRequest.newBuilder(URI.create(site + "/sum"))
			.POST(HttpRequest.BodyPublishers.ofInputStream(() -> new SequenceInputStream(new ByteArrayInputStream(body), new ByteArrayInputStream(body)))).build(), text);
		System.out.println("chunks " + got.body().split(" ")[0]);
		got = client.send(HttpRequest.newBuilder(URI.create(site + "/sum")).expectContinue(true).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build(), text);
		System.out.println("continue " + got.body().split(" ")[0]);
		System.out.println("big " + client.send(HttpRequest.newBuilder(URI.create(site + "/big")).build(), HttpResponse.BodyHandlers.ofByteArray()).body().length);
		got = client.send(HttpRequest.newBuilder(URI.create(site + "/")).setHeader("Host", "c.test").build(), text);
		System.out.println("misdirected " + got.statusCode());
		System.exit(0);
	}
}
`

func TestJavaHTTP1(t *testing.T) {
	java := require.Tool(t, "java")
	_, ca, port := toolWorld(t)
	dir := t.TempDir()
	source, hosts := filepath.Join(dir, "Client.java"), filepath.Join(dir, "hosts")
	for file, text := range map[string]string{source: javaScript, hosts: "127.0.0.1 a.test\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := run(t, java, "-Djdk.net.hosts.file="+hosts, "-Djdk.httpclient.allowRestrictedHeaders=host", source, port, ca)
	if want := "get 200 HTTP_1_1 hello\npost 1000000\nchunks 2000000\ncontinue 1000000\nbig 10485760\nmisdirected 421\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Other proxies in front speak HTTP/1.1 to us, on connections that they share among
// their clients, over TLS and in cleartext. HAProxy's health check is of HTTP/1.0,
// and names no host.
func TestProxiesInFront(t *testing.T) {
	curl := require.Tool(t, "curl")
	file, sum := upload(t)
	for _, tt := range []struct {
		name, config string
		args         []string
	}{
		{"haproxy", `global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  option httpchk
  http-reuse always
frontend front
  bind 127.0.0.1:FRONT
  http-request return status 200 content-type text/plain lf-string "%[nbsrv(cleartext)]" if { path /up }
  use_backend cleartext if { path_beg /cleartext/ }
  default_backend secure
backend secure
  server s 127.0.0.1:HTTPS ssl verify required ca-file CA sni str(a.test) verifyhost a.test alpn http/1.1
backend cleartext
  http-request replace-path /cleartext/(.*) /\1
  server s 127.0.0.1:HTTP check inter 100ms fastinter 100ms
`, []string{"-db", "-f", "CONFIG"}},
		{"nginx", `daemon off; pid DIR/pid; error_log DIR/error.log;
events {}
http {
  access_log off; client_max_body_size 0; proxy_max_temp_file_size 0; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  upstream secure { server 127.0.0.1:HTTPS; keepalive 4; }
  upstream cleartext { server 127.0.0.1:HTTP; keepalive 4; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_request_buffering off;
  proxy_ssl_server_name on; proxy_ssl_name a.test; proxy_ssl_verify on; proxy_ssl_trusted_certificate CA; proxy_ssl_protocols TLSv1.2 TLSv1.3;
  server {
    listen 127.0.0.1:FRONT;
    location = /up { return 200 1; }
    location /cleartext/ { proxy_pass http://cleartext/; }
    location / { proxy_pass https://secure; }
  }
}
`, []string{"-c", "CONFIG"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program := require.Tool(t, tt.name)
			w, ca, port := toolWorld(t)
			_, cleartext, err := net.SplitHostPort(w.http)
			if err != nil {
				t.Fatal(err)
			}
			dir, front := t.TempDir(), strconv.Itoa(testkit.FreePort(t))
			config := filepath.Join(dir, "config")
			fill := strings.NewReplacer("FRONT", front, "HTTPS", port, "HTTP", cleartext, "CA", ca, "DIR", dir, "CONFIG", config)
			if err := os.WriteFile(config, []byte(fill.Replace(tt.config)), 0o600); err != nil {
				t.Fatal(err)
			}
			var args []string
			for _, a := range tt.args {
				args = append(args, fill.Replace(a))
			}
			cmd := exec.Command(program, args...)
			var out testkit.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.WaitDelay = patience
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM) // killed, nginx would leave its workers
				_ = cmd.Wait()
				if t.Failed() {
					t.Log(out.String())
				}
			})
			site := "http://127.0.0.1:" + front
			eventually(t, tt.name+" is up", func() bool {
				got, err := exec.CommandContext(t.Context(), curl, "-q", "-sS", "--noproxy", "*", site+"/up").Output()
				return err == nil && strings.TrimSpace(string(got)) == "1"
			})
			ask := func(host string, args ...string) string {
				t.Helper()
				return run(t, curl, append([]string{"-q", "-sS", "--noproxy", "*", "-H", "Host: " + host, "--max-time", "60"}, args...)...)
			}
			do := func(args ...string) string { t.Helper(); return ask("a.test", args...) }
			for _, path := range []string{"/", "/cleartext/"} {
				for range 3 {
					if got := do("-w", "%{response_code}", site+path); got != "hello\n200" {
						t.Errorf("GET %s: %q", path, got)
					}
				}
				if got := do("-T", file, site+path+"sum"); !strings.HasPrefix(got, sum) {
					t.Errorf("upload by %s: %q", path, got)
				}
				if got := do("-H", "Transfer-Encoding: chunked", "--data-binary", "@"+file, site+path+"sum"); !strings.HasPrefix(got, sum) {
					t.Errorf("upload in chunks by %s: %q", path, got)
				}
				if got := do("-o", os.DevNull, "-w", "%{size_download}", site+path+"big"); got != "10485760" {
					t.Errorf("download by %s: %s", path, got)
				}
				if got := do("-I", site+path); !strings.Contains(got, " 200") {
					t.Errorf("HEAD %s: %q", path, got)
				}
			}
			if got := ask("c.test", "-o", os.DevNull, "-w", "%{response_code}", site+"/"); got != "421" {
				t.Errorf("c.test on a connection for a.test: %s", got)
			}
		})
	}
}
