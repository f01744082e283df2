package upstream

import (
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// Requests are written with HPACK's static table and literals that leave the
// dynamic one alone (RFC 7541): no state, no allocation.

// h2HeadSize is the size of the header list that appendH2Head writes, as RFC
// 9113 section 6.5.2 counts it.
func (r *Request) h2HeadSize() (n int) {
	const each = 32
	n = len(r.Method) + len(r.Host) + len(r.Path) + len(":method:authority:path:schemehttps") + 4*each
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
		b = appendHpackString(append(b, 2), r.Method)
	}
	if secure {
		b = append(b, 0x80|7)
	} else {
		b = append(b, 0x80|6)
	}
	if r.Host != "" {
		b = appendHpackString(append(b, 1), r.Host)
	}
	if r.Path == "/" {
		b = append(b, 0x80|4)
	} else {
		b = appendHpackString(append(b, 4), r.Path)
	}
	for i := range r.Header {
		b = appendHpackField(b, &r.Header[i])
	}
	if grpc {
		b = appendHpackField(b, &hpack.HeaderField{Name: "te", Value: "trailers"})
	}
	if length >= 0 {
		b = appendHpackInt(b, 0, 4, staticName("content-length"))
		var digits [20]byte
		text := strconv.AppendInt(digits[:0], length, 10)
		b = append(append(b, byte(len(text))), text...)
	}
	if len(names) > 0 {
		b = appendHpackString(append(b, 0), "trailer")
		size := 2 * (len(names) - 1)
		for _, name := range names {
			size += len(name)
		}
		b = appendHpackInt(b, 0, 7, uint64(size))
		for i, name := range names {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(b, name...)
		}
	}
	return b
}

// appendHpackInt appends i with an n-bit prefix (RFC 7541 section 5.1); first
// holds the bits before the prefix.
func appendHpackInt(b []byte, first byte, n uint, i uint64) []byte {
	limit := uint64(1)<<n - 1
	if i < limit {
		return append(b, first|byte(i))
	}
	b = append(b, first|byte(limit))
	i -= limit
	for i >= 128 {
		b = append(b, byte(i)|128)
		i >>= 7
	}
	return append(b, byte(i))
}

func appendHpackString(b []byte, s string) []byte {
	b = appendHpackInt(b, 0, 7, uint64(len(s)))
	return append(b, s...)
}

// appendHpackField appends a literal, marked as never to be indexed if it is a
// secret (RFC 7541 section 7.1.3).
func appendHpackField(b []byte, f *hpack.HeaderField) []byte {
	var first byte
	if f.Sensitive || f.Name == "authorization" || f.Name == "cookie" && len(f.Value) < 20 {
		first = 0x10
	}
	if i := staticName(f.Name); i != 0 {
		b = appendHpackInt(b, first, 4, i)
	} else {
		b = appendHpackString(append(b, first), f.Name)
	}
	return appendHpackString(b, f.Value)
}

// staticName is the index of a name that requests use in the static table (RFC
// 7541 appendix A), or 0.
func staticName(name string) uint64 {
	switch name {
	case "accept-charset":
		return 15
	case "accept-encoding":
		return 16
	case "accept-language":
		return 17
	case "accept":
		return 19
	case "authorization":
		return 23
	case "cache-control":
		return 24
	case "content-disposition":
		return 25
	case "content-encoding":
		return 26
	case "content-language":
		return 27
	case "content-length":
		return 28
	case "content-type":
		return 31
	case "cookie":
		return 32
	case "date":
		return 33
	case "expect":
		return 35
	case "from":
		return 37
	case "if-match":
		return 39
	case "if-modified-since":
		return 40
	case "if-none-match":
		return 41
	case "if-range":
		return 42
	case "if-unmodified-since":
		return 43
	case "max-forwards":
		return 47
	case "range":
		return 50
	case "referer":
		return 51
	case "user-agent":
		return 58
	case "via":
		return 60
	}
	return 0
}
