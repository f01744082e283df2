package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ingress421/ingress421/internal/testkit"
)

// guardStage guards a controller on a port of this machine that serves
// app.example.test, and other.test under another certificate.
func guardStage(t *testing.T, protocol string, port int32, args ...string) *stage {
	s, _ := folderStage(t, append([]string{"--guard-class", "guarded", "--guard-upstream", "default/controller:80", "--guard-protocol", protocol}, args...)...)
	s.class = "guarded"
	s.put(t, s.ingressClass("somebody.else/controller"), s.service("controller"), s.slice("controller", "127.0.0.1", port, true))
	for name, host := range map[string]string{"app": "app.example.test", "other": "other.test"} {
		s.put(t, s.secret(name, s.ca.Server(t, host)), s.ingress(host, "nobody", name))
	}
	testkit.Eventually(t, "the guard's handshakes", func() string {
		for _, host := range []string{"app.example.test", "other.test"} {
			c, err := s.dial(dialing{serverName: host})
			if err != nil {
				return err.Error()
			}
			c.close()
		}
		return ""
	})
	return s
}

// A WebSocket goes through the guard and the controller behind it, in both
// directions; one that is misdirected is answered 421.
func TestGuardWebSocket(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *stage, backend) int32{"nginx": startNginx, "haproxy": startHAProxy} {
		t.Run(name, func(t *testing.T) {
			app := webSocketEcho(t)
			s := guardStage(t, "http", start(t, nil, app))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			dial := func(host string) (*websocket.Conn, *http.Response, error) {
				return websocket.Dial(ctx, "wss://"+host+"/chat", &websocket.DialOptions{
					Subprotocols: []string{"talk"},
					HTTPClient: &http.Client{Transport: &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
						return (&tls.Dialer{Config: &tls.Config{ServerName: "app.example.test", InsecureSkipVerify: true}}).DialContext(ctx, network, s.https)
					}}},
				})
			}
			c, resp, err := dial("app.example.test")
			if err != nil {
				t.Fatalf("%v, %v", err, resp)
			}
			defer c.CloseNow()
			if c.Subprotocol() != "talk" {
				t.Errorf("subprotocol %q, want talk", c.Subprotocol())
			}
			for _, message := range []string{"one", strings.Repeat("two", 10_000), ""} {
				if err := c.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
					t.Fatal(err)
				}
				if _, got, err := c.Read(ctx); err != nil || string(got) != message {
					t.Fatalf("%d octets came back as %d, %v", len(message), len(got), err)
				}
			}
			if err := c.Close(websocket.StatusGoingAway, "that is all"); err != nil {
				t.Errorf("the closing handshake: %v", err)
			}
			if _, resp, err := dial("other.test"); err == nil || resp == nil || resp.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("on a connection of app.example.test other.test is answered %v, %v, want 421", resp, err)
			}
		})
	}
}

// webSocketEcho is a pod that says what it hears.
func webSocketEcho(t *testing.T) backend {
	ln, address, port := listenLoopback(t)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"talk"}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	})}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return backend{address: address, port: port}
}

// Calls and streams of gRPC go through the guard and the controller behind it,
// with their metadata and statuses; a misdirected one fails as unavailable.
func TestGuardGRPC(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *stage, backend) int32{"nginx": startNginxGRPC, "haproxy": startHAProxyGRPC} {
		t.Run(name, func(t *testing.T) {
			app, state := healthServer(t)
			s := guardStage(t, "h2c", start(t, nil, app))
			client := func(host string) healthgrpc.HealthClient {
				conn, err := grpc.NewClient("passthrough:///"+s.https, grpc.WithAuthority(host),
					grpc.WithTransportCredentials(named{credentials.NewTLS(&tls.Config{ServerName: "app.example.test", InsecureSkipVerify: true})}))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				return healthgrpc.NewHealthClient(conn)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c := client("app.example.test")
			var header, trailer metadata.MD
			got, err := c.Check(metadata.AppendToOutgoingContext(ctx, "asked", "this"), &healthgrpc.HealthCheckRequest{Service: "shop"}, grpc.Header(&header), grpc.Trailer(&trailer))
			if err != nil || got.Status != healthgrpc.HealthCheckResponse_SERVING {
				t.Fatalf("a call: %v, %v", got, err)
			}
			if a, b := strings.Join(header["heard"], ""), strings.Join(trailer["done"], ""); a != "this" || b != "yes" {
				t.Errorf("metadata %v, trailer %v", header, trailer)
			}
			if _, err := c.Check(ctx, &healthgrpc.HealthCheckRequest{Service: "nobody"}); status.Code(err) != codes.NotFound || status.Convert(err).Message() != "unknown service" {
				t.Errorf("the status of a call that fails is %v", err)
			}
			stream, err := c.Watch(ctx, &healthgrpc.HealthCheckRequest{Service: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			for _, next := range []healthgrpc.HealthCheckResponse_ServingStatus{healthgrpc.HealthCheckResponse_SERVING, healthgrpc.HealthCheckResponse_NOT_SERVING, healthgrpc.HealthCheckResponse_SERVING} {
				state.SetServingStatus("shop", next)
				if got, err := stream.Recv(); err != nil || got.Status != next {
					t.Fatalf("the stream says %v, %v, want %v", got, err, next)
				}
			}
			if _, err := client("other.test").Check(ctx, &healthgrpc.HealthCheckRequest{}); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "misdirected") {
				t.Errorf("on a connection of app.example.test a call to other.test ends with %v", err)
			}
		})
	}
}

// named lets a client ask for another authority than its server name, as one
// does that coalesces.
type named struct {
	credentials.TransportCredentials
}

// Info implements credentials.TransportCredentials: no server name is settled.
func (n named) Info() credentials.ProtocolInfo {
	info := n.TransportCredentials.Info()
	info.ServerName = "" //nolint:staticcheck // grpc-go still takes the authority from it
	return info
}

// ClientHandshake implements credentials.TransportCredentials.
func (n named) ClientHandshake(ctx context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return n.TransportCredentials.ClientHandshake(ctx, "app.example.test", c)
}

// healthServer is a pod that speaks gRPC: of the service "shop", which it says is
// healthy, and which can be made to fall ill.
func healthServer(t *testing.T) (backend, *health.Server) {
	ln, address, port := listenLoopback(t)
	state := health.NewServer()
	state.SetServingStatus("shop", healthgrpc.HealthCheckResponse_SERVING)
	srv := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		_ = grpc.SetHeader(ctx, metadata.Pairs("heard", strings.Join(md["asked"], "")))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("done", "yes"))
		return handler(ctx, req)
	}))
	healthgrpc.RegisterHealthServer(srv, state)
	go srv.Serve(ln)
	t.Cleanup(srv.Stop)
	return backend{address: address, port: port}, state
}

