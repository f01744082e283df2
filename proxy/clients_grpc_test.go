package proxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// rawCodec is a gRPC codec whose messages are octets.
type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	p, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("marshal %T", v)
	}
	return *p, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	p, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("unmarshal %T", v)
	}
	*p = append([]byte(nil), data...)
	return nil
}

// talker is a gRPC service of one method of each kind. canceled takes the
// error of calls to Hold.
type talker struct{ held, canceled chan error }

func (s *talker) desc() *grpc.ServiceDesc {
	unary := func(name string, f func(context.Context, []byte) ([]byte, error)) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var in []byte
			if err := dec(&in); err != nil {
				return nil, err
			}
			out, err := f(ctx, in)
			return &out, err
		}}
	}
	stream := func(name string, f func(grpc.ServerStream) error) grpc.StreamDesc {
		return grpc.StreamDesc{StreamName: name, ClientStreams: true, ServerStreams: true, Handler: func(_ any, ss grpc.ServerStream) error { return f(ss) }}
	}
	return &grpc.ServiceDesc{
		ServiceName: "test.Talker", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			unary("Echo", func(ctx context.Context, in []byte) ([]byte, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", strings.Join(md.Get("x-sent"), ","), "x-bin", "\x00\xff"))
				return in, nil
			}),
			unary("Fail", func(context.Context, []byte) ([]byte, error) {
				return nil, status.Error(codes.NotFound, "no such thing: ü %")
			}),
			unary("Hold", func(ctx context.Context, _ []byte) ([]byte, error) {
				s.held <- nil
				<-ctx.Done()
				s.canceled <- ctx.Err()
				return nil, ctx.Err()
			}),
		},
		Streams: []grpc.StreamDesc{
			stream("Collect", func(ss grpc.ServerStream) error {
				n := 0
				for {
					var in []byte
					if err := ss.RecvMsg(&in); errors.Is(err, io.EOF) {
						out := fmt.Append(nil, n)
						return ss.SendMsg(&out)
					} else if err != nil {
						return err
					}
					n += len(in)
				}
			}),
			stream("Emit", func(ss grpc.ServerStream) error {
				var in []byte
				if err := ss.RecvMsg(&in); err != nil {
					return err
				}
				for range 100 {
					if err := ss.SendMsg(&in); err != nil {
						return err
					}
				}
				return nil
			}),
			stream("Chat", func(ss grpc.ServerStream) error {
				for {
					var in []byte
					if err := ss.RecvMsg(&in); errors.Is(err, io.EOF) {
						return status.Error(codes.Aborted, "enough")
					} else if err != nil {
						return err
					}
					if err := ss.SendMsg(&in); err != nil {
						return err
					}
				}
			}),
		},
	}
}

// TestGRPC runs grpc-go's client against grpc-go's server through us, over
// HTTP/2 in cleartext and over TLS.
func TestGRPC(t *testing.T) {
	for _, protocol := range []hostmap.Protocol{hostmap.GRPC, hostmap.GRPCS} {
		t.Run(protocol.String(), func(t *testing.T) { testGRPC(t, protocol) })
	}
}

