package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestHeldHeaders holds 1,200 answered requests open with a window of zero,
// once with one field each and then with header lists that cost the client
// some octets and a careless server kilobytes ("HTTP/2 bomb",
// CVE-2026-49975). What the lists add must stay under 1 MiB a connection.
func TestHeldHeaders(t *testing.T) {
	const conns, streams = 12, 100
	b := tcpBackend(t, "b", func(nc net.Conn) {
		var p [2 << 10]byte
		seen := 0 // octets of the head's end
		for {
			n, err := nc.Read(p[:])
			if err != nil {
				return
			}
			for _, c := range p[:n] {
				if c == "\r\n\r\n"[seen] {
					seen++
				} else if seen = 0; c == '\r' {
					seen = 1
				}
				if seen == 4 {
					seen = 0
					if _, err := io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
						return
					}
				}
			}
		}
	})
	repeat := func(n int, fields ...string) (out []string) {
		for range n {
			out = append(out, fields...)
		}
		return out
	}
	m := oneSite(t, b)
	hold := func(name string, fields []string) uint64 {
		w := newWorld(t, m, nil)
		defer w.stop()
		attackers := make([]*attacker, conns)
		for i := range attackers {
			a := w.attacker(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			attackers[i] = a
			for id := range uint32(streams) {
				a.headers(2*id+1, true, "/", fields...)
			}
			a.flush()
			eventually(t, name+": every request is answered", func() bool { return a.heads.Load() == streams })
		}
		good := w.neighbour("a.test")
		good.unharmed(t)
		var stats runtime.MemStats
		for range 3 { // what pools hold goes after two
			runtime.GC()
		}
		runtime.ReadMemStats(&stats)
		for _, a := range attackers {
			_ = a.nc.Close()
		}
		return stats.HeapAlloc
	}
	one := hold("one field", []string{"x", "y"})
	for _, tt := range []struct {
		name   string
		fields []string
	}{
		{"15 copies of 4 KB", repeat(15, "x", strings.Repeat("v", 4000))},
		{"190 fields", repeat(190, "x", "y")},
		{"190 cookie crumbs", repeat(190, "cookie", "a=b")},
		{"190 times accept", repeat(190, "accept", "*/*")},
		{"a user agent of 14 KB", []string{"user-agent", strings.Repeat("v", 14_000)}},
	} {
		held := hold(tt.name, tt.fields)
		grown := max(0, int64(held)-int64(one))
		t.Logf("%s: %d KiB more a connection than one field each", tt.name, grown/conns>>10)
		if grown > conns<<20 {
			t.Errorf("%s: %d octets more a connection", tt.name, grown/conns)
		}
	}

	w := newWorld(t, m, nil)
	for name, fields := range map[string][]string{
		"1,000 fields": repeat(1000, "x", "y"), "1,000 crumbs": repeat(1000, "cookie", "a=b"),
		"40 copies of 4 KB": repeat(40, "x", strings.Repeat("v", 4000)),
	} {
		a := w.rawH2("a.test", nil).get("https", "a.test", "/", fields...)
		if a.status != "431" || a.header["server"] != "ingress421" || a.header["date"] == "" {
			t.Errorf("%s: %+v, want 431 from ingress421", name, a)
		}
	}
}

// TestSlowReader: responses for which the client gives no window are given up
// after the stall timeout, with all that they held.
func TestSlowReader(t *testing.T) {
	const stall, streams = time.Second, 20
	var running atomic.Int64
	big := make([]byte, 4<<20)
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/big" {
			running.Add(1)
			defer running.Add(-1)
			_, _ = w.Write(big)
		}
	}))
	w := newWorld(t, oneSite(t, b), func(c *Config) { c.Limits.StallTimeout = stall })
	good := w.neighbour("a.test")
	before := goroutines()
	for name, window := range map[string]uint32{"no stream window": 0, "no connection window": 1 << 20} {
		a := w.attacker(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
		for id := range uint32(streams) {
			a.headers(2*id+1, true, "/big")
		}
		a.flush()
		eventually(t, "the responses have begun", func() bool { return a.heads.Load() == streams })
		begun := time.Now()
		eventually(t, "every stream is reset", func() bool { return a.ends.Load() == streams })
		eventually(t, "the backend is free", func() bool { return running.Load() == 0 })
		took := time.Since(begun)
		t.Logf("%s: freed after %v", name, took.Round(time.Millisecond))
		if took < stall/2 || took > stall+time.Second+good.machine() {
			t.Errorf("%s: freed after %v, want %v, at most a second more", name, took, stall)
		}
		_ = a.nc.Close()
	}
	// The good client may come to have another connection to its backend.
	eventually(t, "no more goroutines than before", func() bool { return goroutines() <= before+streams/2 })
	good.unharmed(t)
}

