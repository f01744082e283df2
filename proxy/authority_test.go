package proxy

import (
	"strings"
	"testing"
)

// TestAuthority: which of ":authority" and Host says what a request is for, and
// what is no answer to that. An authority that is there and empty is one that
// no server has (RFC 9113 section 8.3.1 bids clients leave it out), and a Host
// beside it must not stand in for it: whoever looked at ":authority" before us
// has seen another request.
func TestAuthority(t *testing.T) {
	w := newWorld(t, oneSite(t, echo(t, "b")), nil)
	h2 := w.rawH2("a.test", nil)
	for _, tt := range []struct {
		fields string // "authority" and "host" fields, by blanks
		want   string
	}{
		{"authority=a.test", "200"},
		{"authority=a.test host=a.test", "200"},
		{"host=a.test", "200"},
		{"host=a.test host=a.test", "200"},
		{"authority=a.test: host=a.test", "200"},
		{"authority= host=a.test", "400"},
		{"authority=", "400"},
		{"authority= host=", "400"},
		{"host=", "400"},
		{"", "400"},
		{"authority=:443", "400"},
		{"authority=:443 host=a.test", "400"},
		{"authority=: host=a.test", "400"},
		{"authority=a.test host=", "400"},
		{"authority=a.test host=:443", "400"},
		{"host= host=a.test", "400"},
		{"host=a.test host=", "400"},
		{"host=a.test host=b.test", "400"},
		{"authority=a.test host=a.test host=b.test", "400"},
		{"authority=a.test host=b.test", "400"},
	} {
		fields := []string{":method", "GET", ":scheme", "https", ":path", "/"}
		for _, f := range strings.Fields(tt.fields) {
			name, value, _ := strings.Cut(f, "=")
			if name == "authority" {
				name = ":authority"
			}
			fields = append(fields, name, value)
		}
		a := h2.answer(h2.send(true, fields...))
		if a.status != tt.want || (tt.want == "400" && !strings.Contains(a.header["proxy-status"], "bad_authority") && !strings.Contains(a.header["proxy-status"], "host_conflict")) {
			t.Errorf("h2 %q: %s %s, want %s", tt.fields, a.status, a.header["proxy-status"], tt.want)
		}
	}
	a := h2.answer(h2.send(true, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "", "host", "a.test"))
	if a.status != "400" {
		t.Errorf("extended CONNECT with an empty authority: %+v", a)
	}
	for head, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a.test":                   "200",
		"GET / HTTP/1.1\r\nHost: a.test:":                  "200",
		"GET / HTTP/1.1\r\nHost:":                          "400",
		"GET / HTTP/1.1\r\nHost: ":                         "400",
		"GET / HTTP/1.1\r\nHost: :443":                     "400",
		"GET / HTTP/1.1":                                   "400",
		"GET / HTTP/1.0":                                   "400",
		"GET / HTTP/1.0\r\nHost:":                          "400",
		"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test":   "400",
		"GET / HTTP/1.1\r\nHost:\r\nHost: a.test":          "400",
		"GET https:///x HTTP/1.1\r\nHost: a.test":          "400",
		"GET https://:443/ HTTP/1.1\r\nHost: a.test":       "400",
		"GET https://a.test/ HTTP/1.1\r\nHost: other.test": "200",
		"GET https://a.test/ HTTP/1.1\r\nHost:":            "200",
		"GET https:/a.test/ HTTP/1.1\r\nHost: a.test":      "400",
		"GET https:a.test HTTP/1.1\r\nHost: a.test":        "400",
	} {
		if a := w.rawHTTP1("a.test", head+"\r\nConnection: close\r\n\r\n"); a.status != want {
			t.Errorf("http/1.1 %q: %s %s, want %s", head, a.status, a.header["proxy-status"], want)
		}
	}
}
