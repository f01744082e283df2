package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/test/require"
)

// realOrigin is a server that others wrote, run as a process. It gives each
// answer a field that names the request target it has read, and writes a line
// for each request to DIR/log. In its files and arguments, PORT stands for the
// port it listens on and DIR for its folder.
type realOrigin struct {
	tool  string
	files map[string]string
	args  []string
}

var realOrigins = []realOrigin{
	{
		tool: "nginx",
		files: map[string]string{"conf": `
daemon off; master_process off; pid DIR/pid; error_log DIR/errors;
events { worker_connections 512; }
http {
	log_format line '$request'; access_log DIR/log line;
	keepalive_requests 1000000; keepalive_timeout 60s;
	client_body_temp_path DIR; proxy_temp_path DIR; fastcgi_temp_path DIR; uwsgi_temp_path DIR; scgi_temp_path DIR;
	server {
		listen 127.0.0.1:PORT;
		add_header X-Marker $request_uri always;
		location / { return 200 ok; }
	}
}`},
		args: []string{"-e", "DIR/errors", "-p", "DIR", "-c", "DIR/conf"},
	},
	{
		tool: "apache2",
		files: map[string]string{"conf": `
ServerRoot DIR
ServerName origin.test
DefaultRuntimeDir DIR
PidFile DIR/pid
Listen 127.0.0.1:PORT
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
DocumentRoot DIR
ErrorLog DIR/errors
LogFormat "%r" line
CustomLog DIR/log line
KeepAliveTimeout 60
MaxKeepAliveRequests 0
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
Header always set X-Marker "expr=%{THE_REQUEST}"
`},
		args: []string{"-X", "-d", "DIR", "-f", "DIR/conf"},
	},
	{
		tool: "lighttpd",
		files: map[string]string{"conf": `
server.modules = ("mod_redirect", "mod_accesslog")
server.bind = "127.0.0.1"
server.port = PORT
server.document-root = "DIR"
server.errorlog = "DIR/errors"
server.http-parseopts = ("method-get-body" => "enable")
server.max-keep-alive-requests = 50000
server.max-keep-alive-idle = 60
accesslog.filename = "DIR/log"
accesslog.format = "%r"
url.redirect = ("" => "/read${url.path}${qsa}")
`},
		args: []string{"-D", "-f", "DIR/conf"},
	},
	{
		tool: "haproxy",
		files: map[string]string{"conf": `
global
	maxconn 500
defaults
	mode http
	timeout client 60s
	timeout http-request 60s
	timeout http-keep-alive 60s
	option http-buffer-request
	option dontlognull
frontend origin
	bind 127.0.0.1:PORT
	log stdout format raw local0 info
	log-format "%r"
	http-request return status 200 content-type text/plain string ok hdr X-Marker "%[url]"
`},
		args: []string{"-db", "-f", "DIR/conf"},
	},
	{
		tool: "caddy",
		files: map[string]string{"conf": `{
	"admin": {"disabled": true, "config": {"persist": false}},
	"logging": {"logs": {
		"default": {"level": "ERROR"},
		"line": {"writer": {"output": "file", "filename": "DIR/log"}, "encoder": {"format": "json"}, "include": ["http.log.access"]}
	}},
	"apps": {"http": {"servers": {"origin": {
		"listen": ["127.0.0.1:PORT"], "automatic_https": {"disable": true}, "protocols": ["h1"], "logs": {},
		"routes": [{"handle": [{"handler": "static_response", "headers": {"X-Marker": ["{http.request.uri}"]}, "body": "ok"}]}]
	}}}}
}`},
		args: []string{"run", "--config", "DIR/conf"},
	},
	{
		tool: "node",
		files: map[string]string{"origin.js": `
const http = require('http'), log = require('fs').openSync('DIR/log', 'a'), write = require('fs').writeSync;
const server = http.createServer((q, r) => {
	write(log, q.method + ' ' + q.url + '\n');
	q.resume().on('end', () => { r.setHeader('X-Marker', q.url); r.end('ok'); });
});
server.on('clientError', (e, socket) => {
	if (/^HPE_/.test(e.code) && e.code != 'HPE_INVALID_EOF_STATE') write(log, e.code + ' ' + e.rawPacket.toString('latin1').split('\r\n')[0] + '\n');
	socket.destroy();
});
server.keepAliveTimeout = 60000;
server.listen(PORT, '127.0.0.1');
`},
		args: []string{"DIR/origin.js"},
	},
	{
		tool: "gunicorn",
		files: map[string]string{"origin.py": `
def app(environ, start_response):
    environ['wsgi.input'].read()
    start_response('200 OK', [('X-Marker', environ['RAW_URI']), ('Content-Length', '2')])
    return [] if environ['REQUEST_METHOD'] == 'HEAD' else [b'ok']
`},
		args: []string{
			"--bind", "127.0.0.1:PORT", "--worker-class", "gthread", "--threads", "32", "--keep-alive", "60", "--graceful-timeout", "1",
			"--access-logfile", "DIR/log", "--access-logformat", "%(r)s", "--log-file", "DIR/errors", "--chdir", "DIR", "origin:app",
		},
	},
	{
		tool: "puma",
		files: map[string]string{"puma.rb": "persistent_timeout 60\n", "config.ru": `
log = File.open('DIR/log', 'a')
log.sync = true
run lambda { |env|
  log.write("#{env['REQUEST_METHOD']} #{env['REQUEST_URI']}\n")
  env['rack.input'].read
  [200, { 'X-Marker' => env['REQUEST_URI'], 'Content-Length' => '2' }, ['ok']]
}
`},
		args: []string{"--bind", "tcp://127.0.0.1:PORT", "--threads", "16:16", "--environment", "production", "--config", "DIR/puma.rb", "DIR/config.ru"},
	},
	{
		tool: "php",
		files: map[string]string{"origin.php": `<?php
file_put_contents('DIR/log', $_SERVER['REQUEST_METHOD'].' '.$_SERVER['REQUEST_URI']."\n", FILE_APPEND);
header('X-Marker: '.$_SERVER['REQUEST_URI']);
echo 'ok';
`},
		args: []string{"-S", "127.0.0.1:PORT", "-t", "DIR", "DIR/origin.php"},
	},
}

