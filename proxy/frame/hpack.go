package frame

import "golang.org/x/net/http2/hpack"

// AppendInt appends i with an n-bit prefix (RFC 7541 section 5.1); first holds the
// bits before the prefix.
func AppendInt(b []byte, first byte, n uint, i uint64) []byte {
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

// AppendString appends a string literal (RFC 7541 section 5.2).
func AppendString(b []byte, s string) []byte {
	if len(s) < 127 {
		b = append(b, byte(len(s)))
	} else {
		b = AppendInt(b, 0, 7, uint64(len(s)))
	}
	return append(b, s...)
}

// AppendField appends a literal, marked as never to be indexed if it is a secret
// (RFC 7541 section 7.1.3).
func AppendField(b []byte, f *hpack.HeaderField) []byte {
	var first byte // literal without indexing
	i := StaticName(f.Name)
	if f.Sensitive || i == nameAuthorization || i == nameCookie && len(f.Value) < 20 {
		first = 0x10 // literal never indexed
	}
	if i != 0 {
		b = AppendInt(b, first, 4, i)
	} else {
		b = AppendString(append(b, first), f.Name)
	}
	return AppendString(b, f.Value)
}

const (
	nameAuthorization = 23
	nameCookie        = 32
)

// AppendStatus appends :status. status has three digits.
func AppendStatus(b []byte, status int) []byte {
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

// StaticName is the index of a regular field's name in the static table (RFC 7541
// appendix A), or 0.
func StaticName(name string) uint64 {
	switch name {
	case "accept-charset":
		return 15
	case "accept-encoding":
		return 16
	case "accept-language":
		return 17
	case "accept-ranges":
		return 18
	case "accept":
		return 19
	case "access-control-allow-origin":
		return 20
	case "age":
		return 21
	case "allow":
		return 22
	case "authorization":
		return nameAuthorization
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
	case "cookie":
		return nameCookie
	case "date":
		return 33
	case "etag":
		return 34
	case "expect":
		return 35
	case "expires":
		return 36
	case "from":
		return 37
	case "host":
		return 38
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
	case "last-modified":
		return 44
	case "link":
		return 45
	case "location":
		return 46
	case "max-forwards":
		return 47
	case "proxy-authenticate":
		return 48
	case "proxy-authorization":
		return 49
	case "range":
		return 50
	case "referer":
		return 51
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
	case "transfer-encoding":
		return 57
	case "user-agent":
		return 58
	case "vary":
		return 59
	case "via":
		return 60
	case "www-authenticate":
		return 61
	}
	return 0
}
