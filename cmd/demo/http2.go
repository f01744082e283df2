package demo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Client is a connection that speaks HTTP/2, frame by frame: a whole client
// would open a second connection where this one is to be used again.
type http2Client struct {
	nc     net.Conn
	framer *http2.Framer
	fields *hpack.Encoder
	block  bytes.Buffer // what fields writes to
	stream uint32       // the next request's
	// origins are those of an ORIGIN frame; nil where none has come. They are
	// shown and not obeyed.
	origins []string
}

// frameOrigin is the type of an ORIGIN frame (RFC 8336 section 2.1).
const frameOrigin http2.FrameType = 0xc

// newHTTP2Client exchanges prefaces and SETTINGS. It waits for the server's
// first: one that refuses the client certificate sends an alert in its place,
// and what we had sent by then would reset the connection before that is read.
func newHTTP2Client(nc net.Conn) (*http2Client, error) {
	c := &http2Client{nc: nc, framer: http2.NewFramer(nc, nc), stream: 1}
	c.fields = hpack.NewEncoder(&c.block)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f, err := c.framer.ReadFrame()
	if err != nil {
		return nil, err
	}
	if s, ok := f.(*http2.SettingsFrame); !ok || s.IsAck() {
		return nil, fmt.Errorf("the server began with a frame of type %s, not with its SETTINGS", f.Header().Type)
	}
	if _, err := nc.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}); err != nil {
		return nil, err
	}
	return c, c.framer.WriteSettingsAck()
}

func (c *http2Client) close() error {
	_ = c.framer.WriteGoAway(0, http2.ErrCodeNo, nil)
	return c.nc.Close()
}

// ask implements client.
func (c *http2Client) ask(scheme, authority, path string) (answer, error) {
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return answer{}, err
	}
	c.block.Reset()
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: scheme},
		{Name: ":authority", Value: authority}, {Name: ":path", Value: path},
		{Name: "user-agent", Value: "ingress421-demo"},
	} {
		if err := c.fields.WriteField(f); err != nil {
			return answer{}, err
		}
	}
	stream := c.stream
	c.stream += 2
	err := c.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.block.Bytes(), EndStream: true, EndHeaders: true,
	})
	if err != nil {
		return answer{}, err
	}
	a := answer{fields: make(map[string]string)}
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			return answer{}, err
		}
		over, err := c.take(f, stream, &a)
		if err != nil || over {
			return a, err
		}
	}
}

// take uses a frame, and tells whether it ends the response on a stream.
func (c *http2Client) take(f http2.Frame, stream uint32, a *answer) (over bool, err error) {
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		for _, h := range f.Fields {
			a.fields[h.Name] = h.Value
		}
		if a.status, err = strconv.Atoi(f.PseudoValue("status")); err != nil {
			return false, fmt.Errorf("response without a status: %w", err)
		}
		return f.StreamEnded() && f.StreamID == stream, nil
	case *http2.DataFrame:
		if n := f.Length; n > 0 {
			if err := c.framer.WriteWindowUpdate(0, n); err != nil {
				return false, err
			}
		}
		return f.StreamEnded() && f.StreamID == stream, nil
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return false, c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return false, c.framer.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame:
		return false, fmt.Errorf("stream reset: %s", f.ErrCode)
	case *http2.GoAwayFrame:
		return false, fmt.Errorf("connection ended: %s", f.ErrCode)
	case *http2.UnknownFrame:
		if f.Type == frameOrigin {
			c.origins, err = readOrigins(f.Payload())
			return false, err
		}
	}
	return false, nil
}

// readOrigins reads the payload of an ORIGIN frame: origins, each after its
// length in two octets. The result is not nil.
func readOrigins(payload []byte) ([]string, error) {
	origins := []string{}
	for len(payload) > 0 {
		if len(payload) < 2 || len(payload)-2 < int(binary.BigEndian.Uint16(payload)) {
			return nil, errors.New("ORIGIN frame cut short")
		}
		n := int(binary.BigEndian.Uint16(payload))
		origins = append(origins, string(payload[2:2+n]))
		payload = payload[2+n:]
	}
	return origins, nil
}
