package h2

import (
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

const (
	// writeBuffer is the room for DATA in the write buffer.
	writeBuffer = frame.LargeBuffer
	// oneWrite is what one system call takes.
	oneWrite = frame.MaxPayload
	// flushTurns is how often a flusher writes for others before it leaves
	// the rest to a goroutine of its own.
	flushTurns = 4
)

// outgoing is what a connection says. It is guarded by the connection's mu.
type outgoing struct {
	frame.Out
	tableSize uint32 // the client believes our HPACK table to be this large
	table     *table // ... and to hold this; nil for nothing
	paid      int64  // HEADERS and DATA for which the client was credited
	earned    credits
}

// credits is what the client has earned by our HEADERS and DATA frames.
type credits struct{ pings, updates, tiny int }

// settle credits the client for the HEADERS and DATA frames that were sent since it
// was called last: for each one PING, ten WINDOW_UPDATE, ten small DATA frames.
func (o *outgoing) settle() *credits {
	heads, datas := o.Frames()
	n := int(min(heads+datas-o.paid, 1000))
	o.paid = heads + datas
	e := &o.earned
	e.pings = min(e.pings+n, 1000)
	e.updates = min(e.updates+10*n, 10000)
	e.tiny = min(e.tiny+10*n, 10000)
	return e
}

const (
	settingNoPriorities = http2.SettingID(0x9) // RFC 9218 section 2.1
	frameOrigin         = http2.FrameType(0xc) // RFC 8336 section 2
)

// preface adds what we say first: SETTINGS, the connection's window, and ORIGIN if
// ok.
func (o *outgoing) preface(l *Limits, origins []string, ok bool) {
	b := frame.AppendSettings(o.Buffer(),
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: l.MaxStreams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: l.StreamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: l.MaxHeaderBytes},
		http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1},
		http2.Setting{ID: settingNoPriorities, Val: 1},
	)
	if inc := l.ConnWindow - frame.InitialWindow; inc > 0 {
		b = frame.AppendWindowUpdate(b, 0, inc)
	}
	if ok {
		b = appendOrigin(b, origins)
	}
	o.Append(b)
}

// appendOrigin adds the ORIGIN frame; what would not fit into one frame is
// said with an empty one, which names the SNI host alone (RFC 8336 section
// 2.3).
func appendOrigin(b []byte, origins []string) []byte {
	size := 0
	for _, o := range origins {
		size += 2 + len(o)
	}
	if size > frame.MaxPayload {
		origins, size = nil, 0
	}
	b = frame.AppendHeader(b, size, frameOrigin, 0, 0)
	for _, o := range origins {
		b = append(b, byte(len(o)>>8), byte(len(o)))
		b = append(b, o...)
	}
	return b
}

func (o *outgoing) windowUpdate(id, inc uint32) {
	o.Append(frame.AppendWindowUpdate(o.Buffer(), id, inc))
}

func (o *outgoing) settingsAck() { o.Append(frame.AppendSettingsAck(o.Buffer())) }

func (o *outgoing) ping(ack bool, data string) {
	o.Append(frame.AppendPing(o.Buffer(), ack, data))
}

func (o *outgoing) goAway(last uint32, code http2.ErrCode, debug string) {
	o.Append(frame.AppendGoAway(o.Buffer(), last, code, debug))
}

// header adds a header block of an interim or final response. A Block, if not nil,
// stands in front of h, and for status; without status it is a trailer section.
func (o *outgoing) header(id uint32, block *Block, status int, h []hpack.HeaderField, end bool) {
	b := o.BeginHead(id, end)
	if block != nil {
		b = o.appendBlock(b, block)
	} else if status != 0 {
		b = frame.AppendStatus(b, status)
	}
	for i := range h {
		b = frame.AppendField(b, &h[i])
	}
	o.EndHead(b)
}

// setTableSize applies the client's SETTINGS_HEADER_TABLE_SIZE.
func (o *outgoing) setTableSize(n uint32) {
	if n < o.tableSize {
		o.tableSize, o.table = 0, nil
		o.ShrinkTable()
	}
}

// wire is the connection as what it says leaves it.
type wire Conn

// Clock is the connection's.
func (w *wire) Clock() int64 { return (*Conn)(w).clock() }

// WriteFrames writes with as few system calls as possible.
func (w *wire) WriteFrames(b []byte) error {
	if w.cork == nil || len(b) <= oneWrite {
		_, err := w.nc.Write(b)
		return err
	}
	held := w.engine.buffers.Get(frame.RecordBuffer)
	w.cork.hold(held)
	_, err := w.nc.Write(b)
	if rerr := w.cork.release(); err == nil {
		err = rerr
	}
	w.engine.buffers.Put(held)
	return err
}

// Failed ends the connection.
func (w *wire) Failed(err error) { (*Conn)(w).kill(ioReason(err)) }