// start runs the origin until stop, which returns the lines of its log, or
// until the test ends.
func (o realOrigin) start(t *testing.T) (addr netip.AddrPort, stop func() []string) {
	t.Helper()
	path := require.Tool(t, o.tool)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = netip.MustParseAddrPort(ln.Addr().String())
	_ = ln.Close()
	dir := t.TempDir()
	fill := strings.NewReplacer("PORT", fmt.Sprint(addr.Port()), "DIR", dir).Replace
	for name, text := range o.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var args []string
	for _, a := range o.args {
		args = append(args, fill(a))
	}
	// A file, because HAProxy drops lines that a pipe does not take at once.
	stdout, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stdout, &stderr
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.WaitDelay = patience // for who holds its output after its end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	var once sync.Once
	end := func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			timer := time.AfterFunc(3*time.Second, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			<-ended
		})
	}
	t.Cleanup(end)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	eventually(t, o.tool+" answers", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", o.tool, stderr.String())
		default:
		}
		resp, err := client.Get("http://" + addr.String() + "/ready")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return addr, func() []string {
		t.Helper()
		end()
		log, err := os.ReadFile(filepath.Join(dir, "log"))
		if errors.Is(err, os.ErrNotExist) {
			log, err = os.ReadFile(stdout.Name())
		}
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool {
			return line == "" || strings.Contains(line, "/ready")
		})
	}
}

// marker is the part of a request target that tells whose request it is: that
// of a payload of HTTP/1.1 or HTTP/2, one that follows it on its connection, or
// one of somebody else's at the same time.
var marker = regexp.MustCompile(`(after-|other-)?(one|two)-[0-9]{3}`)

// tally counts requests by their markers, as clients, the server and the
// origin know them.
type tally struct {
	t  *testing.T
	mu sync.Mutex
	// answered counts the origin's answers that clients have got; guarded by mu.
	answered map[string]int
}

// answer takes a response to the request with a marker, and reports whether it
// is one of the origin's.
func (c *tally) answer(want, markerField, location string) bool {
	got := markerField
	if got == "" {
		got = location
	}
	if got == "" {
		return false
	}
	if m := marker.FindString(got); m != want && m != "" || strings.Contains(got, "smuggled") {
		c.t.Errorf("the request %s has got the answer to %q", want, got)
	}
	c.mu.Lock()
	c.answered[marker.FindString(got)]++
	c.mu.Unlock()
	return true
}