// slow is one way to keep a server waiting.
type slow struct {
	name    string
	tls     string // the protocol after a handshake; "": none, "-": cleartext
	say     []byte
	trickle byte // then one of these every 50 ms
	deaf    bool // read nothing
}

func slowWays(t *testing.T) []slow {
	preface := []byte(http2.ClientPreface)
	frames := func(f func(fr *http2.Framer, a *attacker)) []byte {
		var b bytes.Buffer
		b.WriteString(http2.ClientPreface)
		a := newBlocks(t)
		fr := http2.NewFramer(&b, nil)
		_ = fr.WriteSettings()
		_ = fr.WriteSettingsAck()
		f(fr, a)
		return b.Bytes()
	}
	head := []string{":scheme", "https", ":authority", "a.test", ":path", "/read", ":method"}
	hello := firstFlight(t)
	return []slow{
		{name: "nothing at all"},
		{name: "half a ClientHello", say: hello[:len(hello)/2]},
		{name: "a ClientHello that trickles", say: hello[:5], trickle: 1},
		{name: "no preface", tls: "h2"},
		{name: "half a preface", tls: "h2", say: preface[:10]},
		{name: "no SETTINGS", tls: "h2", say: preface},
		{name: "no acknowledgement", tls: "h2", say: append(append([]byte{}, preface...), 0, 0, 0, 4, 0, 0, 0, 0, 0)},
		{name: "half a HEADERS frame", tls: "h2", say: append(frames(func(*http2.Framer, *attacker) {}), 0, 0, 9, 1, 4, 0, 0, 0, 1, 0x82)},
		{name: "half a header block", tls: "h2", say: frames(func(fr *http2.Framer, a *attacker) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.block(append(head, "GET")...)})
		})},
		{name: "a HEADERS frame that trickles", tls: "h2", trickle: 0x82, say: append(frames(func(*http2.Framer, *attacker) {}), 0, 1, 0, 1, 4, 0, 0, 0, 1)},
		{name: "half a body", tls: "h2", say: frames(func(fr *http2.Framer, a *attacker) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: a.block(append(head, "POST")...)})
			_ = fr.WriteData(1, false, []byte("x"))
		})},
		{name: "a large response unread", tls: "h2", deaf: true, say: frames(func(fr *http2.Framer, a *attacker) {
			_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			_ = fr.WriteWindowUpdate(0, 1<<30)
			head[5] = "/big"
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: a.block(append(head, "GET")...)})
		})},
		{name: "no request", tls: "http/1.1"},
		{name: "half a head", tls: "http/1.1", say: []byte("GET / HTTP/1.1\r\nHost: a.test\r\nX: ")},
		{name: "a head that trickles", tls: "http/1.1", say: []byte("GET / HTTP/1.1\r\nHost: a.test\r\nX: "), trickle: 'x'},
		{name: "half a body", tls: "http/1.1", say: []byte("POST /read HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nx")},
		{name: "half a chunk", tls: "http/1.1", say: []byte("POST /read HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx")},
		{name: "a large response unread", tls: "http/1.1", deaf: true, say: []byte("GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n")},
		{name: "nothing in cleartext", tls: "-"},
		{name: "half a head in cleartext", tls: "-", say: []byte("GET / HTTP/1.1\r\nHost: a.test\r\n")},
	}
}

