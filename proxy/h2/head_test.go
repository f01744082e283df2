package h2

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestRequestFields: what RFC 9113 sections 8.2 and 8.3, and RFC 8441, say of
// a request's fields.
func TestRequestFields(t *testing.T) {
	const base = ":method: GET|:scheme: https|:authority: a.test|:path: /"
	for _, c := range []struct {
		fields string
		ok     bool
	}{
		{base, true},
		{":method: GET|:scheme: https|:path: /", true}, // authority is the owner's question
		{":method: GET|:scheme: https|:authority: |:path: /", true},
		{":method: GET|:scheme: https|:authority: user@a.test|:path: /", true},
		{":method: GET|:scheme: http|:authority: a.test|:path: /", true},
		{":path: /|:authority: a.test|:scheme: https|:method: M-SEARCH", true},
		{":method: OPTIONS|:scheme: https|:authority: a.test|:path: *", true},
		{":method: CONNECT|:authority: a.test:443", true},
		{":method: CONNECT|:protocol: websocket|:scheme: https|:authority: a.test|:path: /", true},
		{base + "|te: trailers", true},
		{base + "|cookie: a=b|cookie: c=d", true},
		{base + "|host: b.test", true},
		{base + "|x-empty: ", true},
		{base + "|x: a\tb \xff", true},
		{base + "|content-length: 0", true},
		{base + "|upgrade-insecure-requests: 1", true},
		{":method: GET|:scheme: https|:authority: a.test|:path: /%20?a=b#c;\xc3\xa4", true},

		{":scheme: https|:authority: a.test|:path: /", false},
		{":method: GET|:authority: a.test|:path: /", false},
		{":method: GET|:scheme: https|:authority: a.test", false},
		{base + "|:path: /", false},
		{base + "|:method: GET", false},
		{base + "|:authority: a.test", false},
		{base + "|:status: 200", false},
		{base + "|:x: y", false},
		{base + "|:: y", false},
		{":method: GET|:scheme: https|x: y|:path: /", false},
		{":method: |:scheme: https|:path: /", false},
		{":method: G T|:scheme: https|:path: /", false},
		{":method: GET\r|:scheme: https|:path: /", false},
		{":method: GET|:scheme: |:path: /", false},
		{":method: GET|:scheme: ht tp|:path: /", false},
		{":method: GET|:scheme: 1http|:path: /", false},
		{":method: GET|:scheme: https|:path: ", false},
		{":method: GET|:scheme: https|:path: *", false},
		{":method: OPTIONS|:scheme: https|:path: **", false},
		{":method: GET|:scheme: https|:path: a", false},
		{":method: GET|:scheme: https|:path: https://a.test/", false},
		{":method: GET|:scheme: https|:path: /a b", false},
		{":method: GET|:scheme: https|:path: /a\tb", false},
		{":method: GET|:scheme: https|:path: /a\x7f", false},
		{":method: GET|:scheme: https|:path: / HTTP/1.1\r\nx: y", false},
		{":method: GET|:scheme: https|:authority: a\x00.test|:path: /", false},
		{":method: GET|:scheme: https|:authority: a.test\n|:path: /", false},
		{":method: CONNECT", false},
		{":method: CONNECT|:authority: a.test|:path: /", false},
		{":method: CONNECT|:authority: a.test|:scheme: https", false},
		{":method: CONNECT|:protocol: websocket|:authority: a.test", false},
		{":method: CONNECT|:protocol: websocket|:scheme: https|:path: /", false},
		{":method: GET|:protocol: websocket|:scheme: https|:authority: a.test|:path: /", false},
		{base + "|connection: close", false},
		{base + "|keep-alive: 1", false},
		{base + "|proxy-connection: close", false},
		{base + "|transfer-encoding: chunked", false},
		{base + "|upgrade: h2c", false},
		{base + "|te: gzip", false},
		{base + "|te: trailers, gzip", false},
		{base + "|te: ", false},
		{base + "|X-Upper: y", false},
		{base + "|x y: z", false},
		{base + "|x(: z", false},
		{base + "|x\x00: z", false},
		{base + "|\xc3\xa4: z", false},
		{base + "|x: a\rb", false},
		{base + "|x: a\nb", false},
		{base + "|x: a\x00b", false},
		{base + "|x: a\x01b", false},
		{base + "|x: a\x7fb", false},
		{base + "|x: trailing ", false},
		{base + "|x: \tleading", false},
		{base + "|content-length: 5", false}, // the request has no body
		{base + "|content-length: 0|content-length: 0", false},
		{base + "|content-length: 0, 0", false},
		{base + "|content-length: +0", false},
		{base + "|content-length: -1", false},
		{base + "|content-length: 0x1", false},
		{base + "|content-length: ", false},
		{base + "|content-length: 99999999999999999999", false},
	} {
		bubble(t, &Config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }}, func(ct *tester) {
			ct.headers(1, true, strings.Split(c.fields, "|")...)
			want := "RST_STREAM stream=1 PROTOCOL_ERROR"
			if c.ok {
				want = "HEADERS stream=1 end :status=200"
			}
			if got := ct.next(); got != want {
				t.Errorf("%q: got %s", c.fields, got)
			}
			if !c.ok && (len(ct.refused) != 1 || ct.refused[0] != RefusedMalformed) {
				t.Errorf("%q: refused %v", c.fields, ct.refused)
			}
		})
	}
}

