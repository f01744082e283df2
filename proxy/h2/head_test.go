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
		want   string // status, or "reset" where HTTP/2's own form is broken
	}{
		{base, "200"},
		{":method: GET|:scheme: https|:path: /", "200"}, // authority is the owner's question
		{":method: GET|:scheme: https|:authority: |:path: /", "200"},
		{":method: GET|:scheme: https|:authority: user@a.test|:path: /", "200"},
		{":method: GET|:scheme: http|:authority: a.test|:path: /", "200"},
		{":path: /|:authority: a.test|:scheme: https|:method: M-SEARCH", "200"},
		{":method: OPTIONS|:scheme: https|:authority: a.test|:path: *", "200"},
		{":method: CONNECT|:authority: a.test:443", "200"},
		{":method: CONNECT|:protocol: websocket|:scheme: https|:authority: a.test|:path: /", "200"},
		{base + "|te: trailers", "200"},
		{base + "|cookie: a=b|cookie: c=d", "200"},
		{base + "|host: b.test", "200"},
		{base + "|x-empty: ", "200"},
		{base + "|x: a\tb \xff", "200"},
		{base + "|content-length: 0", "200"},
		{base + "|upgrade-insecure-requests: 1", "200"},
		{":method: GET|:scheme: https|:authority: a.test|:path: /%20?a=b#c;\xc3\xa4", "200"},

		{":scheme: https|:authority: a.test|:path: /", "reset"},
		{":method: GET|:authority: a.test|:path: /", "reset"},
		{":method: GET|:scheme: https|:authority: a.test", "reset"},
		{base + "|:path: /", "reset"},
		{base + "|:method: GET", "reset"},
		{base + "|:authority: a.test", "reset"},
		{base + "|:status: 200", "reset"},
		{base + "|:x: y", "reset"},
		{base + "|:: y", "reset"},
		{":method: GET|:scheme: https|x: y|:path: /", "reset"},
		{":method: |:scheme: https|:path: /", "reset"},
		{":method: G T|:scheme: https|:path: /", "400"},
		{":method: GET\r|:scheme: https|:path: /", "400"},
		{":method: GET|:scheme: |:path: /", "reset"},
		{":method: GET|:scheme: ht tp|:path: /", "400"},
		{":method: GET|:scheme: 1http|:path: /", "400"},
		{":method: GET|:scheme: https|:path: ", "reset"},
		{":method: GET|:scheme: https|:path: *", "400"},
		{":method: OPTIONS|:scheme: https|:path: **", "400"},
		{":method: GET|:scheme: https|:path: a", "400"},
		{":method: GET|:scheme: https|:path: https://a.test/", "400"},
		{":method: GET|:scheme: https|:path: /a b", "400"},
		{":method: GET|:scheme: https|:path: /a\tb", "400"},
		{":method: GET|:scheme: https|:path: /a\x7f", "400"},
		{":method: GET|:scheme: https|:path: / HTTP/1.1\r\nx: y", "400"},
		{":method: GET|:scheme: https|:authority: a\x00.test|:path: /", "400"},
		{":method: GET|:scheme: https|:authority: a.test\n|:path: /", "400"},
		{":method: CONNECT", "reset"},
		{":method: CONNECT|:authority: a.test|:path: /", "reset"},
		{":method: CONNECT|:authority: a.test|:scheme: https", "reset"},
		{":method: CONNECT|:protocol: websocket|:authority: a.test", "reset"},
		{":method: CONNECT|:protocol: websocket|:scheme: https|:path: /", "reset"},
		{":method: GET|:protocol: websocket|:scheme: https|:authority: a.test|:path: /", "reset"},
		{base + "|connection: close", "reset"},
		{base + "|keep-alive: 1", "reset"},
		{base + "|proxy-connection: close", "reset"},
		{base + "|transfer-encoding: chunked", "reset"},
		{base + "|upgrade: h2c", "reset"},
		{base + "|te: gzip", "reset"},
		{base + "|te: trailers, gzip", "reset"},
		{base + "|te: ", "reset"},
		{base + "|X-Upper: y", "reset"},
		{base + "|x y: z", "400"},
		{base + "|x(: z", "400"},
		{base + "|x\x00: z", "400"},
		{base + "|\xc3\xa4: z", "400"},
		{base + "|x: a\rb", "400"},
		{base + "|x: a\nb", "400"},
		{base + "|x: a\x00b", "400"},
		{base + "|x: a\x01b", "400"},
		{base + "|x: a\x7fb", "400"},
		{base + "|x: trailing ", "400"},
		{base + "|x: \tleading", "400"},
		{base + "|content-length: 5", "reset"}, // the request has no body
		{base + "|content-length: 0|content-length: 0", "400"},
		{base + "|content-length: 0, 0", "400"},
		{base + "|content-length: +0", "400"},
		{base + "|content-length: -1", "400"},
		{base + "|content-length: 0x1", "400"},
		{base + "|content-length: ", "400"},
		{base + "|content-length: 99999999999999999999", "400"},
	} {
		cfg := &config{
			Handle: func(s *Stream) { s.Respond(200, nil, nil) },
			Refuse: refuse,
		}
		bubble(t, cfg, func(ct *tester) {
			ct.headers(1, true, strings.Split(c.fields, "|")...)
			want := "RST_STREAM stream=1 PROTOCOL_ERROR"
			if c.want != "reset" {
				want = "HEADERS stream=1 end :status=" + c.want
			}
			if got := ct.next(); got != want {
				t.Errorf("%q: got %s, want %s", c.fields, got, want)
			}
			if c.want != "200" && (len(ct.cut) != 1 || ct.cut[0] != WhyMalformed) {
				t.Errorf("%q: refused %v", c.fields, ct.cut)
			}
			// Another request is answered as if nothing had been.
			ct.headers(3, true, get...)
			ct.want("HEADERS stream=3 end :status=200")
		})
	}
}

// A request that is answered 400 may have a body, which is not wanted.
func TestMalformedRequestWithABody(t *testing.T) {
	cfg := &config{Refuse: func(s *Stream, status int, _ string) { s.Respond(status, nil, []byte("no")) }}
	bubble(t, cfg, func(ct *tester) {
		ct.headers(1, false, post("x: y ")...)
		ct.want("HEADERS stream=1 :status=400", "DATA stream=1 len=2 end")
		ct.fr.WriteData(1, true, make([]byte, 10_000))
		ct.wantSilence()
		if n := ct.open(); n != 0 {
			t.Errorf("%d streams are open", n)
		}
	})
}

func TestFieldNameMayNotBeEmpty(t *testing.T) {
	bubble(t, &config{}, func(ct *tester) {
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
	bubble(t, &config{Handle: func(s *Stream) { s.Respond(200, nil, nil) }}, func(ct *tester) {
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
		bubble(t, &config{Handle: echo}, func(ct *tester) {
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
			bubble(t, &config{Handle: func(s *Stream) {
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
