package h2

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// An idle connection holds no buffer, and nothing of it keeps one alive.
func TestIdleConnectionHoldsNoBuffer(t *testing.T) {
	bubble(t, &config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }}, func(ct *tester) {
		for id := uint32(1); id < 6; id += 2 { // and it can become busy again
			ct.headers(id, true, get...)
			ct.skipTo("HEADERS")
			c := ct.conn
			c.mu.Lock()
			buf := weak.Make(&c.rd.Buffered()[:1][0])
			c.mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			c.mu.Lock()
			if c.rd.Buffered() != nil || c.out.Held() != 0 || c.streams != nil {
				t.Error("a buffer is held")
			}
			c.mu.Unlock()
			for range 3 {
				runtime.GC() // the pool lets go of it after two
			}
			if buf.Value() != nil {
				t.Error("the read buffer is kept alive")
			}
		}
	})
}

// The read loop of a TLS connection is interrupted to give its buffer back;
// that must not cost a record of which a part has come already.
func TestInterruptedTLSRecordIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := pipe(64 << 10)
		cfg := &config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }}
		srv := tls.Server(NewCork(server), serverTLS(t))
		wire := &heldWrites{Conn: client}
		cl := tls.Client(wire, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		go srv.Handshake()
		if err := cl.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Handshake(); err != nil {
			t.Fatal(err)
		}
		c := cfg.newConn(srv)
		go c.Serve()
		defer func() {
			cl.Close()
			time.Sleep(3 * idleWorker)
		}()

		fr := http2.NewFramer(cl, cl)
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		request := func(id uint32) {
			block.Reset()
			for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}} {
				enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
			}
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
		}
		answer := func(id uint32) {
			t.Helper()
			for {
				f, err := fr.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if h := f.Header(); h.Type == http2.FrameHeaders {
					if h.StreamID != id {
						t.Errorf("answer on stream %d, want %d", h.StreamID, id)
					}
					return
				}
			}
		}
		io.WriteString(cl, http2.ClientPreface)
		fr.WriteSettings()
		fr.WriteSettingsAck()
		for id := uint32(1); id < 8; id += 4 {
			request(id)
			answer(id)
			wire.hold = true
			request(id + 2)
			wire.hold = false
			const first = 10 // octets of the record
			if id == 5 {
				time.Sleep(3 * time.Second) // cold before its first octet
			}
			client.Write(wire.buf[:first])
			time.Sleep(3 * time.Second)
			c.mu.Lock()
			if !c.cold {
				t.Error("the read loop was not interrupted")
			}
			c.mu.Unlock()
			client.Write(wire.buf[first:])
			wire.buf = nil
			answer(id + 2)

		}
	})
}

// heldWrites keeps what is written while hold is set.
type heldWrites struct {
	net.Conn
	hold bool
	buf  []byte
}

func (h *heldWrites) Write(p []byte) (int, error) {
	if h.hold {
		h.buf = append(h.buf, p...)
		return len(p), nil
	}
	return h.Conn.Write(p)
}
