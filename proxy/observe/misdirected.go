package observe

import (
	"encoding/hex"
	"io"
	"strconv"
	"time"
)

// Lines about misdirected requests: at most so many in that time. A flood of 421s
// would otherwise cost more in the log than on the wire; the metric counts all.
const (
	misdirectedLines = 1000
	misdirectedEvery = time.Second
)

// misdirectedLog is the lines about misdirected requests.
type misdirectedLog struct {
	lines  *lineLog
	budget sparing[struct{}]
}

func newMisdirectedLog(out io.Writer) *misdirectedLog {
	return &misdirectedLog{lines: newLineLog(out), budget: sparing[struct{}]{lines: misdirectedLines, every: misdirectedEvery}}
}

// write writes the line of a request, unless there were many lately.
func (m *misdirectedLog) write(x *Exchange, l misdirectedLabels) {
	ok, suppressed := m.budget.take(struct{}{}, x.Start)
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
