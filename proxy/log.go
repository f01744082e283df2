package proxy

import (
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// lineLog writes lines that come in numbers: they are gathered in a buffer and
// written by one goroutine, at the latest after flushEvery, so that a request
// pays for the appending alone.
type lineLog struct {
	out io.Writer // does not wait for whoever reads it

	mu   sync.Mutex
	buf  []byte // guarded by mu
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

const (
	flushEvery = 50 * time.Millisecond
	maxPending = 1 << 20 // octets that are gathered
)

func newLineLog(out io.Writer) *lineLog {
	l := &lineLog{out: out, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// line appends one line that add writes, without its end.
func (l *lineLog) line(add func([]byte) []byte) {
	l.mu.Lock()
	if len(l.buf) > maxPending {
		_, _ = l.out.Write(l.buf)
		l.buf = l.buf[:0]
	}
	first := len(l.buf) == 0
	l.buf = append(add(l.buf), '\n')
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *lineLog) run() {
	defer close(l.done)
	var spare []byte
	for {
		stopping := false
		select {
		case <-l.wake:
			timer := time.NewTimer(flushEvery)
			select {
			case <-timer.C:
			case <-l.stop:
				timer.Stop()
				stopping = true
			}
		case <-l.stop:
			stopping = true
		}
		l.mu.Lock()
		buf := l.buf
		l.buf = spare[:0]
		l.mu.Unlock()
		if len(buf) > 0 {
			_, _ = l.out.Write(buf)
		}
		spare = buf
		if cap(spare) > 1<<20 {
			spare = nil
		}
		if stopping {
			return
		}
	}
}

// close writes what is left.
func (l *lineLog) close() {
	close(l.stop)
	<-l.done
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

// misdirected counts and logs a request that the rule refused, or only
// reported.
func (s *Server) misdirected(r *request, reason hostmap.Reason, enforced bool) {
	enforcement := "enforce"
	if !enforced {
		enforcement = "report"
	}
	retry := "no"
	if r.verdict.Retry {
		retry = "yes"
	}
	r.stats.misdirect(misdirectedLabels{
		reason: string(reason), rule: r.verdict.Rule.String(), enforcement: enforcement,
		protocol: r.protocol, retry: retry,
	})
	if enforced {
		s.recovered.refused(r)
	}
	if s.lines == nil {
		return
	}
	ok, suppressed := s.misdirectedBudget.take(r.start)
	if !ok {
		return
	}
	s.lines.line(func(b []byte) []byte {
		f := &r.conn.facts
		b = append(b, `{"time":"`...)
		b = r.start.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, `","level":"INFO","msg":"misdirected"`...)
		b = appendField(b, "sni", f.ServerName)
		b = appendField(b, "authority", r.authority)
		b = appendField(b, "reason", string(reason))
		b = appendField(b, "rule", r.verdict.Rule.String())
		b = appendField(b, "enforcement", enforcement)
		b = appendField(b, "retry", retry)
		if f.Leaf != nil {
			b = append(b, `,"secret":`...)
			b = appendQuoted(b, f.Leaf.Secret.String())
			b = append(b, `,"fingerprint":"`...)
			b = hex.AppendEncode(b, f.Leaf.Fingerprint[:])
			b = append(b, '"')
		}
		b = appendField(b, "protocol", r.protocol)
		b = append(b, `,"peer":"`...)
		b = appendAddr(b, f.Peer)
		b = append(b, '"')
		if r.conn.source != f.Peer {
			b = append(b, `,"source":"`...)
			b = appendAddr(b, r.conn.source)
			b = append(b, '"')
		}
		if suppressed > 0 {
			b = append(b, `,"suppressed":`...)
			b = strconv.AppendInt(b, int64(suppressed), 10)
		}
		return append(b, '}')
	})
}

// access writes the access log line of an answered request.
func (s *Server) access(r *request, d time.Duration) {
	if s.accessLog == nil {
		return
	}
	if s.cfg.AccessLog == AccessLogText {
		s.accessLog.line(func(b []byte) []byte { return appendCombined(b, r) })
		return
	}
	s.accessLog.line(func(b []byte) []byte {
		f := &r.conn.facts
		b = append(b, `{"time":"`...)
		b = r.start.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
		b = appendField(b, "authority", r.authority)
		b = appendField(b, "sni", f.ServerName)
		b = appendField(b, "method", r.method)
		b = appendField(b, "path", r.path)
		b = appendField(b, "protocol", r.protocol)
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(r.status), 10)
		if r.reason != "" {
			b = appendField(b, "reason", r.reason)
		}
		if r.err != nil {
			b = appendField(b, "error", causeOf(r.err))
		}
		b = append(b, `,"duration":`...)
		b = strconv.AppendFloat(b, d.Seconds(), 'f', 6, 64)
		b = append(b, `,"bytes_sent":`...)
		b = strconv.AppendInt(b, r.sent, 10)
		b = append(b, `,"source":"`...)
		b = appendAddr(b, r.conn.source)
		b = append(b, '"')
		// Which requests came on one connection.
		if tcp, ok := r.conn.RemoteAddr().(*net.TCPAddr); ok {
			b = append(b, `,"source_port":`...)
			b = strconv.AppendInt(b, int64(tcp.Port), 10)
		}
		if rt := r.verdict.Route; rt != nil {
			b = appendField(b, "namespace", rt.From.Namespace)
			b = appendField(b, "ingress", rt.From.Name)
			b = appendField(b, "service", rt.Backend.Service)
			b = appendField(b, "port", rt.Backend.Port)
		}
		if r.endpoint.IsValid() {
			b = append(b, `,"endpoint":"`...)
			b = r.endpoint.AppendTo(b)
			b = append(b, '"')
		}
		if ua := r.get("user-agent"); ua != "" {
			b = appendField(b, "user_agent", ua)
		}
		return append(b, '}')
	})
}

// appendCombined is the Combined Log Format of Apache, with the authority
// before the request line, and behind all else the error where there was one.
func appendCombined(b []byte, r *request) []byte {
	b = appendAddr(b, r.conn.source)
	b = append(b, " - - ["...)
	b = r.start.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] `...)
	b = appendQuoted(b, clip(r.authority))
	b = append(b, ' ')
	b = appendQuoted(b, clip(r.method)+" "+clip(r.target)+" "+r.protocol)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(r.status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, r.sent, 10)
	b = append(b, ' ')
	b = appendQuoted(b, clip(r.get("referer")))
	b = append(b, ' ')
	b = appendQuoted(b, clip(r.get("user-agent")))
	if r.err != nil {
		b = append(b, ' ')
		b = appendQuoted(b, clip(r.reason+": "+causeOf(r.err)))
	}
	return b
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, '-')
	}
	return a.AppendTo(b)
}

// maxLogged is how many octets of what a client sent a line holds.
const maxLogged = 512

func clip(s string) string { return s[:min(len(s), maxLogged)] }

func appendField(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendQuoted(b, clip(value))
}

// appendQuoted appends a JSON string (RFC 8259 section 7), whatever octets it
// is made of: what a client sent cannot break out of it.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf && c != 0x7f {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < utf8.RuneSelf:
			const digits = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, `\ufffd`...)
			} else {
				b = append(b, s[i:i+n]...)
			}
			i += n
		}
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
