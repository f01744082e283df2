package proxy

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/h2"
)

// floodWorld is a server whose backend holds requests to /hold until they are
// given up, reads what is sent to /read, and answers everything else at once.
type floodWorld struct {
	*world
	started, running atomic.Int64 // requests to /hold and /read
}

func newFloodWorld(t *testing.T, change func(*Config)) *floodWorld {
	f := new(floodWorld)
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, "hello")
			return
		}
		f.started.Add(1)
		f.running.Add(1)
		defer f.running.Add(-1)
		// net/http sees that the other side has gone only when the body was
		// read to its end, or as far as it goes.
		if _, err := io.Copy(io.Discard, r.Body); err == nil && r.URL.Path == "/hold" {
			<-r.Context().Done()
		}
	}))
	f.world = newWorld(t, oneSite(t, b), change)
	return f
}

// TestFloods sends as many frames of an attack as a connection may ever
// bring, and wants that connection to be gone, at once and for the right
// reason, the backend spared and another client unharmed.
//
// The numbers are those of the threats: 500 resets (Envoy's limit), 1,000
// frames of a header block, 1,000 other frames (a tenth of what the standard
// library takes).
func TestFloods(t *testing.T) {
	f := newFloodWorld(t, nil)
	good := f.neighbour("a.test")
	before := goroutines()
	hold := func(a *attacker, n int) uint32 {
		id := uint32(2*n - 1)
		a.headers(id, false, "/hold")
		return id
	}
	for _, tt := range []struct {
		name   string
		reason string
		n      int
		open   string // a request to this path on stream 1 first
		paced  int    // wait for the server after so many
		send   func(a *attacker, n int)
	}{
		{name: "rapid reset", reason: h2.ClosedRapidReset, n: 500, send: func(a *attacker, n int) {
			_ = a.fr.WriteRSTStream(hold(a, n), http2.ErrCodeCancel)
		}},
		{name: "rapid reset of whole requests", reason: h2.ClosedRapidReset, n: 500, send: func(a *attacker, n int) {
			a.headers(uint32(2*n-1), true, "/hold")
			_ = a.fr.WriteRSTStream(uint32(2*n-1), http2.ErrCodeCancel)
		}},
		{name: "resets in bursts of 50", reason: h2.ClosedRapidReset, n: 500, paced: 50, send: func(a *attacker, n int) {
			_ = a.fr.WriteRSTStream(hold(a, n), http2.ErrCodeCancel)
		}},
		{name: "made you reset by WINDOW_UPDATE of 0", reason: h2.ClosedRapidReset, n: 500, send: func(a *attacker, n int) {
			_ = a.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, hold(a, n), make([]byte, 4))
		}},
		{name: "made you reset by window overflow", reason: h2.ClosedRapidReset, n: 500, send: func(a *attacker, n int) {
			_ = a.fr.WriteWindowUpdate(hold(a, n), 1<<31-1)
		}},
		{name: "made you reset by self-dependency", reason: h2.ClosedRapidReset, n: 500, send: func(a *attacker, n int) {
			id := hold(a, n)
			_ = a.fr.WritePriority(id, http2.PriorityParam{StreamDep: id})
		}},
		{name: "empty CONTINUATION", reason: h2.ClosedContinuationFlood, n: 1000, send: func(a *attacker, n int) {
			a.blockFrame(n, nil)
		}},
		{name: "CONTINUATION of 16 KiB", reason: h2.ClosedContinuationFlood, n: 9, send: func(a *attacker, n int) {
			frag := make([]byte, 16<<10)
			for i := range frag {
				frag[i] = 0x82 // ":method: GET" of the static table
			}
			a.blockFrame(n, frag)
		}},
		{name: "PING", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) { _ = a.fr.WritePing(false, [8]byte{2}) }},
		{name: "PING ack", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) { _ = a.fr.WritePing(true, [8]byte{2}) }},
		{name: "SETTINGS", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) {
			_ = a.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: uint32(n)})
		}},
		{name: "empty SETTINGS", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) { _ = a.fr.WriteSettings() }},
		{name: "window changes over open streams", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) {
			if n <= 100 {
				hold(a, n)
			}
			_ = a.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(n)})
		}},
		{name: "PRIORITY", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) {
			_ = a.fr.WritePriority(uint32(2*n+1), http2.PriorityParam{})
		}},
		{name: "PRIORITY_UPDATE", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) {
			_ = a.fr.WriteRawFrame(http2.FramePriorityUpdate, 0, 0, []byte{0, 0, 0, 1, 'u', '=', '1'})
		}},
		{name: "WINDOW_UPDATE of the connection", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) { _ = a.fr.WriteWindowUpdate(0, 1) }},
		{name: "WINDOW_UPDATE of a stream", reason: h2.ClosedControlFlood, n: 1000, open: "/hold", send: func(a *attacker, n int) { _ = a.fr.WriteWindowUpdate(1, 1) }},
		{name: "empty DATA", reason: h2.ClosedControlFlood, n: 1000, open: "/read", send: func(a *attacker, n int) { _ = a.fr.WriteData(1, false, nil) }},
		{name: "padding alone", reason: h2.ClosedControlFlood, n: 1000, open: "/read", send: func(a *attacker, n int) {
			_ = a.fr.WriteDataPadded(1, false, nil, make([]byte, 20))
		}},
		{name: "DATA of one octet", reason: h2.ClosedDataFlood, n: 10_000, open: "/read", send: func(a *attacker, n int) { _ = a.fr.WriteData(1, false, []byte("x")) }},
		{name: "unknown frames", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) {
			_ = a.fr.WriteRawFrame(0xfa, 0xff, uint32(n), []byte("xyz"))
		}},
		{name: "GOAWAY", reason: h2.ClosedControlFlood, n: 1000, send: func(a *attacker, n int) { _ = a.fr.WriteGoAway(0, http2.ErrCodeNo, nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.t = t
			closed, started := f.closedBy(tt.reason), f.started.Load()
			a := f.attacker()
			if tt.open != "" {
				a.headers(1, false, tt.open)
			}
			begun := time.Now()
			sent := 0
			for n := 1; n <= tt.n; n++ {
				tt.send(a, n)
				sent = n
				if tt.paced != 0 && n%tt.paced == 0 && !a.pace() {
					break
				}
			}
			a.wantGone(patience)
			took := time.Since(begun)
			if a.code != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY with %v (%s)", a.code, a.says)
			}
			f.wantClosedBy(tt.reason, closed+1)
			reached := f.started.Load() - started
			t.Logf("gone %v after the first of %d frames; streams to %d, %d requests at the backend", took.Round(time.Millisecond), sent, a.last, reached)
			if reached > 500 {
				t.Errorf("%d requests reached the backend", reached)
			}
			eventuallyWithin(t, 2*time.Second+good.machine(), "no more goroutines than before", func() bool { return goroutines() <= before+good.goroutines() })
		})
		f.t = t
	}
	eventually(t, "the backend is free of what was given up", func() bool { return f.running.Load() == 0 })
	good.unharmed(t)
	// Whatever the attackers had, and the good client's own, is gone.
	eventually(t, "no more goroutines than before", func() bool {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		return goroutines() <= before
	})
}

// blockFrame writes the n-th frame of a header block that never ends.
func (a *attacker) blockFrame(n int, fragment []byte) {
	if n == 1 {
		block := a.block(":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/")
		_ = a.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block})
		return
	}
	_ = a.fr.WriteContinuation(1, false, fragment)
}

// TestTableSizeFlips changes the size of the table that responses are encoded
// with while they are (CVE-2026-97032 crashed the standard library this way).
func TestTableSizeFlips(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	good := w.neighbour("a.test")
	const conns, rounds = 16, 100
	done := make(chan error, conns)
	for range conns {
		c := w.rawH2("a.test", nil)
		go func() {
			done <- func() error {
				c.fr.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(1 << 16)
				for i := range rounds {
					for _, size := range []uint32{0, 1 << 16, 100} {
						if err := c.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size}); err != nil {
							return err
						}
					}
					if a := c.get("https", "a.test", "/"); a.status != "200" || a.body != "b " || a.header["x-backend"] != "b" {
						t.Errorf("round %d: %+v", i, a)
						return nil
					}
				}
				return nil
			}()
		}()
	}
	for range conns {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	good.unharmed(t)
}
