package h2

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// trickle runs send every so often until the server has something to say that
// is not DATA or a window's, and returns that and how long it took; "" after an
// hour.
func trickle(ct *tester, every time.Duration, send func()) (string, time.Duration) {
	start := time.Now()
	for time.Since(start) < time.Hour {
		time.Sleep(every)
		send()
		for got := ct.next(); got != ""; got = ct.next() {
			if !strings.HasPrefix(got, "DATA") && !strings.HasPrefix(got, "WINDOW_UPDATE") {
				return got, time.Since(start)
			}
		}
	}
	return "", time.Hour
}

// wantSlow asks that a stream was reset for being slow, within two minutes.
func wantSlow(ct *tester, got string, took, every time.Duration) {
	ct.t.Helper()
	if got != "RST_STREAM stream=1 CANCEL" || took > 2*time.Minute+every {
		ct.t.Errorf("got %q after %v", got, took)
	}
	ct.mu.Lock()
	defer ct.mu.Unlock()
	if len(ct.cut) == 0 || ct.cut[0] != WhySlow {
		ct.t.Errorf("refused: %v", ct.cut)
	}
}

// A client that lets a response trickle would keep the stream, what is held for
// it and the connection to the backend for ever.
func TestResponsesThatTrickleAreReset(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream uint32 // windows beside the connection's 65,535
		conn   uint32
		every  time.Duration
		send   func(ct *tester)
	}{
		{"an octet a minute of the stream's window", 0, 1 << 20, 59 * time.Second, func(ct *tester) { ct.fr.WriteWindowUpdate(1, 1) }},
		{"sixty octets a second of the stream's window", 0, 1 << 20, time.Second, func(ct *tester) { ct.fr.WriteWindowUpdate(1, 60) }},
		{"an octet a minute of the connection's window", 1 << 20, 0, 59 * time.Second, func(ct *tester) { ct.fr.WriteWindowUpdate(0, 1) }},
		{"200 octets a second of the connection's window", 1 << 20, 0, time.Second, func(ct *tester) { ct.fr.WriteWindowUpdate(0, 200) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ct := newTester(t, &config{Handle: blob(1 << 20)})
				defer ct.finish()
				ct.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: c.stream})
				if c.conn > 0 {
					ct.fr.WriteWindowUpdate(0, c.conn)
				}
				ct.headers(1, true, get...)
				ct.want("HEADERS stream=1 :status=200")
				ct.data()
				got, took := trickle(ct, c.every, func() { c.send(ct) })
				wantSlow(ct, got, took, c.every)
			})
		})
	}
}

// A slow client that does what it can, a kibioctet a second for all it has asked
// for, gets it.
func TestSlowClientsAreServed(t *testing.T) {
	for _, streams := range []int{1, 16} {
		synctest.Test(t, func(t *testing.T) {
			ct := newTester(t, &config{Handle: blob(400_000)})
			defer ct.finish()
			ct.greet()
			for i := range uint32(streams) {
				ct.headers(2*i+1, true, get...)
			}
			ends, owed := 0, map[uint32]uint32{}
			for n := 0; ends < streams; n++ {
				if n > 2*streams*400 {
					t.Fatalf("%d streams of %d have ended", ends, streams)
				}
				synctest.Wait()
				for !ct.silent() {
					f, err := ct.fr.ReadFrame()
					if err != nil {
						t.Fatal(err)
					}
					switch f := f.(type) {
					case *http2.RSTStreamFrame:
						t.Fatalf("stream %d: %v", f.StreamID, f.ErrCode)
					case *http2.DataFrame:
						// It takes its time on the way, and then is read.
						time.Sleep(time.Duration(len(f.Data())) * time.Second / 1024)
						for _, id := range []uint32{0, f.StreamID} {
							if owed[id] += uint32(len(f.Data())); owed[id] >= 32<<10 {
								ct.fr.WriteWindowUpdate(id, owed[id])
								owed[id] = 0
							}
						}
						if f.StreamEnded() {
							ends++
						}
					}
					synctest.Wait()
				}
				time.Sleep(time.Second)
			}
		})
	}
}

func TestUploadsThatTrickleAreReset(t *testing.T) {
	for name, size := range map[string]int{"an octet": 1, "sixty octets": 60} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &config{Handle: func(s *Stream) { io.Copy(io.Discard, s) }}, func(ct *tester) {
				ct.headers(1, false, post()...)
				got, took := trickle(ct, time.Second, func() { ct.fr.WriteData(1, false, make([]byte, size)) })
				wantSlow(ct, got, took, time.Second)
			})
		})
	}
}

// What has nothing to say is not slow, nor is who waits for a message or a
// backend.
func TestQuietBodiesAreNotSlow(t *testing.T) {
	const quiet = 10 * time.Minute
	for _, c := range []struct {
		name   string
		path   string
		admit  func(*Stream) bool
		handle func(*Stream)
		say    func(ct *tester, n int)
	}{
		{name: "events now and then", handle: func(s *Stream) {
			s.WriteHeader(200, nil, false)
			for range 20 {
				time.Sleep(quiet / 20)
				s.Write([]byte("event"))
			}
			s.WriteEnd(nil)
		}},
		{name: "a long poll", handle: func(s *Stream) {
			time.Sleep(quiet)
			s.Respond(200, nil, []byte("news"))
		}},
		{name: "a tunnel", handle: echo, say: func(ct *tester, n int) {
			if n%5 == 0 {
				ct.fr.WriteData(1, n == 0, []byte("a message"))
			}
		}},
		{name: "a call of few messages", admit: func(s *Stream) bool { s.Messages = true; return false }, handle: func(s *Stream) {
			io.Copy(io.Discard, s)
			s.Respond(200, nil, nil)
		}, say: func(ct *tester, n int) {
			if n%5 == 0 {
				ct.fr.WriteData(1, n == 0, []byte("a message"))
			}
		}},
		{name: "an upload to a slow backend", handle: func(s *Stream) {
			p := make([]byte, 100)
			for range 10 {
				io.ReadFull(s, p)
				time.Sleep(quiet / 10)
			}
			s.Respond(200, nil, nil)
		}, say: func(ct *tester, n int) {
			if n == 9 {
				ct.fr.WriteData(1, true, make([]byte, 1000))
			}
		}},
		{name: "an upload of a kibioctet a second", handle: func(s *Stream) {
			io.Copy(io.Discard, s)
			s.Respond(200, nil, nil)
		}, say: func(ct *tester, n int) {
			for i := range int(quiet/10) / int(time.Second) {
				time.Sleep(time.Second)
				ct.fr.WriteData(1, n == 0 && i == 59, make([]byte, 1024))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &config{Admit: c.admit, Handle: c.handle}, func(ct *tester) {
				ct.headers(1, c.say == nil, post()...)
				for n := 9; n >= 0; n-- {
					start := time.Now()
					if c.say != nil {
						c.say(ct, n)
					}
					time.Sleep(quiet/10 - time.Since(start))
				}
				time.Sleep(time.Second)
				for {
					got := ct.next()
					if strings.HasPrefix(got, "RST_STREAM") || got == "" || got == "EOF" {
						t.Fatalf("got %q before the end", got)
					}
					if strings.Contains(got, " end") {
						break
					}
				}
			})
		})
	}
}