func TestFieldNameMayNotBeEmpty(t *testing.T) {
	bubble(t, &Config{}, func(ct *tester) {
		ct.encBuf.Reset()
		for _, f := range get {
			i := strings.Index(f[1:], ":") + 1
			ct.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: f[i+2:]})
		}
		ct.enc.WriteField(hpack.HeaderField{Value: "v"})
		block := ct.encBuf.Bytes()
		ct.fr.WriteRawFrame(1, 5, 1, block)
		ct.want("RST_STREAM stream=1 PROTOCOL_ERROR")
	})
}

func TestStreamMayNotDependOnItself(t *testing.T) {
	bubble(t, &Config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }}, func(ct *tester) {
		for _, dep := range []uint32{1, 3} {
			ct.fr.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 3*dep - 2, BlockFragment: ct.block(get...), EndStream: true, EndHeaders: true,
				Priority: http2.PriorityParam{StreamDep: dep, Weight: 1},
			})
		}
		ct.want("RST_STREAM stream=1 PROTOCOL_ERROR", "HEADERS stream=7 end :status=200")
	})
}

func TestTrailerFields(t *testing.T) {
	for _, c := range []struct {
		field string
		ok    bool
	}{
		{"x-sum: 1", true}, {"grpc-status: 0", true},
		{":path: /", false}, {"X: y", false}, {"connection: close", false}, {"x: a\nb", false},
	} {
		bubble(t, &Config{Handle: echo}, func(ct *tester) {
			ct.headers(1, false, post()...)
			ct.want("HEADERS stream=1 :status=200 content-type=text/plain x-path=/")
			ct.headers(1, true, c.field)
			want := "RST_STREAM stream=1 PROTOCOL_ERROR"
			if c.ok {
				want = "HEADERS stream=1 end " + strings.Replace(c.field, ": ", "=", 1)
			}
			if got := ct.next(); got != want {
				t.Errorf("%q: got %s, want %s", c.field, got, want)
			}
		})
	}
}

func TestContentLengthIsChecked(t *testing.T) {
	type step = func(ct *tester)
	data := func(s string, end bool) step { return func(ct *tester) { ct.fr.WriteData(1, end, []byte(s)) } }
	trailer := func(ct *tester) { ct.headers(1, true, "x-t: 1") }
	for _, c := range []struct {
		name   string
		length string
		steps  []step
		ok     bool
	}{
		{"right", "5", []step{data("hel", false), data("lo", true)}, true},
		{"right, end alone", "5", []step{data("hello", false), data("", true)}, true},
		{"right, trailers", "5", []step{data("hello", false), trailer}, true},
		{"zero", "0", []step{data("", true)}, true},
		{"short", "5", []step{data("hell", true)}, false},
		{"short, trailers", "5", []step{data("hell", false), trailer}, false},
		{"long", "5", []step{data("hello!", false)}, false},
		{"long at the end", "5", []step{data("hello", false), data("!", true)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &Config{Handle: func(s *Stream) {
				buf := make([]byte, 100)
				for {
					if _, err := s.Read(buf); err != nil {
						break
					}
				}
				s.Respond(200, nil, nil)
			}}, func(ct *tester) {
				ct.headers(1, false, post("content-length: "+c.length)...)
				for _, f := range c.steps {
					f(ct)
				}
				want := "RST_STREAM stream=1 PROTOCOL_ERROR"
				if c.ok {
					want = "HEADERS stream=1 end :status=200"
				}
				ct.want(want)
			})
		})
	}
}

func TestParseUrgency(t *testing.T) {
	for v, want := range map[string]uint8{
		"": 3, "u=0": 0, "u=7": 7, "u=8": 3, "i": 3, "i, u=1": 1, "u=2,i": 2, "u=5;x=1": 5,
		"u=10": 3, "uu=1": 3, "u=": 3, "u=1, u=4": 4, "xu=1": 3,
	} {
		if got := parseUrgency(v, 3); got != want {
			t.Errorf("%q: %d, want %d", v, got, want)
		}
	}
}

func TestEncoderIsUnderstood(t *testing.T) {
	names := []string{"x-new", "accept-ranges", "access-control-allow-origin", "age", "allow", "cache-control",
		"content-disposition", "content-encoding", "content-language", "content-length", "content-location",
		"content-range", "content-type", "date", "etag", "expires", "last-modified", "link", "location",
		"proxy-authenticate", "refresh", "retry-after", "server", "set-cookie", "strict-transport-security",
		"vary", "via", "www-authenticate"}
	var want, got []hpack.HeaderField
	var b []byte
	for _, status := range []int{200, 204, 206, 304, 400, 404, 500, 421, 103, 503} {
		b = appendStatus(b, status)
		want = append(want, hpack.HeaderField{Name: ":status", Value: string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)})})
	}
	for _, n := range names {
		for _, size := range []int{0, 1, 126, 127, 128, 300, 70000} {
			f := hpack.HeaderField{Name: n, Value: strings.Repeat("v", size), Sensitive: size == 1}
			b = appendField(b, &f)
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