func (c *tally) response(want string, r *http.Response) bool {
	return c.answer(want, r.Header.Get("X-Marker"), r.Header.Get("Location"))
}

// verify compares what clients have got with what the server says it has
// forwarded and the origin that it has read. A request that was broken off on
// its way is one that an origin need not have noted.
func (c *tally) verify(payloads int, access string, lines []string) {
	c.t.Helper()
	forwarded, read, linesOf := map[string]int{}, map[string]int{}, map[string][]string{}
	for line := range strings.Lines(access) {
		var e struct{ Path, Endpoint string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			c.t.Fatalf("access log: %v: %s", err, line)
		}
		if e.Endpoint != "" {
			forwarded[marker.FindString(e.Path)]++
		}
	}
	for _, line := range lines {
		if strings.Contains(line, "smuggled") {
			c.t.Errorf("desync at the origin: %s", line)
		}
		m := marker.FindString(line)
		read[m]++
		linesOf[m] = append(linesOf[m], line)
	}
	all := map[string]bool{}
	total, sent, ofPayloads, following := 0, 0, 0, 0
	for _, m := range []map[string]int{forwarded, read, c.answered} {
		for k := range m {
			all[k] = true
		}
	}
	for k := range all {
		total += read[k]
		sent += forwarded[k]
		switch {
		case strings.HasPrefix(k, "after-"):
			following += c.answered[k]
		case !strings.HasPrefix(k, "other-"):
			ofPayloads += c.answered[k]
		}
		// A refusal by an origin may be noted without the request's target.
		if read[k] < c.answered[k] || read[k] > forwarded[k] && k != "" {
			c.t.Errorf("%s: %d requests forwarded, %d at the origin, %d answers of its: %q", k, forwarded[k], read[k], c.answered[k], linesOf[k])
		}
	}
	c.t.Logf("%d payloads, %d answered; %d requests that follow them answered; %d requests forwarded in all, %d at the origin",
		payloads, ofPayloads, following, sent, total)
	if total > sent {
		c.t.Errorf("%d requests at the origin, %d were forwarded", total, sent)
	}
	if ofPayloads < 80 || following < 200 { // most are refused here already
		c.t.Error("so few that the test tells nothing")
	}
}

// TestSmugglingOrigins sends the payloads to servers that others wrote. Each of
// them is more lenient than RFC 9112 somewhere, so what the strict origin of
// the tests above would refuse may be two requests to one of these.
func TestSmugglingOrigins(t *testing.T) {
	for _, o := range realOrigins {
		t.Run(o.tool, func(t *testing.T) {
			t.Parallel()
			addr, stop := o.start(t)
			var access testkit.Buffer
			w := newWorld(t, oneSite(t, &hostmap.Backend{Namespace: "default", Service: o.tool, Port: "80", Endpoints: []netip.AddrPort{addr}}), func(c *Config) {
				c.AccessLog, c.AccessLogTo = AccessLogJSON, &access
				c.Limits = hostmap.Limits{HeaderTimeout: time.Second, IdleTimeout: time.Second, StallTimeout: time.Second}
			})
			c := &tally{t: t, answered: map[string]int{}}
			one, two := http1Payloads(), http2Payloads()
			var wg sync.WaitGroup
			share := func(workers, n int, work func() func(i int)) {
				next := make(chan int, n)
				for i := range n {
					next <- i
				}
				close(next)
				for range workers {
					wg.Go(func() {
						do := work()
						for i := range next {
							do(i)
						}
					})
				}
			}
			share(12, len(one), func() func(int) {
				other := w.client(message.HTTP1, "a.test")
				return func(i int) {
					c.http1(w, fmt.Sprintf("one-%03d", i), one[i])
					c.other(w, other, fmt.Sprintf("other-one-%03d", i))
				}
			})
			share(2, len(two), func() func(int) {
				other, conn := w.client(message.HTTP1, "a.test"), new(rawH2)
				return func(i int) {
					if conn.nc == nil || len(conn.goAways) > 0 {
						conn = w.rawH2("a.test", nil)
					}
					if !c.http2(conn, fmt.Sprintf("two-%03d", i), two[i]) {
						_ = conn.nc.Close()
						conn = new(rawH2)
					}
					c.other(w, other, fmt.Sprintf("other-two-%03d", i))
				}
			})
			wg.Wait()
			w.stop()
			c.verify(len(one)+len(two), access.String(), stop())
		})
	}
}

