package observe

import (
	"strconv"
	"sync/atomic"
	"time"
)

// Formats of the access log.
const (
	AccessLogJSON = "json"
	AccessLogText = "text" // the Combined Log Format of Apache
)

// accessLog is a line for each request that failed or was refused, and for one in
// so many of the others.
type accessLog struct {
	lines  *lineLog
	format string
	every  uint64 // 0 and 1: all
	good   atomic.Uint64
}

// leavesOut tells whether a request has no line.
func (a *accessLog) leavesOut(x *Exchange) bool {
	if a.every <= 1 || x.Status >= 400 || x.Reason != "" || x.Err != nil {
		return false
	}
	return a.good.Add(1)%a.every != 1
}

// write writes the line of a request that took so long.
func (a *accessLog) write(x *Exchange, d time.Duration) {
	if a.leavesOut(x) {
		return
	}
	if a.format == AccessLogText {
		a.lines.line(func(b []byte) []byte { return appendCombined(b, x) })
		return
	}
	a.lines.line(func(b []byte) []byte {
		f := x.Facts
		b = append(b, `{"time":"`...)
		b = x.Start.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
		b = appendField(b, "authority", x.Authority)
		b = appendField(b, "sni", f.ServerName)
		b = appendField(b, "method", x.Method)
		b = appendField(b, "path", x.Path)
		b = appendField(b, "protocol", x.Protocol)
		if f.TLS {
			b = appendField(b, "tls_version", VersionName(f.Version))
			b = append(b, `,"resumed":`...)
			b = strconv.AppendBool(b, f.Resumed)
		}
		if f.Leaf != nil {
			b = append(b, `,"secret":`...)
			b = appendQuoted(b, f.Leaf.Secret.String())
		}
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(x.Status), 10)
		if x.Reason != "" {
			b = appendField(b, "reason", x.Reason)
		}
		if x.Err != nil {
			b = appendField(b, "error", x.Err.Error())
		}
		b = append(b, `,"duration":`...)
		b = strconv.AppendFloat(b, d.Seconds(), 'f', 6, 64)
		b = append(b, `,"bytes_sent":`...)
		b = strconv.AppendInt(b, x.Sent, 10)
		b = append(b, `,"bytes_received":`...)
		b = strconv.AppendInt(b, x.Received, 10)
		if x.UpstreamTime > 0 {
			b = append(b, `,"upstream_time":`...)
			b = strconv.AppendFloat(b, x.UpstreamTime.Seconds(), 'f', 6, 64)
		}
		if x.GRPCStatus != "" {
			b = appendField(b, "grpc_status", x.GRPCStatus)
		}
		if id := x.get("x-request-id"); id != "" {
			b = appendField(b, "request_id", id)
		}
		b = append(b, `,"source":"`...)
		b = appendAddr(b, x.Source.Addr())
		b = append(b, '"')
		// Which requests came on one connection.
		if p := x.Source.Port(); p != 0 {
			b = append(b, `,"source_port":`...)
			b = strconv.AppendUint(b, uint64(p), 10)
		}
		if rt := x.Verdict.Route; rt != nil {
			b = appendField(b, "namespace", rt.From.Namespace)
			b = appendField(b, "ingress", rt.From.Name)
			if backend := x.backend(); backend != nil {
				b = appendField(b, "service", backend.Service)
				b = appendField(b, "port", backend.Port)
			}
		}
		if x.Endpoint.IsValid() {
			b = append(b, `,"endpoint":"`...)
			b = x.Endpoint.AppendTo(b)
			b = append(b, '"')
		}
		if ua := x.get("user-agent"); ua != "" {
			b = appendField(b, "user_agent", ua)
		}
		if referer := x.get("referer"); referer != "" {
			b = appendField(b, "referer", referer)
		}
		return append(b, '}')
	})
}

// appendCombined is the Combined Log Format of Apache, with the authority
// before the request line, and behind all else the error where there was one.
func appendCombined(b []byte, x *Exchange) []byte {
	b = appendAddr(b, x.Source.Addr())
	b = append(b, " - - ["...)
	b = x.Start.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] `...)
	b = appendQuoted(b, clip(x.Authority))
	b = append(b, ' ')
	b = appendQuoted(b, clip(x.Method)+" "+clip(x.Target)+" "+x.Protocol)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(x.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, x.Sent, 10)
	b = append(b, ' ')
	b = appendQuoted(b, clip(x.get("referer")))
	b = append(b, ' ')
	b = appendQuoted(b, clip(x.get("user-agent")))
	if x.Err != nil {
		b = append(b, ' ')
		b = appendQuoted(b, clip(x.Reason+": "+x.Err.Error()))
	}
	return b
}
