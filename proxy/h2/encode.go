package h2

import "golang.org/x/net/http2/hpack"

// The encoder of responses (RFC 7541) uses the static table and literals
// without indexing, but for what a Block holds: no state, no allocation.

// appendInt appends i with an n-bit prefix (RFC 7541 section 5.1); first
// holds the bits before the prefix.
func appendInt(b []byte, first byte, n uint, i uint64) []byte {
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

func appendString(b []byte, s string) []byte {
	if len(s) < 127 {
		b = append(b, byte(len(s)))
	} else {
		b = appendInt(b, 0, 7, uint64(len(s)))
	}
	return append(b, s...)
}

// appendStatus appends :status. status has three digits.
func appendStatus(b []byte, status int) []byte {
	switch status {
	case 200:
		return append(b, 0x80|8)
	case 204:
		return append(b, 0x80|9)
	case 206:
		return append(b, 0x80|10)
	case 304:
		return append(b, 0x80|11)
	case 400:
		return append(b, 0x80|12)
	case 404:
		return append(b, 0x80|13)
	case 500:
		return append(b, 0x80|14)
	}
	return append(b, 8, 3, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

func appendField(b []byte, f *hpack.HeaderField) []byte {
	var first byte // literal without indexing
	if f.Sensitive {
		first = 0x10 // literal never indexed
	}
	if i := staticName(f.Name); i != 0 {
		b = appendInt(b, first, 4, i)
	} else {
		b = append(b, first)
		b = appendString(b, f.Name)
	}
	return appendString(b, f.Value)
}

// staticName is the index of a name that responses use in the static table
// (RFC 7541 appendix A), or 0.
func staticName(name string) uint64 {
	switch name {
	case "accept-ranges":
		return 18
	case "access-control-allow-origin":
		return 20
	case "age":
		return 21
	case "allow":
		return 22
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
	case "content-location":
		return 29
	case "content-range":
		return 30
	case "content-type":
		return 31
	case "date":
		return 33
	case "etag":
		return 34
	case "expires":
		return 36
	case "last-modified":
		return 44
	case "link":
		return 45
	case "location":
		return 46
	case "proxy-authenticate":
		return 48
	case "refresh":
		return 52
	case "retry-after":
		return 53
	case "server":
		return 54
	case "set-cookie":
		return 55
	case "strict-transport-security":
		return 56
	case "vary":
		return 59
	case "via":
		return 60
	case "www-authenticate":
		return 61
	}
	return 0
}
