package h2

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// benchConn starts a connection in memory and exchanges prefaces, with windows
// as large as they can be.
func benchConn(b *testing.B, cfg *config) *benchClient {
	server, client := pipe(1 << 20)
	c := cfg.newConn(server)
	done := make(chan struct{})
	go func() { c.Serve(); close(done) }()
	b.Cleanup(func() { client.Close(); <-done })
	fr := http2.NewFramer(client, nil)
	io.WriteString(client, http2.ClientPreface)
	fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	fr.WriteSettingsAck()
	fr.WriteWindowUpdate(0, 1<<30)
	return &benchClient{nc: client, fr: fr, buf: make([]byte, 64<<10)}
}

type benchClient struct {
	nc  io.ReadWriter
	fr  *http2.Framer
	buf []byte
	n   int
}

// ends reads until n streams have ended.
func (c *benchClient) ends(b *testing.B, n int) {
	for n > 0 {
		m, err := c.nc.Read(c.buf[c.n:])
		if err != nil {
			b.Fatal(err)
		}
		c.n += m
		p := c.buf[:c.n]
		for len(p) >= frame.HeaderLen {
			size := frame.HeaderLen + int(binary.BigEndian.Uint32(p)>>8)
			if len(p) < size {
				break
			}
			if t := http2.FrameType(p[3]); t <= http2.FrameHeaders && p[4]&1 != 0 {
				n--
			}
			p = p[size:]
		}
		c.n = copy(c.buf, p)
	}
}

// batch is requests of ten streams, as a browser repeats them: all fields are
// in the HPACK table.
type batch struct {
	b    bytes.Buffer
	next uint32
	enc  *hpack.Encoder
	hb   bytes.Buffer
}

func (q *batch) fill(n int, end bool) []byte {
	if q.enc == nil {
		q.enc = hpack.NewEncoder(&q.hb)
		q.next = 1
	}
	q.b.Reset()
	fr := http2.NewFramer(&q.b, nil)
	for range n {
		q.hb.Reset()
		for _, f := range [][2]string{
			{":method", "GET"}, {":scheme", "https"}, {":authority", "shop.example.test"}, {":path", "/index.html"},
			{"user-agent", "Mozilla/5.0 (X11; Linux x86_64)"}, {"accept", "text/html,application/xhtml+xml"},
			{"accept-language", "en"}, {"cookie", "session=0123456789abcdef"},
		} {
			q.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: q.next, BlockFragment: q.hb.Bytes(), EndStream: end, EndHeaders: true})
		q.next += 2
	}
	return q.b.Bytes()
}

var benchFields = []hpack.HeaderField{
	{Name: "cache-control", Value: "no-store"},
	{Name: "content-type", Value: "text/plain; charset=utf-8"},
	{Name: "proxy-status", Value: `ingress421; error=http_request_denied; details="certificate"`},
}

// One operation is ten requests.
func benchmarkRequests(b *testing.B, cfg *config) {
	c := benchConn(b, cfg)
	var q batch
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		p := q.fill(10, true)
		b.StartTimer()
		c.nc.Write(p)
		c.ends(b, 10)
	}
}

func BenchmarkAdmitAnswers(b *testing.B) {
	body := make([]byte, 60)
	benchmarkRequests(b, &config{Admit: func(s *Stream) bool { s.Respond(421, benchFields, body); return true }})
}

func BenchmarkHandleAnswers(b *testing.B) {
	body := make([]byte, 60)
	benchmarkRequests(b, &config{Handle: func(s *Stream) { s.Respond(200, benchFields, body) }})
}

func BenchmarkDownload(b *testing.B) {
	chunk := make([]byte, 32<<10)
	c := benchConn(b, &config{Handle: func(s *Stream) {
		s.WriteHeader(200, nil, false)
		for range 32 {
			s.Write(chunk)
		}
		s.WriteEnd(nil)
	}})
	var q batch
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		c.nc.Write(q.fill(1, true))
		c.fr.WriteWindowUpdate(0, 1<<20)
		c.ends(b, 1)
	}
}

func BenchmarkUpload(b *testing.B) {
	cfg := &config{Limits: Limits{StreamWindow: 2 << 20, ConnWindow: 4 << 20}, Handle: func(s *Stream) {
		buf := make([]byte, 32<<10)
		for {
			if _, err := s.Read(buf); err != nil {
				break
			}
		}
		s.Respond(200, nil, nil)
	}}
	c := benchConn(b, cfg)
	var q batch
	payload := make([]byte, frame.MaxPayload)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		p := q.fill(1, false)
		c.nc.Write(p)
		for i := range 64 {
			c.fr.WriteData(q.next-2, i == 63, payload)
		}
		c.ends(b, 1)
	}
}
