package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Request makes one request on a fresh connection, in frames, so that the
// client holds next to nothing for each of ten thousand.
func h2Request(nc net.Conn) error {
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&out, nc)
	if err := fr.WriteSettings(); err != nil {
		return err
	}
	if err := fr.WriteSettingsAck(); err != nil {
		return err
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: host}, {Name: ":path", Value: "/"},
	} {
		if err := enc.WriteField(f); err != nil {
			return err
		}
	}
	if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
		return err
	}
	if _, err := nc.Write(out.Bytes()); err != nil {
		return err
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			if f.StreamEnded() {
				return nc.SetDeadline(time.Time{})
			}
		case *http2.GoAwayFrame:
			return fmt.Errorf("GOAWAY %v: %w", f.ErrCode, io.ErrUnexpectedEOF)
		case *http2.RSTStreamFrame:
			return fmt.Errorf("reset %v: %w", f.ErrCode, io.ErrUnexpectedEOF)
		}
	}
}

// http1Request makes one request on a connection, which stays open.
func http1Request(nc net.Conn) error {
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(nc, 1<<10), nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	return nc.SetDeadline(time.Time{})
}
