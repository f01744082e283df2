package observe

import (
	"encoding/hex"
	"strconv"
	"sync"
	"time"
)

// misdirectedLog is the lines about misdirected requests.
type misdirectedLog struct {
	lines  *lineLog
	budget budget
}

// budget lets so many lines through a second, and counts the others.
type budget struct {
	mu         sync.Mutex
	second     int64 // guarded by mu
	used       int   // guarded by mu
	suppressed int   // guarded by mu
}

// misdirectedPerSecond is how many 421s a second have a line of their own. A
// flood of them would otherwise cost more in the log than on the wire; the
// metric counts all.
const misdirectedPerSecond = 1000

// take tells whether a line may be written, and how many were not before it.
func (b *budget) take(now time.Time) (ok bool, suppressed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := now.Unix(); s != b.second {
		b.second, b.used = s, 0
		suppressed, b.suppressed = b.suppressed, 0
	}
	if b.used >= misdirectedPerSecond {
		b.suppressed++
		return false, 0
	}
	b.used++
	return true, suppressed
}

// write writes the line of a request, unless there were many in this second.
func (m *misdirectedLog) write(x *Exchange, l misdirectedLabels) {
	ok, suppressed := m.budget.take(x.Start)
	if !ok {
		return
	}
	m.lines.line(func(b []byte) []byte {
		f := x.Facts
		b = append(b, `{"time":"`...)
		b = x.Start.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, `","level":"INFO","msg":"misdirected"`...)
		b = appendField(b, "sni", f.ServerName)
		b = appendField(b, "authority", x.Authority)
		b = appendField(b, "reason", l.reason)
		b = appendField(b, "rule", l.rule)
		b = appendField(b, "enforcement", l.enforcement)
		b = appendField(b, "retry", l.retry)
		if f.Leaf != nil {
			b = append(b, `,"secret":`...)
			b = appendQuoted(b, f.Leaf.Secret.String())
			b = append(b, `,"fingerprint":"`...)
			b = hex.AppendEncode(b, f.Leaf.Fingerprint[:])
			b = append(b, '"')
		}
		b = appendField(b, "protocol", l.protocol)
		b = append(b, `,"peer":"`...)
		b = appendAddr(b, f.Peer)
		b = append(b, '"')
		if x.Source.Addr() != f.Peer {
			b = append(b, `,"source":"`...)
			b = appendAddr(b, x.Source.Addr())
			b = append(b, '"')
		}
		if suppressed > 0 {
			b = append(b, `,"suppressed":`...)
			b = strconv.AppendInt(b, int64(suppressed), 10)
		}
		return append(b, '}')
	})
}
