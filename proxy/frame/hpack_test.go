package frame

import (
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func TestEncoderIsUnderstood(t *testing.T) {
	names := []string{"x-new", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "accept",
		"access-control-allow-origin", "age", "allow", "authorization", "cache-control", "content-disposition",
		"content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
		"cookie", "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since",
		"if-none-match", "if-range", "if-unmodified-since", "last-modified", "link", "location", "max-forwards",
		"proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after", "server",
		"set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via",
		"www-authenticate"}
	var want, got []hpack.HeaderField
	var b []byte
	for _, status := range []int{200, 204, 206, 304, 400, 404, 500, 421, 103, 503} {
		b = AppendStatus(b, status)
		want = append(want, hpack.HeaderField{Name: ":status", Value: string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)})})
	}
	for _, n := range names {
		for _, size := range []int{0, 1, 126, 127, 128, 300, 70000} {
			f := hpack.HeaderField{Name: n, Value: strings.Repeat("v", size), Sensitive: size == 1}
			b = AppendField(b, &f)
			// RFC 7541 section 7.1.3: secrets, and cookies that could be guessed.
			f.Sensitive = f.Sensitive || n == "authorization" || n == "cookie" && size < 20
			want = append(want, f)
		}
	}
	dec := hpack.NewDecoder(0, func(f hpack.HeaderField) { got = append(got, f) })
	if _, err := dec.Write(b); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d fields, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("field %d: %.50v, want %.50v", i, got[i], want[i])
		}
	}
}

// Each name of the static table but those of pseudo-header fields is found.
func TestStaticNames(t *testing.T) {
	dec := hpack.NewDecoder(4096, nil)
	for i := uint64(15); i <= 61; i++ {
		block := append(AppendInt(nil, 0, 4, i), 0)
		fields, err := dec.DecodeFull(block)
		if err != nil || len(fields) != 1 {
			t.Fatalf("index %d: %v, %v", i, fields, err)
		}
		if got := StaticName(fields[0].Name); got != i {
			t.Errorf("%s has the index %d, want %d", fields[0].Name, got, i)
		}
	}
	if n := StaticName("x-new"); n != 0 {
		t.Errorf("x-new has the index %d", n)
	}
}
