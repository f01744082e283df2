package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// tunnelling is a Pool whose backend speaks HTTP/2, with one setting, and answers
// each request with a status. Behind a 200 it sends back what it gets; its half
// ends with ours. Requests are told as ":name=value name=value".
func tunnelling(t *testing.T, offer uint32, late time.Duration, status string) (p *Pool, told func() string) {
	return tunnellingOver(t, H2C, nil, offer, late, status)
}

// tunnellingOver is tunnelling with a protocol of its own, TLS where there is a
// configuration.
func tunnellingOver(t *testing.T, protocol Protocol, secure *tls.Config, offer uint32, late time.Duration, status string) (p *Pool, told func() string) {
	var mu sync.Mutex
	var heads []string
	var backends sync.WaitGroup
	serve := func(nc net.Conn) {
		defer nc.Close()
		if secure != nil {
			nc = tls.Server(nc, secure)
		}
		if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		var buf bytes.Buffer
		fr, enc := http2.NewFramer(nc, nc), hpack.NewEncoder(&buf)
		fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		time.Sleep(late)
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: offer})
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.MetaHeadersFrame:
				var head []string
				for _, h := range f.Fields {
					head = append(head, h.Name+"="+h.Value)
				}
				mu.Lock()
				heads = append(heads, strings.Join(head, " "))
				mu.Unlock()
				buf.Reset()
				_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: status})
				_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, BlockFragment: buf.Bytes(), EndHeaders: true, EndStream: status != "200" || f.StreamEnded()})
			case *http2.DataFrame:
				_ = fr.WriteData(f.StreamID, f.StreamEnded(), f.Data())
			case *http2.PingFrame:
				if !f.IsAck() {
					_ = fr.WritePing(true, f.Data)
				}
			case *http2.RSTStreamFrame:
				mu.Lock()
				heads = append(heads, fmt.Sprint("reset ", f.ErrCode))
				mu.Unlock()
			}
		}
	}
	client := New(Config{ReadTimeout: 10 * time.Second, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		backends.Go(func() { serve(theirs) })
		return ours, nil
	}})
	t.Cleanup(func() {
		client.Close()
		backends.Wait()
	})
	return client.Pool(Target{Addr: netip.MustParseAddrPort("192.0.2.1:80"), Protocol: protocol}), func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(heads, ", ")
	}
}

func webSocket() *Request {
	r := get("/chat")
	r.Upgrade = "websocket"
	r.Header = append(r.Header, newField("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), newField("sec-websocket-version", "13"))
	return r
}

// A WebSocket goes to a backend of HTTP/2 as an extended CONNECT, once its SETTINGS
// have offered that, and looks like an Upgrade to the caller.
func TestTunnelOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, told := tunnelling(t, 1, time.Second, "200")
		e := p.Start()
		defer e.Close()
		if err := e.Do(webSocket()); err != nil {
			t.Fatal(err)
		}
		// The key and its answer are the example of RFC 6455 section 1.3.
		if e.Status != 101 || len(e.Header) != 1 || e.Header[0] != newField("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
			t.Errorf("got %d %v", e.Status, e.Header)
		}
		if got, want := told(), ":method=CONNECT :protocol=websocket :scheme=http :authority=a.example :path=/chat sec-websocket-version=13"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		tunnel := e.Upgraded()
		sent := bytes.Repeat([]byte("0123456789abcdef"), h2FirstWindow/16) // the backend looks at no window
		go func() { _, _ = tunnel.Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(tunnel, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read: %v", err)
		}
		time.Sleep(time.Hour) // no time-out ends a tunnel
		if err := tunnel.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if n, err := tunnel.Read(got); n != 0 || err != io.EOF {
			t.Errorf("the end: %d octets, %v", n, err)
		}
	})
}

func TestTunnelOverHTTP2Refused(t *testing.T) {
	for _, tt := range []struct {
		name     string
		offer    uint32
		status   string
		optional bool
		upgrade  string
		want     string
		told     string
	}{
		{name: "by the backend", offer: 1, status: "403", upgrade: "websocket", want: `403 whole ""`, told: "CONNECT"},
		{name: "not offered", status: "200", upgrade: "websocket", want: "error no_upgrade"},
		{name: "not offered, and optional", status: "200", upgrade: "websocket", optional: true, want: `200 whole ""`, told: "GET"},
		{name: "another protocol", offer: 1, status: "200", upgrade: "tcp", want: "error no_upgrade"},
		{name: "another protocol, and optional", offer: 1, status: "200", upgrade: "tcp", optional: true, want: `200 whole ""`, told: "GET"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, told := tunnelling(t, tt.offer, 0, tt.status)
				r := webSocket()
				r.Upgrade, r.UpgradeOptional = tt.upgrade, tt.optional
				if got := roundTrip(p, r); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if got := told(); (got == "") != (tt.told == "") || !strings.HasPrefix(got, strings.TrimSuffix(":method="+tt.told, ":method=")) {
					t.Errorf("told %s, want %s", got, tt.told)
				}
			})
		})
	}
}

// Cancel ends a tunnel while a read waits, and the backend is told.
func TestTunnelOverHTTP2Canceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, told := tunnelling(t, 1, 0, "200")
		e := p.Start()
		if err := e.Do(webSocket()); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, e.Cancel)
		if n, err := e.Upgraded().Read(make([]byte, 10)); err == nil {
			t.Errorf("read %d octets of a canceled tunnel", n)
		}
		e.Close()
		synctest.Wait()
		if got := told(); !strings.HasSuffix(got, "reset CANCEL") {
			t.Errorf("told %s", got)
		}
	})
}

// A WebSocket goes to a backend behind TLS in HTTP/1.1, and as an extended CONNECT
// where the backend refuses that in its handshake, which it is not made to do for
// each. Without a way to what is asked for the error says so, and HTTP/1.1 is asked
// for again.
func TestTunnelOverHTTP2Alone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offer   uint32
		upgrade string
		want    string
		told    string
		refused int // handshakes, of two requests
	}{
		{name: "offered", offer: 1, upgrade: "websocket", want: "101", told: ":method=CONNECT :protocol=websocket :scheme=https", refused: 1},
		{name: "not offered", upgrade: "websocket", want: "no_upgrade", refused: 2},
		{name: "another protocol", offer: 1, upgrade: "tcp", want: "no_upgrade", refused: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			certificates := httptest.NewTLSServer(nil)
			certificates.Close()
			synctest.Test(t, func(t *testing.T) {
				refused := 0
				cfg := &tls.Config{Certificates: certificates.TLS.Certificates, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
					c := &tls.Config{Certificates: certificates.TLS.Certificates, NextProtos: []string{"h2"}}
					if !slices.Contains(hello.SupportedProtos, "h2") {
						// crypto/tls would let such clients in without a choice.
						c.NextProtos = []string{"none"}
						refused++
					}
					return c, nil
				}}
				p, told := tunnellingOver(t, HTTPS, cfg, tt.offer, 0, "200")
				for range 2 {
					r := webSocket()
					r.Upgrade = tt.upgrade
					e := p.Start()
					got := ""
					if err := e.Do(r); err == nil {
						got = fmt.Sprint(e.Status)
					} else if failed, ok := errors.AsType[*Error](err); ok {
						got = failed.Reason
					}
					if got != tt.want {
						t.Errorf("got %s, want %s", got, tt.want)
					}
					e.Close()
				}
				if !strings.HasPrefix(told(), tt.told) || refused != tt.refused {
					t.Errorf("told %q in %d refused handshakes, want %q in %d", told(), refused, tt.told, tt.refused)
				}
			})
		})
	}
}