func testGRPC(t *testing.T, protocol hostmap.Protocol) {
	ca := newAuthority(t)
	var options []grpc.ServerOption
	if protocol == hostmap.GRPCS {
		key := ca.serverCert("backend", "a.test").KeyPair
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&key)))
	}
	talk := &talker{held: make(chan error, 1), canceled: make(chan error, 1)}
	srv := grpc.NewServer(append(options, grpc.ForceServerCodec(rawCodec{}))...)
	srv.RegisterService(talk.desc(), talk)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	b := &hostmap.Backend{
		Namespace: "default", Service: "grpc", Port: "80", Protocol: protocol,
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort(ln.Addr().String())},
	}
	var access testkit.Buffer
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{ca.serverCert("a", "a.test")}, Routes: routeTo(b)}),
		hostmap.NewSite(hostmap.Site{Host: "c.test", Certificates: []*hostmap.Certificate{ca.serverCert("c", "c.test")}, Routes: routeTo(b)}),
	}}), func(c *Config) { c.AccessLog, c.AccessLogTo = AccessLogJSON, &access })
	dial := func(authority string) *grpc.ClientConn {
		cc, err := grpc.NewClient("passthrough:///"+w.https, grpc.WithAuthority(authority),
			grpc.WithTransportCredentials(lenient{credentials.NewTLS(&tls.Config{ServerName: "a.test", RootCAs: ca.pool})}),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		return cc
	}
	cc := dial("a.test")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	open := func(ctx context.Context, method string) grpc.ClientStream {
		t.Helper()
		cs, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Talker/"+method)
		if err != nil {
			t.Fatal(err)
		}
		return cs
	}
	small, large := []byte("hello"), []byte(strings.Repeat("x", 1<<20))

	t.Run("unary", func(t *testing.T) {
		for _, in := range [][]byte{small, {}, large} {
			var out []byte
			var trailer metadata.MD
			err := cc.Invoke(metadata.AppendToOutgoingContext(ctx, "x-sent", "42"), "/test.Talker/Echo", &in, &out, grpc.Trailer(&trailer))
			if err != nil || string(out) != string(in) {
				t.Fatalf("%d octets back of %d: %v", len(out), len(in), err)
			}
			if got := trailer.Get("x-trailer"); len(got) != 1 || got[0] != "42" || len(trailer.Get("x-bin")) != 1 || trailer.Get("x-bin")[0] != "\x00\xff" {
				t.Errorf("trailer %v", trailer)
			}
		}
	})
	t.Run("an error without a body", func(t *testing.T) {
		var out []byte
		err := cc.Invoke(ctx, "/test.Talker/Fail", &small, &out)
		if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != "no such thing: ü %" {
			t.Errorf("%v", err)
		}
		err = cc.Invoke(ctx, "/test.Talker/None", &small, &out)
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("unknown method: %v", err)
		}
	})
	t.Run("client streaming", func(t *testing.T) {
		cs := open(ctx, "Collect")
		for range 20 {
			if err := cs.SendMsg(&large); err != nil {
				t.Fatal(err)
			}
		}
		if err := cs.CloseSend(); err != nil {
			t.Fatal(err)
		}
		var out []byte
		if err := cs.RecvMsg(&out); err != nil || string(out) != fmt.Sprint(20<<20) {
			t.Errorf("%s: %v", out, err)
		}
	})
	t.Run("server streaming", func(t *testing.T) {
		cs := open(ctx, "Emit")
		in := []byte(strings.Repeat("y", 100_000))
		if err := cs.SendMsg(&in); err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			var out []byte
			err := cs.RecvMsg(&out)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n += len(out)
		}
		if n != 100*len(in) {
			t.Errorf("%d octets", n)
		}
	})
	t.Run("both ways", func(t *testing.T) {
		cs := open(ctx, "Chat")
		for i := range 50 {
			in, out := fmt.Append(nil, "message ", i), []byte(nil)
			if err := cs.SendMsg(&in); err != nil {
				t.Fatal(err)
			}
			// Each is answered before the next is sent: nothing may wait.
			if err := cs.RecvMsg(&out); err != nil || string(out) != string(in) {
				t.Fatalf("%q: %v", out, err)
			}
		}
		_ = cs.CloseSend()
		var out []byte
		if err := cs.RecvMsg(&out); status.Code(err) != codes.Aborted {
			t.Errorf("end: %v", err)
		}
	})
	t.Run("cancellation", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			<-talk.held
			cancel()
		}()
		var out []byte
		if err := cc.Invoke(ctx, "/test.Talker/Hold", &small, &out); status.Code(err) != codes.Canceled {
			t.Errorf("%v", err)
		}
		select {
		case <-talk.canceled:
		case <-time.After(patience):
			t.Error("the backend still works for a client that has gone")
		}
	})
	t.Run("deadline", func(t *testing.T) {
		const timeout = 500 * time.Millisecond
		begin := time.Now()
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		var out []byte
		err := cc.Invoke(ctx, "/test.Talker/Hold", &small, &out)
		// Both ends keep the same time: the backend's reset may come a moment
		// before the client's own end of it.
		first := status.Code(err) == codes.Unavailable && time.Since(begin) > timeout*9/10
		if status.Code(err) != codes.DeadlineExceeded && !first {
			t.Errorf("%v", err)
		}
		<-talk.held
		select {
		case err := <-talk.canceled: // by grpc-timeout or by a reset
			t.Log("at the backend:", err)
		case <-time.After(patience):
			t.Error("the backend still works for a client that has gone")
		}
	})
	t.Run("misdirected", func(t *testing.T) {
		var out []byte
		err := dial("c.test").Invoke(ctx, "/test.Talker/Echo", &small, &out)
		if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "misdirected request: certificate" {
			t.Errorf("%v", err)
		}
	})
	w.stop()
	for path, statuses := range map[string][]string{"Echo": {"0", "0", "0", "14"}, "Fail": {"5"}, "None": {"12"}, "Chat": {"10"}} {
		var got []string
		for line := range strings.Lines(access.String()) {
			var said struct {
				Path   string `json:"path"`
				Status string `json:"grpc_status"`
			}
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				t.Fatal(err)
			}
			if said.Path == "/test.Talker/"+path {
				got = append(got, said.Status)
			}
		}
		if !slices.Equal(got, statuses) {
			t.Errorf("the log has for %s the statuses %q, want %q", path, got, statuses)
		}
	}
}

// lenient lets a client say an authority that is not its server name, as a
// client that coalesces does: grpc-go's own check is the client's.
type lenient struct {
	credentials.TransportCredentials
}

func (l lenient) ClientHandshake(ctx context.Context, _ string, nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return l.TransportCredentials.ClientHandshake(ctx, "a.test", nc)
}

func (l lenient) Info() credentials.ProtocolInfo {
	info := l.TransportCredentials.Info()
	info.ServerName = "" //nolint:staticcheck // grpc-go still takes the authority from it
	return info
}

func (l lenient) Clone() credentials.TransportCredentials {
	return lenient{l.TransportCredentials.Clone()}
}