// http1 sends a payload on a connection of its own and, where that goes on, a
// request which must get its own answer and be the last.
func (c *tally) http1(w *world, name, payload string) {
	nc, err := net.Dial("tcp", w.http)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second)) // Puma never answers a request line that it does not understand
	payload = mark(payload, name)
	_, _ = io.WriteString(nc, payload)
	br := bufio.NewReader(nc)
	method, _, _ := strings.Cut(payload, " ")
	resp, err := finalResponse(br, method)
	if err != nil {
		return // no answer, or one that breaks off
	}
	answered := c.response(name, resp)
	doubtful := strings.Contains(strings.ToLower(payload), "\r\ntransfer-encoding: chunked") || strings.Contains(payload, "HTTP/1.0\r\n")
	if answered && doubtful && !resp.Close {
		c.t.Errorf("%q is answered, and the connection goes on", payload)
	}
	if !resp.Close {
		fmt.Fprintf(nc, "GET /after-%s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", name)
		resp, err := finalResponse(br, "GET")
		if err != nil {
			return // refused before it was read: see below
		}
		// What a payload has beyond its end may be no request, which is
		// refused and the last, but it is never one for the origin.
		if !c.response("after-"+name, resp) && (resp.StatusCode != http.StatusBadRequest || !resp.Close) {
			c.t.Errorf("after %q: %d, none of the origin's", payload, resp.StatusCode)
		}
	}
	// A refusal of a HEAD that could not be read has content.
	if rest, _ := io.ReadAll(br); strings.Contains(string(rest), "HTTP/1.") {
		c.t.Errorf("%q: more comes after the last answer: %q", payload, rest)
	}
}

// mark puts the marker into the request target of a payload, and its number
// into the smuggled one, which is as long as before.
func mark(text, name string) string {
	return strings.NewReplacer("/x", "/"+name, "/smuggled-000", "/smuggled-"+name[len(name)-3:]).Replace(text)
}

// finalResponse reads one response, past interim ones, and its body.
func finalResponse(br *bufio.Reader, method string) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil || resp.StatusCode < 200 {
			if err != nil {
				return nil, err
			}
			continue
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return resp, err
	}
}

// http2 sends a payload and, where the connection goes on, a request which must
// get its own answer. It reports whether the connection goes on after that.
func (c *tally) http2(conn *rawH2, name string, p http2Payload) bool {
	_ = conn.nc.SetDeadline(time.Now().Add(patience))
	fields := slices.Clone(p.fields)
	for i := range fields {
		fields[i] = mark(fields[i], name)
	}
	// Writing fails where the server has ended the connection, which the
	// answer tells.
	head := func(id uint32, end bool, fields []string) {
		conn.buf.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = conn.enc.WriteField(message.Field(fields[i], fields[i+1]))
		}
		_ = conn.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: conn.buf.Bytes(), EndHeaders: true, EndStream: end})
	}
	ask := func(request string, fields []string, data string, trailers []string) rawAnswer {
		id := conn.next
		conn.next += 2
		head(id, data == "" && trailers == nil, fields)
		if data != "" {
			_ = conn.fr.WriteData(id, trailers == nil, []byte(data))
		}
		if trailers != nil {
			head(id, true, trailers)
		}
		a := conn.answer(id)
		if !c.answer(request, a.header["x-marker"], a.header["location"]) && request != name && !a.gone {
			c.t.Errorf("after %q: %s, none of the origin's", p, a.status)
		}
		return a
	}
	if a := ask(name, fields, mark(p.data, name), p.trailers); a.gone || len(conn.goAways) > 0 {
		return false
	}
	after := "after-" + name
	a := ask(after, []string{":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/" + after}, "", nil)
	return !a.gone && len(conn.goAways) == 0
}

// other asks for what is its own on a connection that no payload is sent on.
func (c *tally) other(w *world, rt http.RoundTripper, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+w.http+"/"+name, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	req.Host = "a.test"
	resp, err := rt.RoundTrip(req)
	if err != nil {
		c.t.Errorf("%s: %v", name, err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if !c.response(name, resp) {
		c.t.Errorf("%s: %d, none of the origin's", name, resp.StatusCode)
	}
}
