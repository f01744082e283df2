package e2e

import (
	"bufio"
	"debug/buildinfo"
	"errors"
	"fmt"
	"go/version"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/testkit"
)

// TestGoVersion: earlier toolchains have an HTTP/2 that can be crashed from
// outside (CVE-2026-97032).
func TestGoVersion(t *testing.T) {
	info, err := buildinfo.ReadFile(testkit.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if version.Compare(info.GoVersion, "go1.27.4") < 0 {
		t.Errorf("the binary is built with %s", info.GoVersion)
	}
}

// TestFloods attacks the process for ten seconds in every way at once: floods
// of frames that come back ten times a second after they were cut off, each
// within ten thousand frames, and for fifteen seconds connections that change
// the size of the table that their responses are encoded with. A good client
// must not notice, and once the attack is over the process has nothing to do.
func TestFloods(t *testing.T) {
	t.Parallel()
	const (
		host   = "flood.test"
		length = 10 * time.Second
		most   = 10_000 // frames
	)
	s, _ := folderStage(t)
	b := s.backend(t, "flood", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", "flood")
		_, _ = io.Copy(w, r.Body)
	})
	s.put(t, s.secret("flood-tls", s.ca.Server(t, host)), s.service("flood"), s.slice("flood", b.address, b.port, true), s.ingress(host, "flood", "flood-tls"))
	s.live(t, host)
	good := s.neighbour(t, host)
	goBefore := s.goroutines(t)
	start := time.Now()
	var attackers sync.WaitGroup
	for _, f := range []struct {
		name string
		open bool // a request with a body on stream 1 first
		send func(fr *http2.Framer, n int)
	}{
		{name: "SETTINGS", send: func(fr *http2.Framer, n int) {
			_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(n)})
		}},
		{name: "PING", send: func(fr *http2.Framer, n int) { _ = fr.WritePing(false, [8]byte{byte(n)}) }},
		{name: "PRIORITY", send: func(fr *http2.Framer, n int) { _ = fr.WritePriority(uint32(2*n+1), http2.PriorityParam{}) }},
		{name: "WINDOW_UPDATE", send: func(fr *http2.Framer, _ int) { _ = fr.WriteWindowUpdate(0, 1) }},
		{name: "empty DATA", open: true, send: func(fr *http2.Framer, _ int) { _ = fr.WriteData(1, false, nil) }},
		{name: "DATA of one octet", open: true, send: func(fr *http2.Framer, _ int) { _ = fr.WriteData(1, false, []byte("x")) }},
		{name: "unknown frames", send: func(fr *http2.Framer, n int) { _ = fr.WriteRawFrame(0xfa, 0xff, uint32(n), []byte("xyz")) }},
	} {
		attackers.Go(func() {
			rounds := 0
			again := time.NewTicker(100 * time.Millisecond)
			defer again.Stop()
			for ; time.Since(start) < length; <-again.C {
				rounds++
				sent, err := s.flood(host, f.open, most, f.send)
				if err != nil {
					t.Errorf("%s, connection %d: %v after %d frames", f.name, rounds, err, sent)
					return
				}
			}
			t.Logf("%s: %d connections, all cut off", f.name, rounds)
		})
	}
	var flips atomic.Int64
	for range 16 {
		attackers.Go(func() {
			for time.Since(start) < length*3/2 {
				n, err := s.flip(host, func() bool { return time.Since(start) < length*3/2 })
				flips.Add(int64(n))
				if err != nil {
					t.Errorf("table size: %v", err)
					return
				}
			}
		})
	}
	attackers.Wait()
	t.Logf("%d changes of a table's size", flips.Load())
	good.unharmed(t)
	if n := s.metric(t, "ingress421_connections_closed_total", `reason="control_flood"`); n == 0 {
		t.Error("no connection was closed for control_flood")
	}
	testkit.Eventually(t, "no more goroutines than before", func() string {
		if n := s.goroutines(t); n > goBefore+20 {
			return fmt.Sprintf("%d, %d before", n, goBefore)
		}
		return ""
	})
	// A second is the unit of what is measured here, not synchronisation.
	before := s.cpu(t)
	<-time.After(time.Second)
	if used := s.cpu(t) - before; used > 50*time.Millisecond {
		t.Errorf("%v of processor time in the second after the attack", used)
	}
}

// flood sends frames on a connection of its own until the server has closed
// it. sent is how many were written when that was seen, at most.
func (s *stage) flood(host string, open bool, most int, send func(fr *http2.Framer, n int)) (sent int, err error) {
	nc, tc, err := s.shake(host, "h2", new(net.Dialer))
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	var calm atomic.Bool
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for fr := http2.NewFramer(nil, tc); ; {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			if g, ok := f.(*http2.GoAwayFrame); ok && g.ErrCode == http2.ErrCodeEnhanceYourCalm {
				calm.Store(true)
			}
		}
	}()
	out := bufio.NewWriterSize(tc, 8<<10)
	fr := http2.NewFramer(out, nil)
	_, _ = out.Write(frames(func(fr *http2.Framer) {
		if open {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: block("POST", host, "/")})
		}
	}))
	for sent = 1; sent <= most; sent++ {
		select {
		case <-gone:
			sent, most = sent-1, 0
			continue
		default:
		}
		send(fr, sent)
	}
	_ = out.Flush()
	select {
	case <-gone:
	case <-time.After(patience):
		return sent, errors.New("the connection is open")
	}
	if !calm.Load() {
		return sent, errors.New("closed without ENHANCE_YOUR_CALM")
	}
	return sent, nil
}

// flip makes requests on one connection, several at a time, and changes the
// size of the table that responses are encoded with meanwhile, as often as a
// client may. It returns when goOn says so.
func (s *stage) flip(host string, goOn func() bool) (flips int, err error) {
	nc, tc, err := s.shake(host, "h2", new(net.Dialer))
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return 0, err
	}
	if _, err := tc.Write(frames(nil)); err != nil {
		return 0, err
	}
	out := bufio.NewWriter(tc)
	fr := http2.NewFramer(out, tc)
	id := uint32(1)
	// Fifty control frames a second are allowed for ever, and five hundred more
	// once: fifteen seconds of three every twentieth of a second keep below.
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	for ; goOn(); <-tick.C {
		for _, size := range []uint32{0, 1 << 16, 100} {
			_ = fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: true, BlockFragment: block("GET", host, "/")})
			id += 2
		}
		if err := out.Flush(); err != nil {
			return flips, err
		}
		flips += 3
		for answered := 0; answered < 3; {
			f, err := fr.ReadFrame()
			if err != nil {
				return flips, err
			}
			switch f := f.(type) {
			case *http2.GoAwayFrame:
				return flips, fmt.Errorf("GOAWAY %v %s", f.ErrCode, f.DebugData())
			case *http2.RSTStreamFrame:
				return flips, fmt.Errorf("RST_STREAM %v", f.ErrCode)
			case *http2.HeadersFrame, *http2.DataFrame:
				if f.Header().Flags.Has(http2.FlagDataEndStream) {
					answered++
				}
			}
		}
	}
	return flips, nil
}
