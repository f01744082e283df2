package edge

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
)

// handshakeOnce does one handshake in memory and returns the client's view of
// it, once its session ticket has come.
func handshakeOnce(t testing.TB, h *handshaker, cfg *tls.Config) tls.ConnectionState {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	done := make(chan error, 1)
	go func() {
		tc := h.server(&Conn{Conn: server})
		_, err := tc.Write([]byte{'x'})
		done <- err
		_, _ = io.Copy(io.Discard, tc)
	}()
	tc := tls.Client(client, cfg)
	if _, err := io.ReadFull(tc, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return tc.ConnectionState()
}

func testHandshaker(m *hostmap.Map) *handshaker {
	return newHandshaker(func() *hostmap.Map { return m })
}

// Ticket keys are renewed daily, and a week ends every session: what leaks of
// a key is not good for longer.
func TestTicketKeysRotate(t *testing.T) {
	m := shop(t)
	h := testHandshaker(m)
	now := time.Now()
	h.base.Time = func() time.Time { return now }
	cfg := &tls.Config{
		ServerName: "a.test", NextProtos: []string{"h2"}, InsecureSkipVerify: true, //nolint:gosec // a test of the server
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	for _, step := range []struct {
		after   time.Duration
		resumed bool
	}{{0, false}, {time.Hour, true}, {30 * time.Hour, true}, {8 * 24 * time.Hour, false}, {0, true}} {
		now = now.Add(step.after)
		if got := handshakeOnce(t, h, cfg); got.DidResume != step.resumed {
			t.Errorf("%v later: resumed %v, want %v", step.after, got.DidResume, step.resumed)
		}
	}
}

// Whatever two connections are about, their tickets are bound alike only if
// site, leaf and policy are the same.
func FuzzBinding(f *testing.F) {
	f.Add("a.test", "b.test", []byte{1}, []byte{1}, []byte{2}, []byte{2})
	f.Add("", "a", []byte("a"), []byte{}, []byte{}, []byte("a"))
	f.Add("", hostmap.LabelDefault, []byte{}, []byte{}, []byte{}, []byte{})
	f.Add("", hostmap.LabelUnserved, []byte{}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, hostA, hostB string, leafA, leafB, policyA, policyB []byte) {
		make := func(host string, leaf, policy []byte) (*hostmap.Site, *hostmap.Certificate, hostmap.PolicyID, []byte) {
			s, c, p := &hostmap.Site{Host: host}, &hostmap.Certificate{}, hostmap.PolicyID{}
			copy(c.Fingerprint[:], leaf)
			copy(p[:], policy)
			return s, c, p, bind(s, c, p)
		}
		_, certA, idA, a := make(hostA, leafA, policyA)
		_, certB, idB, b := make(hostB, leafB, policyB)
		same := hostA == hostB && certA.Fingerprint == certB.Fingerprint && idA == idB
		if bytes.Equal(a, b) != same {
			t.Errorf("%q and %q: bound alike %v, the same %v", hostA, hostB, bytes.Equal(a, b), same)
		}
		if bytes.Equal(a, bind(nil, certA, idA)) {
			t.Errorf("%q is bound as no site is", hostA)
		}
	})
}

// FuzzTicket: a ticket that a client has changed, or made, is no session, and
// never an error.
func FuzzTicket(f *testing.F) {
	m := shop(f)
	h := testHandshaker(m)
	cfg, err := h.config(&tls.ClientHelloInfo{ServerName: "a.test", Conn: h2.NewCork(&Conn{Conn: discard{}})})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{7}, 200))
	f.Fuzz(func(t *testing.T, identity []byte) {
		if ss, err := cfg.UnwrapSession(identity, tls.ConnectionState{}); ss != nil || err != nil {
			t.Errorf("%x: %v %v", identity, ss, err)
		}
	})
}

type discard struct{ net.Conn }

// BenchmarkHandshake compares a handshake of ours with that of a tls.Config
// which knows nothing: the facts and the binding of tickets are the difference.
func BenchmarkHandshake(b *testing.B) {
	ca := newAuthority(b)
	leaf := ca.serverCert("a", "a.test")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{leaf}}),
	}})
	h := testHandshaker(m)
	plain := &tls.Config{Certificates: []tls.Certificate{leaf.KeyPair}, NextProtos: alpnProtocols, MinVersion: tls.VersionTLS12}
	for _, resumed := range []bool{false, true} {
		name := "full"
		if resumed {
			name = "resumed"
		}
		run := func(b *testing.B, server func(net.Conn) *tls.Conn) {
			cfg := &tls.Config{ServerName: "a.test", NextProtos: []string{"h2"}, InsecureSkipVerify: true} //nolint:gosec // a benchmark of the server
			if resumed {
				cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			}
			once := func() tls.ConnectionState {
				c, s := net.Pipe()
				defer c.Close()
				go func() {
					tc := server(s)
					_, _ = tc.Write([]byte{'x'})
					_ = s.Close()
				}()
				tc := tls.Client(c, cfg)
				if _, err := io.ReadFull(tc, make([]byte, 1)); err != nil {
					b.Fatal(err)
				}
				return tc.ConnectionState()
			}
			once()
			b.ReportAllocs()
			for b.Loop() {
				if got := once(); got.DidResume != resumed {
					b.Fatalf("resumed %v", got.DidResume)
				}
			}
		}
		b.Run(name+"/ours", func(b *testing.B) {
			run(b, func(nc net.Conn) *tls.Conn { return h.server(&Conn{Conn: nc}) })
		})
		b.Run(name+"/plain", func(b *testing.B) {
			run(b, func(nc net.Conn) *tls.Conn { return tls.Server(nc, plain) })
		})
	}
}
