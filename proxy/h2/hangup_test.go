package h2

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A TLS client that reads nothing keeps its connection for no longer than the
// limit that it has broken, and the time that a GOAWAY is given: crypto/tls
// would wait for room for its close_notify.
func TestHangUpOnAClientThatReadsNothing(t *testing.T) {
	const stall = 20 * time.Second
	tests := map[string]struct {
		reason string
		within time.Duration
		then   func(fr *http2.Framer, cl *tls.Conn, nc io.Closer)
	}{
		"stall": {ClosedStall, stall + 3*time.Second, func(*http2.Framer, *tls.Conn, io.Closer) {}},
		"flood": {ClosedControlFlood, 2 * lingerTime, func(fr *http2.Framer, _ *tls.Conn, _ io.Closer) {
			for range 2000 {
				if fr.WriteSettings() != nil {
					return
				}
			}
		}},
		"FIN": {ClosedPeer, 2 * lingerTime, func(_ *http2.Framer, _ *tls.Conn, nc io.Closer) {
			nc.(interface{ CloseWrite() error }).CloseWrite()
		}},
		"Close": {ClosedLocal, lingerTime / 2, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reason string
				cfg := &config{
					Limits: Limits{StallTimeout: stall},
					Handle: blob(1 << 20),
				}
				server, client := pipe(20_000)
				srv := tls.Server(NewCork(server), serverTLS(t))
				cl := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
				go srv.Handshake()
				if err := cl.Handshake(); err != nil {
					t.Fatal(err)
				}
				c := cfg.newConn(srv)
				over := make(chan time.Time, 1)
				go func() {
					reason, _ = c.Serve()
					over <- time.Now()
				}()
				ct := &tester{t: t}
				ct.enc = hpack.NewEncoder(&ct.encBuf)
				fr := http2.NewFramer(cl, cl)
				io.WriteString(cl, http2.ClientPreface)
				fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
				fr.WriteSettingsAck()
				fr.WriteWindowUpdate(0, 1<<20)
				fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: ct.block(get...), EndStream: true, EndHeaders: true})
				synctest.Wait()
				begin := time.Now()
				if test.then == nil {
					c.Close()
				} else {
					go test.then(fr, cl, client)
				}
				if d := (<-over).Sub(begin); d > test.within || reason != test.reason {
					t.Errorf("closed after %v because of %s, want %v because of %s", d, reason, test.within, test.reason)
				}
				client.Close()
				time.Sleep(3 * idleWorker) // for the goroutines that are free
			})
		})
	}
}

// A client that reads is told of the end by TLS.
func TestOrderlyEndsSayCloseNotify(t *testing.T) {
	for _, end := range []string{"drain", "EOF"} {
		synctest.Test(t, func(t *testing.T) {
			cfg := &config{Handle: blob(10)}
			server, client := pipe(64 << 10)
			wire := &lastRecord{Conn: client}
			srv := tls.Server(NewCork(server), serverTLS(t))
			// TLS 1.3 would hide what is an alert.
			cl := tls.Client(wire, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12})
			go srv.Handshake()
			if err := cl.Handshake(); err != nil {
				t.Fatal(err)
			}
			c := cfg.newConn(srv)
			go c.Serve()
			fr := http2.NewFramer(cl, cl)
			io.WriteString(cl, http2.ClientPreface)
			fr.WriteSettings()
			fr.WriteSettingsAck()
			synctest.Wait()
			if end == "drain" {
				c.Drain()
			} else {
				cl.CloseWrite()
			}
			if _, err := io.Copy(io.Discard, cl); err != nil {
				t.Errorf("%s: %v", end, err)
			}
			if got := wire.last(); got != 21 { // RFC 5246 section 6.2.1
				t.Errorf("%s: the last record has type %d, want an alert", end, got)
			}
			cl.Close()
		})
	}
}

// lastRecord keeps what is read from a TLS connection's wire.
type lastRecord struct {
	net.Conn
	buf []byte
}

func (l *lastRecord) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.buf = append(l.buf, p[:n]...)
	return n, err
}

// last is the content type of the last whole record.
func (l *lastRecord) last() (last byte) {
	for b := l.buf; len(b) >= 5; {
		n := 5 + int(b[3])<<8 + int(b[4])
		if n > len(b) {
			return last
		}
		last, b = b[0], b[n:]
	}
	return last
}
