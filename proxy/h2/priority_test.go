package h2

import (
	"testing"

	"golang.org/x/net/http2"
)

// RFC 9218 section 7.1: a PRIORITY_UPDATE may come before its stream, and then
// counts more than the stream's priority field.
func TestPriorityUpdateBeforeItsStream(t *testing.T) {
	bubble(t, &config{Handle: blob(200_000)}, func(ct *tester) {
		ct.headers(1, true, get...)
		ct.data() // uses the connection's window up
		ct.fr.WritePriorityUpdate(5, "u=0")
		ct.fr.WritePriorityUpdate(5, "u=1") // the last one holds
		ct.headers(3, true, append(append([]string{}, get...), "priority: u=2")...)
		ct.headers(5, true, append(append([]string{}, get...), "priority: u=7")...)
		ct.data() // both wait for the connection's window
		ct.fr.WriteWindowUpdate(0, 60_000)
		if got := ct.data(); got[5] != 60_000 {
			t.Errorf("octets by stream: %v, want 60,000 of stream 5", got)
		}
	})
}

func TestPriorityViolations(t *testing.T) {
	for name, send := range map[string]func(*tester){
		"push stream": func(ct *tester) { ct.fr.WritePriorityUpdate(2, "u=1") },
		"more streams than there may be": func(ct *tester) {
			for id := uint32(5); id < 5+2*128; id += 2 {
				ct.fr.WritePriorityUpdate(id, "u=1")
			}
		},
		"setting over 1": func(ct *tester) { ct.fr.WriteSettings(http2.Setting{ID: settingNoPriorities, Val: 2}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &config{Handle: func(s *Stream) { s.Read(make([]byte, 1)) }}, func(ct *tester) {
				ct.headers(3, false, post()...)
				send(ct)
				ct.want("GOAWAY last=3 PROTOCOL_ERROR", "EOF")
			})
		})
	}
}

// Streams that were announced and then skipped are forgotten.
func TestPriorityUpdatesOfSkippedStreams(t *testing.T) {
	bubble(t, &config{}, func(ct *tester) {
		for round := uint32(0); round < 3; round++ {
			for i := uint32(0); i < 120; i++ {
				ct.fr.WritePriorityUpdate(1000*round+2*i+1, "u=1")
			}
			ct.headers(1000*round+999, true, get...)
			ct.skipTo("HEADERS")
		}
	})
}
