package browsers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ingress421/ingress421/internal/testkit"
	"github.com/ingress421/ingress421/test/require"
)

// client is one that a program uses. It takes these steps with one pool of
// connections, and says what the program got of each: a status, or "failed:"
// and why.
//
//	page, share   a request for each host, made as always
//	get, post     one that is answered 421, with either method
//	after         one more on the connection that had the 421, for a host it may serve
//	locked        a request for a host that asks for a client certificate
//
// A client that never shares a connection meets a 421 only when its program
// sets the authority of a request, as curl's may with --header Host; and one
// that does not let it, when it asks for a host that is served nowhere. The
// server cannot tell the difference: what the client does then is what it does
// about any 421.
type client struct {
	name string
	take func(t *testing.T, w *world) outcome
	// The hosts that the steps ask for; after "" is no such step.
	share, get, post, after string
}

// outcome is what a client program writes.
type outcome struct {
	Version string            `json:"version"`
	Got     map[string]string `json:"got"`
}

func clients() []client {
	return []client{
		{"curl, HTTP/2", curl("--http2"), "share", "get", "post", "after"},
		{"curl, HTTP/1.1", curl("--http1.1"), "share", "get", "post", "after"},
		{"Go net/http", goClient, "share", "get", "post", "after"},
		{"Node fetch (undici)", node("fetch"), "share", nowhere, nowhere, ""},
		{"Node http2", node("http2"), "share", "get", "post", "after"},
		{"Java HttpClient", java, "share", nowhere, nowhere, ""},
		{"grpc-go", grpcGo, "share-grpc", "grpc", "grpc", "after-grpc"},
	}
}

// run runs a program of ours that writes an outcome.
func run(t *testing.T, env []string, program string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(append(os.Environ(), "HOME="+t.TempDir()), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, &stderr)
	}
	var o outcome
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%s %v: %v: %q\n%s", program, args, err, out, &stderr)
	}
	return o
}

func node(what string) func(t *testing.T, w *world) outcome {
	return func(t *testing.T, w *world) outcome {
		return run(t, []string{"NODE_EXTRA_CA_CERTS=" + w.caFile}, require.Tool(t, "node"), "clients.mjs", what, strconv.Itoa(w.port), w.caFile)
	}
}

func java(t *testing.T, w *world) outcome {
	var names bytes.Buffer
	for _, name := range fullNames() {
		fmt.Fprintf(&names, "127.0.0.1 %s\n", name)
	}
	hostsFile := filepath.Join(t.TempDir(), "hosts")
	write(t, hostsFile, names.Bytes())
	return run(t, nil, require.Tool(t, "java"), "-Djdk.net.hosts.file="+hostsFile, "-Djdk.httpclient.allowRestrictedHeaders=host",
		"Client.java", strconv.Itoa(w.port), w.caFile)
}

// curl takes all steps in one process, because its pool ends with it.
func curl(protocol string) func(t *testing.T, w *world) outcome {
	return func(t *testing.T, w *world) outcome {
		tool := require.Tool(t, "curl")
		body := filepath.Join(t.TempDir(), "body")
		write(t, body, bytes.Repeat([]byte("x"), 1<<16))
		var args, steps []string
		ask := func(step, name string, more ...string) {
			if steps != nil {
				args = append(args, "--next")
			}
			steps = append(steps, step)
			args = append(args, "--silent", "--cacert", w.caFile, protocol, "--max-time", "60",
				"--output", os.DevNull, "--write-out", "%{http_code} %{exitcode}\n", w.url(name, "/echo"))
			for _, full := range fullNames() {
				args = append(args, "--resolve", fmt.Sprintf("%s:%d:127.0.0.1", full, w.port))
			}
			args = append(args, more...)
		}
		host := func(name string) string { return fmt.Sprintf("Host: %s:%d", fullName(name), w.port) }
		ask("page", "page")
		ask("share", "share")
		ask("page-get", "page-get")
		ask("get", "page-get", "--header", host("get"))
		ask("after", "page-get", "--header", host("after"))
		ask("page-post", "page-post")
		ask("post", "page-post", "--header", host("post"), "--data-binary", "@"+body)
		ask("locked", "locked")
		ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, tool, append([]string{"--disable"}, args...)...)
		// The exit code is that of the last transfer, which must fail.
		out, _ := cmd.Output()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) != len(steps) {
			t.Fatalf("curl wrote %q, want %d lines", out, len(steps))
		}
		o := outcome{Got: make(map[string]string)}
		for i, step := range steps {
			code, exit, _ := strings.Cut(lines[i], " ")
			if o.Got[step] = code; exit != "0" {
				o.Got[step] = "failed: exit code " + exit
			}
		}
		version, err := exec.Command(tool, "--version").Output()
		if err != nil {
			t.Fatal(err)
		}
		o.Version = strings.Fields(string(version))[1]
		return o
	}
}

