package upstream

import (
	"crypto/sha1"
	"encoding/base64"
	"strconv"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/frame"
)

// Requests are written with HPACK's static table and literals that leave the
// dynamic one alone (RFC 7541): no state, no allocation.

// h2HeadSize is the size of the header list that appendH2Head writes, as RFC
// 9113 section 6.5.2 counts it.
func (r *Request) h2HeadSize() (n int) {
	const each = 32
	n = len(r.Method) + len(r.Host) + len(r.Path) + len(":method:authority:path:schemehttps:protocol") + len(r.Upgrade) + 5*each
	for i := range r.Header {
		n += len(r.Header[i].Name) + len(r.Header[i].Value) + each
	}
	return n
}

// appendH2Head appends the header block of r, which must have passed check.
// length < 0: it is not told.
func (r *Request) appendH2Head(b []byte, secure, grpc bool, length int64, names []string) []byte {
	switch r.Method {
	case "GET":
		b = append(b, 0x80|2)
	case "POST":
		b = append(b, 0x80|3)
	default:
		b = frame.AppendString(append(b, 2), r.Method)
	}
	b = r.appendH2Target(b, secure)
	for i := range r.Header {
		b = frame.AppendField(b, &r.Header[i])
	}
	if grpc {
		b = frame.AppendField(b, &hpack.HeaderField{Name: "te", Value: "trailers"})
	}
	if length >= 0 {
		b = frame.AppendInt(b, 0, 4, frame.StaticName("content-length"))
		var digits [20]byte
		text := strconv.AppendInt(digits[:0], length, 10)
		b = append(append(b, byte(len(text))), text...)
	}
	if len(names) > 0 {
		b = frame.AppendString(append(b, 0), "trailer")
		size := 2 * (len(names) - 1)
		for _, name := range names {
			size += len(name)
		}
		b = frame.AppendInt(b, 0, 7, uint64(size))
		for i, name := range names {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(b, name...)
		}
	}
	return b
}

// appendH2Target appends :scheme, :authority and :path.
func (r *Request) appendH2Target(b []byte, secure bool) []byte {
	if secure {
		b = append(b, 0x80|7)
	} else {
		b = append(b, 0x80|6)
	}
	if r.Host != "" {
		b = frame.AppendString(append(b, 1), r.Host)
	}
	if r.Path == "/" {
		return append(b, 0x80|4)
	}
	return frame.AppendString(append(b, 4), r.Path)
}

// isWebSocket says that r asks for the one protocol that HTTP/2 has a way to (RFC
// 8441).
func (r *Request) isWebSocket() bool { return field.EqualFold(r.Upgrade, "websocket") }

// appendH2Connect appends the header block of an extended CONNECT (RFC 8441
// section 4). It has no key: section 5.1.
func (r *Request) appendH2Connect(b []byte, secure bool) []byte {
	b = frame.AppendString(append(b, 2), "CONNECT")
	b = frame.AppendField(b, &hpack.HeaderField{Name: ":protocol", Value: "websocket"})
	b = r.appendH2Target(b, secure)
	for i := range r.Header {
		if f := &r.Header[i]; f.Name != "sec-websocket-key" {
			b = frame.AppendField(b, f)
		}
	}
	return b
}

// acceptance is what a server of HTTP/1.1 answers to the key of r (RFC 6455
// section 4.2.2): our caller has asked as if for an Upgrade. Empty: there is no
// key.
func (r *Request) acceptance() string {
	for i := range r.Header {
		if f := &r.Header[i]; f.Name == "sec-websocket-key" {
			sum := sha1.Sum([]byte(f.Value + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			return base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	return ""
}