// newBlocks is an attacker without a connection, to encode header blocks.
func newBlocks(t *testing.T) *attacker {
	a := &attacker{t: t}
	a.enc = hpack.NewEncoder(&a.buf)
	return a
}

// firstFlight is a ClientHello for a.test.
func firstFlight(t *testing.T) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: "a.test", NextProtos: []string{"h2"}}).Handshake()
	}()
	p := make([]byte, 16<<10)
	n, err := server.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return p[:n]
}

// TestSlowloris keeps the server waiting in every way there is, on hundreds of
// connections at once. Each of them must be gone a second after the time for it
// is over, with its descriptors, and a good client must not notice. Package e2e
// has the thousands, on the built binary.
func TestSlowloris(t *testing.T) {
	const timeout, each = time.Second, 12
	big := make([]byte, 64<<20)
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/big":
			_, _ = w.Write(big)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}))
	w := newWorld(t, oneSite(t, b), func(c *Config) {
		c.Limits = hostmap.Limits{
			HandshakeTimeout: timeout, PrefaceTimeout: timeout, HeaderTimeout: timeout,
			IdleTimeout: timeout, StallTimeout: timeout,
		}
	})
	good := w.neighbour("a.test")
	before, fds := goroutines(), descriptors()
	var wg, opened sync.WaitGroup
	done := make(chan struct{})
	var worst sync.Map // name -> time.Duration
	count := 0
	var closed atomic.Int64
	shaking := make(chan struct{}, 8) // the timeout is for a handshake, not for a queue
	for _, way := range slowWays(t) {
		for range each {
			count++
			opened.Add(1)
			wg.Go(func() {
				addr := w.https
				if way.tls == "-" {
					addr = w.http
				}
				shaking <- struct{}{}
				nc, err := net.Dial("tcp", addr)
				if err == nil && way.tls != "" && way.tls != "-" {
					tc := tls.Client(nc, &tls.Config{ServerName: "a.test", NextProtos: []string{way.tls}, InsecureSkipVerify: true}) //nolint:gosec // as above
					err = tc.Handshake()
					nc = tc
				}
				<-shaking
				opened.Done()
				if err != nil {
					t.Errorf("%s: %v", way.name, err)
					return
				}
				defer nc.Close()
				begun := time.Now()
				_, _ = nc.Write(way.say)
				if way.trickle != 0 {
					wg.Go(func() {
						tick := time.NewTicker(50 * time.Millisecond)
						defer tick.Stop()
						for range tick.C {
							if _, err := nc.Write([]byte{way.trickle}); err != nil {
								return
							}
						}
					})
				}
				if way.deaf {
					closed.Add(1) // it would not see it
					<-done
					return
				}
				_, _ = io.Copy(io.Discard, nc)
				closed.Add(1)
				worst.Store(way.tls+" "+way.name, time.Since(begun))
			})
		}
	}
	opened.Wait()
	begun := time.Now()
	// The good client's connection is the one that stays.
	eventually(t, "all slow connections are gone", func() bool {
		return int(closed.Load()) == count && openConnections(t, w.registry) == 1
	})
	took := time.Since(begun)
	close(done)
	wg.Wait()
	limit := timeout + time.Second + good.machine()
	t.Logf("%d connections gone %v after the last was opened; the limit for one is %v", count, took.Round(time.Millisecond), limit.Round(time.Millisecond))
	if took > limit+timeout {
		t.Errorf("the last connection was closed after %v", took)
	}
	worst.Range(func(name, d any) bool {
		most := limit
		if name == "h2 half a body" {
			most += timeout // costs its stream first, and then the connection for being idle
		}
		if d := d.(time.Duration); d < timeout/2 || d > most {
			t.Errorf("%s: closed after %v", name, d)
		}
		return true
	})
	eventually(t, "descriptors are given back", func() bool { return descriptors() <= fds+each/2 })
	eventually(t, "no more goroutines than before", func() bool { return goroutines() <= before+each/2 })
	good.unharmed(t)
}