func roots(t *testing.T, w *world) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(w.ca.PEM) {
		t.Fatal("no CA certificate")
	}
	return pool
}

func goClient(t *testing.T, w *world) outcome {
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots(t, w)},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", w.port))
		},
	}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: patience}
	o := outcome{Version: strings.TrimPrefix(runtime.Version(), "go"), Got: make(map[string]string)}
	// net/http writes a line about each frame that it does not know.
	var logged testkit.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	ask := func(step, name, host, method string, body []byte) {
		req, err := http.NewRequest(method, w.url(name, "/echo"), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = fmt.Sprintf("%s:%d", fullName(host), w.port)
		}
		resp, err := c.Do(req)
		if err != nil {
			o.Got[step] = "failed: " + err.Error()
			return
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			o.Got[step] = "failed: " + err.Error()
			return
		}
		o.Got[step] = strconv.Itoa(resp.StatusCode)
	}
	ask("page", "page", "", http.MethodGet, nil)
	ask("share", "share", "", http.MethodGet, nil)
	ask("page-get", "page-get", "", http.MethodGet, nil)
	ask("get", "page-get", "get", http.MethodGet, nil)
	ask("after", "page-get", "after", http.MethodGet, nil)
	ask("page-post", "page-post", "", http.MethodGet, nil)
	ask("post", "page-post", "post", http.MethodPost, bytes.Repeat([]byte("x"), 1<<16))
	ask("locked", "locked", "", http.MethodGet, nil)
	o.Got["log"] = logged.String()
	return o
}

// health is the backend of the gRPC hosts: grpc-go's health service.
func health() http.Handler {
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, grpchealth.NewServer())
	return srv
}

// grpcGo asks by CallAuthority, which is grpc-go's way to share a connection:
// it sends what the server's certificate covers.
func grpcGo(t *testing.T, w *world) outcome {
	o := outcome{Version: grpc.Version, Got: make(map[string]string)}
	authority := func(name string) string { return fmt.Sprintf("%s:%d", fullName(name), w.port) }
	dial := func(name string) grpc_health_v1.HealthClient {
		conn, err := grpc.NewClient("passthrough:///"+fmt.Sprintf("127.0.0.1:%d", w.port), grpc.WithAuthority(authority(name)),
			grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots(t, w)})))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return grpc_health_v1.NewHealthClient(conn)
	}
	ask := func(step string, c grpc_health_v1.HealthClient, options ...grpc.CallOption) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := c.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, options...)
		o.Got[step] = status.Code(err).String()
	}
	page := dial("page-grpc")
	ask("page", page)
	ask("share", dial("share-grpc"))
	ask("get", page, grpc.CallAuthority(authority("grpc")))
	ask("after", page, grpc.CallAuthority(authority("after-grpc")))
	ask("locked", dial("locked"))
	o.Got["post"] = o.Got["get"] // all calls are POST
	return o
}
