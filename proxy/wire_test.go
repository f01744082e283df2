package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/message"
)

// rawH2 speaks frames, so that it can say what no client library would.
type rawH2 struct {
	t    testing.TB
	nc   net.Conn
	fr   *http2.Framer
	enc  *hpack.Encoder
	buf  bytes.Buffer
	next uint32
	// origins are those of the last ORIGIN frame; sawOrigin tells of one.
	origins   []string
	sawOrigin bool
	goAways   []uint32
}

const frameOrigin = http2.FrameType(0xc)

func (w *world) rawH2(serverName string, change func(*tls.Config)) *rawH2 {
	w.t.Helper()
	cfg := &tls.Config{ServerName: serverName, NextProtos: []string{"h2"}, InsecureSkipVerify: true} //nolint:gosec // a test looks at what it is served
	if change != nil {
		change(cfg)
	}
	nc, err := tls.Dial("tcp", w.https, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return w.rawH2On(nc)
}

// rawH2On begins HTTP/2 on a connection.
func (w *world) rawH2On(nc net.Conn) *rawH2 {
	w.t.Helper()
	c := &rawH2{t: w.t, nc: nc, next: 1}
	c.enc = hpack.NewEncoder(&c.buf)
	c.fr = http2.NewFramer(nc, nc)
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		w.t.Fatal(err)
	}
	if err := c.fr.WriteSettings(); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// send writes one request head of name, value pairs and returns its stream.
func (c *rawH2) send(end bool, fields ...string) uint32 {
	c.t.Helper()
	c.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	id := c.next
	c.next += 2
	err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.buf.Bytes(), EndHeaders: true, EndStream: end})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

type rawAnswer struct {
	status string
	header map[string]string
	body   string
	reset  http2.ErrCode
	gone   bool // the connection ended
}

// answer reads frames until a stream has ended.
func (c *rawH2) answer(id uint32) rawAnswer {
	c.t.Helper()
	a := rawAnswer{header: map[string]string{}}
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			a.gone = true
			return a
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = c.fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = c.fr.WritePing(true, f.Data)
			}
		case *http2.GoAwayFrame:
			c.goAways = append(c.goAways, f.LastStreamID)
		case *http2.UnknownFrame:
			if f.Type == frameOrigin {
				c.sawOrigin, c.origins = true, nil
				for p := f.Payload(); len(p) >= 2; {
					n := int(p[0])<<8 | int(p[1])
					c.origins = append(c.origins, string(p[2:2+n]))
					p = p[2+n:]
				}
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID != id {
				continue
			}
			for _, h := range f.Fields {
				if h.Name == ":status" {
					a.status = h.Value
				} else {
					a.header[h.Name] = h.Value
				}
			}
			if f.StreamEnded() {
				return a
			}
		case *http2.DataFrame:
			if n := uint32(len(f.Data())); n > 0 {
				_ = c.fr.WriteWindowUpdate(0, n)
				if !f.StreamEnded() {
					_ = c.fr.WriteWindowUpdate(f.StreamID, n)
				}
			}
			if f.StreamID != id {
				continue
			}
			a.body += string(f.Data())
			if f.StreamEnded() {
				return a
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				a.reset, a.status = f.ErrCode, "reset"
				return a
			}
		}
	}
}

// get is send and answer of a GET.
func (c *rawH2) get(scheme, authority, path string, more ...string) rawAnswer {
	c.t.Helper()
	fields := []string{":method", "GET", ":scheme", scheme, ":path", path}
	if authority != "-" {
		fields = append(fields, ":authority", authority)
	}
	return c.answer(c.send(true, append(fields, more...)...))
}

// rawHTTP1 sends octets on a connection of their own and returns what comes.
func (w *world) rawHTTP1(serverName, text string) rawAnswer {
	w.t.Helper()
	var nc net.Conn
	var err error
	if serverName == "" {
		nc, err = net.Dial("tcp", w.http)
	} else {
		nc, err = tls.Dial("tcp", w.https, &tls.Config{ServerName: serverName, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: true}) //nolint:gosec // as above
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(nc, text); err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return rawAnswer{gone: true}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	a := rawAnswer{status: fmt.Sprint(resp.StatusCode), header: map[string]string{}, body: string(body)}
	for n, v := range resp.Header {
		a.header[strings.ToLower(n)] = strings.Join(v, ", ")
	}
	if resp.Close {
		a.header["connection"] = "close"
	}
	return a
}

// client is a transport whose connections all have one server name, whatever
// host is asked for.
func (w *world) client(protocol, serverName string) *http.Transport {
	w.t.Helper()
	tr := &http.Transport{
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{ServerName: serverName, InsecureSkipVerify: true}, //nolint:gosec // as above
		Protocols:          new(http.Protocols),
	}
	dialer := new(net.Dialer)
	tr.DialContext = dialer.DialContext
	tr.Protocols.SetHTTP1(protocol == message.HTTP1)
	tr.Protocols.SetHTTP2(protocol == message.HTTP2)
	w.t.Cleanup(tr.CloseIdleConnections)
	return tr
}