func startNginxGRPC(t *testing.T, _ *stage, app backend) int32 {
	return startNginxWith(t, app, `
  server {
    listen 127.0.0.1:%[1]d http2;
    location / { grpc_pass grpc://127.0.0.1:%[2]d; }
  }`)
}

func startHAProxyGRPC(t *testing.T, _ *stage, app backend) int32 {
	return startHAProxyWith(t, app, "proto h2")
}

// What passes arrives octet for octet as it was sent, but for the case of field
// names, dot segments, and the fields that the guard answers for; and so does
// what comes back.
func TestGuardPassesOctets(t *testing.T) {
	const (
		sent = "PUT /a/../b//c%2Fd?q=%41&r=1;2/../ HTTP/1.1\r\n" +
			"Host: app.example.test\r\n" +
			"X-One: first\r\n" +
			"Cookie: a=1; b=\"2\"\r\n" +
			"Authorization: Bearer abc==\r\n" +
			"X-Two:  spaces  inside \r\n" +
			"X-One: second\r\n" +
			"X-Forwarded-For: 192.0.2.1\r\n" +
			"X-Forwarded-Proto: http\r\n" +
			"Content-Type: text/plain\r\n" +
			"Content-Length: 7\r\n\r\n" +
			"content"
		arrives = "PUT /b//c%2Fd?q=%41&r=1;2/../ HTTP/1.1\r\n" +
			"host: app.example.test\r\n" +
			"x-one: first\r\n" +
			"cookie: a=1; b=\"2\"\r\n" +
			"authorization: Bearer abc==\r\n" +
			"x-two: spaces  inside\r\n" +
			"x-one: second\r\n" +
			"content-type: text/plain\r\n" +
			"x-forwarded-for: 127.0.0.1\r\n" +
			"x-forwarded-proto: https\r\n" +
			"x-forwarded-host: app.example.test\r\n" +
			"x-forwarded-port: 443\r\n" +
			"x-real-ip: 127.0.0.1\r\n" +
			"cdn-loop: ingress421-*\r\n" +
			"content-length: 7\r\n\r\n" +
			"content"
		answered = "HTTP/1.1 203 Non-Authoritative Information\r\n" +
			"X-Out: one\r\n" +
			"Set-Cookie: a=1; Path=/\r\n" +
			"Set-Cookie: b=2\r\n" +
			"X-Out: two\r\n" +
			"Server: theirs\r\n" +
			"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" +
			"Content-Length: 5\r\n\r\n" +
			"there"
	)
	ln, _, port := listenLoopback(t)
	t.Cleanup(func() { ln.Close() })
	arrived := make(chan string, 1)
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		got := make([]byte, len(arrives)+len("01234567")-len("*"))
		n, _ := io.ReadFull(nc, got)
		_, _ = io.WriteString(nc, answered)
		arrived <- string(got[:n])
	}()
	s := guardStage(t, "http", port)
	c := s.open(t, dialing{serverName: "app.example.test", http1: true})
	if err := c.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c.nc, sent); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(answered))
	if _, err := io.ReadFull(c.nc, got); err != nil {
		t.Fatal(err)
	}
	there := regexp.MustCompile("(cdn-loop: ingress421-)[0-9a-f]{8}\r").ReplaceAllString(<-arrived, "$1*\r")
	if diff := cmp.Diff(arrives, there); diff != "" {
		t.Errorf("what arrives (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.ToLower(answered), strings.ToLower(string(got))); diff != "" {
		t.Errorf("what comes back (-want +got):\n%s", diff)
	}
}
