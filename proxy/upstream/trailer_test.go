package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// trailing is a request with a trailer section.
func trailing(method, body string, length int64, whole bool) *Request {
	return &Request{
		Method: method, Path: "/", Host: "h", Body: strings.NewReader(body), ContentLength: length, BodyWhole: whole,
		TrailerNames: []string{"x-t", "content-length", "a b", "X-Upper", "x-never"},
		Trailer: func() []hpack.HeaderField {
			return []hpack.HeaderField{
				{Name: "x-t", Value: "1"}, {Name: "x-t", Value: "2"}, {Name: "x-unannounced", Value: "3"},
				{Name: "content-length", Value: "9"}, {Name: "x-control", Value: "a\r\nb"}, {Name: "X-Upper", Value: "4"},
			}
		},
	}
}

// Trailer fields reach HTTP/2 backends, announced or not.
func TestTrailersInFrames(t *testing.T) {
	seen := make(chan framesRequest, 1)
	p := newClient(t, Config{}).Pool(framesBackend(t, func(c *framesConn, r framesRequest) {
		seen <- r
		c.head(r.stream, true, ":status", "200")
	}))
	const names, fields = "trailer=x-t, x-never", "x-t=1 x-t=2 x-unannounced=3"
	silent := func(r *Request) *Request { r.TrailerNames = nil; return r }
	none := func(r *Request) *Request {
		r.TrailerNames, r.Trailer = nil, func() []hpack.HeaderField { return nil }
		return r
	}
	for _, tt := range []struct {
		name                string
		req                 *Request
		head, trailer, body string
		frames              string // "" : any
	}{
		{"unknown length", trailing("POST", "abc", -1, false), names, fields, "abc", ""},
		{"known length", trailing("POST", "abc", 3, false), "content-length=3 " + names, fields, "abc", ""},
		{"whole", trailing("POST", "abc", -1, true), names, fields, "abc", ""},
		{"whole, known length", trailing("POST", "abc", 3, true), "content-length=3 " + names, fields, "abc", ""},
		{"without a body", trailing("GET", "", -1, false), names, fields, "", ""},
		{"not announced", silent(trailing("POST", "abc", -1, false)), "", fields, "abc", ""},
		{"whole, not announced", silent(trailing("POST", "abc", -1, true)), "", fields, "abc", ""},
		{"none in the end", none(trailing("POST", "abc", -1, false)), "", "", "abc", ""},
		{"none", none(trailing("POST", "abc", 3, true)), "content-length=3", "", "abc", "HDE"},
	} {
		if got := roundTrip(p, tt.req); got != `200 whole ""` {
			t.Errorf("%s: response %s", tt.name, got)
			continue
		}
		got := <-seen
		if got.head != tt.head || got.trailer != tt.trailer || got.body != tt.body || tt.frames != "" && got.frames != tt.frames {
			t.Errorf("%s:\ngot  %+v\nwant %q %q %q %s", tt.name, got, tt.head, tt.trailer, tt.body, tt.frames)
		}
	}
}

// The same on HTTP/1.1, in cleartext and behind TLS, where a message of known
// length has no trailer section.
func TestTrailersHTTP1(t *testing.T) {
	seen := make(chan string, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names := strings.Join(sortedKeys(r.Trailer), ",")
		body, err := io.ReadAll(r.Body)
		text := names + " " + string(body)
		if err != nil {
			text += " " + err.Error()
		}
		for _, name := range sortedKeys(r.Trailer) {
			text += " " + name + "=" + strings.Join(r.Trailer[name], ",")
		}
		seen <- text
	})
	tls := httptest.NewTLSServer(handler)
	defer tls.Close()
	for name, target := range map[string]Target{
		"http":  server(t, HTTP1, handler),
		"https": {Addr: netip.MustParseAddrPort(tls.Listener.Addr().String()), Protocol: HTTPS},
	} {
		p := newClient(t, Config{}).Pool(target)
		const all = "X-Never,X-T %s X-Never= X-T=1,2 X-Unannounced=3"
		for _, tt := range []struct {
			name string
			req  *Request
			want string
		}{
			{"unknown length", trailing("POST", "abc", -1, false), strings.Replace(all, "%s", "abc", 1)},
			{"whole", trailing("POST", "abc", -1, true), strings.Replace(all, "%s", "abc", 1)},
			{"without content", trailing("GET", "", -1, false), strings.Replace(all, "%s", "", 1)},
			{"known length", trailing("POST", "abc", 3, false), " abc"},
			{"whole, known length", trailing("POST", "abc", 3, true), " abc"},
		} {
			e := p.Start()
			err := e.Do(tt.req)
			e.Close()
			if err != nil {
				t.Errorf("%s, %s: %v", name, tt.name, err)
				continue
			}
			if got := <-seen; got != tt.want {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", name, tt.name, got, tt.want)
			}
		}
	}
}

// A name must not be able to end its line.
func TestTrailerNamesAreChecked(t *testing.T) {
	head := make(chan string, 1)
	p := newClient(t, Config{}).Pool(Target{Addr: backend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		var b strings.Builder
		for !strings.HasSuffix(b.String(), "\r\n\r\n") {
			c, err := br.ReadByte()
			if err != nil {
				return
			}
			b.WriteByte(c)
		}
		head <- b.String()
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	})})
	r := trailing("POST", "abc", -1, true)
	r.TrailerNames = []string{"x\r\nevil: 1", "", "host", "x-a", "x-b"}
	roundTrip(p, r)
	if got, want := <-head, "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntrailer: x-a, x-b\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
