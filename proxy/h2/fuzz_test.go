package h2

import (
	"encoding/binary"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// fuzzFrames turns fuzz input into frames, legal or not, most of them on few
// streams so that they meet.
func fuzzFrames(ct *tester, in []byte) {
	take := func(n int) []byte {
		p := make([]byte, n)
		in = in[copy(p, in):]
		return p
	}
	next := uint32(1)
	for len(in) > 0 && ct.closedFor() == "" {
		op := take(1)[0]
		arg := take(2)
		id := uint32(arg[0] % 16)
		switch op % 18 {
		case 0, 1, 2:
			ct.headers(next, arg[1]&1 != 0, get...)
			next += 2
		case 3:
			ct.headers(id, arg[1]&1 != 0, "x-trailer: 1")
		case 4, 5:
			ct.fr.WriteData(id, arg[1]&1 != 0, make([]byte, int(arg[1])*64))
		case 6:
			ct.fr.WriteDataPadded(id, arg[1]&1 != 0, []byte{1}, make([]byte, arg[1]))
		case 7:
			ct.fr.WriteRSTStream(id, http2.ErrCode(arg[1]))
		case 8:
			ct.fr.WriteWindowUpdate(id, uint32(arg[1])<<(arg[0]>>4<<1))
		case 9:
			v := binary.BigEndian.Uint32(append(take(2), arg...))
			ct.fr.WriteSettings(http2.Setting{ID: http2.SettingID(arg[0] % 10), Val: v})
		case 10:
			ct.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(arg[1]) << (arg[0] % 24)})
		case 11:
			ct.fr.WritePing(arg[1]&1 != 0, [8]byte([]byte(drainPing)))
		case 12:
			ct.fr.WritePriority(id, http2.PriorityParam{StreamDep: uint32(arg[1] % 16)})
		case 13:
			ct.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: next, BlockFragment: take(int(arg[1] % 64)), EndHeaders: arg[1]&1 != 0, PadLength: arg[0]})
			next += 2
		case 14:
			ct.fr.WriteContinuation(id, arg[1]&1 != 0, take(int(arg[1]%32)))
		case 15:
			ct.fr.WriteRawFrame(http2.FrameType(arg[1]%20), http2.Flags(take(1)[0]), id, take(int(arg[0]>>4)))
		case 16:
			switch arg[1] % 8 {
			case 0:
				ct.conn.Drain()
			case 1, 2:
				time.Sleep(time.Duration(arg[0]) * 100 * time.Millisecond)
			default:
				synctest.Wait()
			}
		case 17:
			ct.nc.Write(take(int(arg[1] % 16)))
		}
	}
}

// FuzzConn sends frames and asks that the connection survives or ends in good
// order, that all goroutines are gone after it, that every stream was
// answered, reset or lost with its connection, and that memory is bounded.
func FuzzConn(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x04\x01\x05"))
	f.Add([]byte{0, 0, 0, 4, 1, 9, 4, 1, 1, 3, 1, 1, 0, 0, 1, 8, 0, 255, 7, 1, 8, 16, 0, 0, 11, 0, 1})
	f.Add([]byte{10, 0, 0, 0, 0, 0, 4, 1, 255, 0, 0, 0, 4, 3, 255, 16, 255, 1, 10, 12, 255, 8, 241, 255, 8, 1, 255})
	f.Add([]byte{13, 0, 4, 0x82, 0x87, 0x84, 0x41, 14, 1, 1, 1, 'a', 15, 0x10, 2, 9, 8, 7})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			started, ended := 0, 0
			ct := newTester(t, &config{
				Admit: func(s *Stream) bool {
					if s.ID()%8 == 1 {
						s.Respond(421, nil, make([]byte, 100))
						return true
					}
					return false
				},
				Handle: func(s *Stream) {
					ct := s.Conn()
					ct.mu.Lock()
					started++
					ct.mu.Unlock()
					defer func() {
						ct.mu.Lock()
						ended++
						ct.mu.Unlock()
					}()
					s.OnCancel(cancelFunc(func() {}))
					if s.ID()%8 == 3 {
						s.Respond(200, nil, make([]byte, 100_000))
						return
					}
					echo(s)
					s.OnCancel(nil)
				},
			})
			defer ct.finish()
			io.WriteString(ct.nc, http2.ClientPreface)
			ct.fr.WriteSettings()
			// Whatever the server says is read, but not in a hurry.
			go func() {
				buf := make([]byte, 8<<10)
				for {
					if _, err := ct.nc.Read(buf); err != nil {
						return
					}
				}
			}()
			fuzzFrames(ct, in)
			synctest.Wait()
			ct.conn.mu.Lock()
			held := ct.conn.out.Held()
			for _, s := range ct.conn.streams {
				held += s.body.n + len(s.out.Part().Data)
			}
			open, running, dead := len(ct.conn.streams), int(ct.conn.running), ct.conn.dead
			ct.conn.mu.Unlock()
			if held > 8<<20 {
				t.Errorf("%d octets are held", held)
			}
			if open > 128 || running > 256 {
				t.Errorf("%d streams, %d handlers", open, running)
			}
			if dead && open > 0 {
				t.Errorf("%d streams on a dead connection", open)
			}
			ct.nc.Close()
			synctest.Wait()
			time.Sleep(2 * lingerTime)
			synctest.Wait()
			if started != ended {
				t.Errorf("%d of %d requests were answered or lost", ended, started)
			}
			runtime.KeepAlive(ct)
		})
	})
}
