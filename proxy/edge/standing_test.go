package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// A map that is published drains the connections that it has put in the wrong, and
// no others.
func TestPublishedDrains(t *testing.T) {
	ca := newAuthority(t)
	site := func(host string, p hostmap.TLSPolicy, cert *hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Namespace: cert.Secret.Namespace, Policy: p, Certificates: []*hostmap.Certificate{cert}})
	}
	owned := func(namespace string, s *hostmap.Site) *hostmap.Site {
		other := *s
		other.Namespace = namespace
		return hostmap.NewSite(other)
	}
	taken := ca.serverCert("ab", "a.test", "b.test")
	taken.Secret.Namespace = "other"
	ab, c := ca.serverCert("ab", "a.test", "b.test"), ca.serverCert("c", "c.test")
	before := []*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ab), site("c.test", hostmap.TLSPolicy{}, c)}
	for name, tt := range map[string]struct {
		after []*hostmap.Site
		drain bool
	}{
		"nothing":            {before, false},
		"another site":       {before[:1], false},
		"renewal":            {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ca.serverCert("ab", "b.test", "a.test")), before[1]}, false},
		"fewer names":        {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ca.serverCert("ab", "a.test")), before[1]}, true},
		"more names":         {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, ca.serverCert("ab", "a.test", "b.test", "d.test")), before[1]}, true},
		"no longer served":   {before[1:], true},
		"another owner":      {[]*hostmap.Site{site("a.test", hostmap.TLSPolicy{}, taken), before[1]}, true},
		"a copy of another":  {[]*hostmap.Site{owned("other", site("a.test", hostmap.TLSPolicy{}, ab)), before[1]}, false},
		"another's owner":    {[]*hostmap.Site{before[0], owned("other", before[1])}, false},
		"client auth is new": {[]*hostmap.Site{site("a.test", hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{ca.Cert}), ab), before[1]}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, hostmap.New(hostmap.Spec{Sites: before}), nil)
			c := w.frames("a.test")
			if got := c.get(); got != "200" {
				t.Fatalf("before: %s", got)
			}
			w.publish(hostmap.New(hostmap.Spec{Sites: tt.after}))
			if tt.drain {
				if got := c.answer(99); got != "gone" || c.goAways < 2 {
					t.Errorf("%s after %d GOAWAYs, want that it is gone after two", got, c.goAways)
				}
				return
			}
			if got := c.get(); got != "200" || c.goAways != 0 {
				t.Errorf("after: %s, %d GOAWAYs", got, c.goAways)
			}
		})
	}
}

// frames is a client that sees the frames of its connection.
type frames struct {
	t       testing.TB
	fr      *http2.Framer
	stream  uint32
	goAways int
}

// frames opens an HTTP/2 connection.
func (w *world) frames(serverName string) *frames {
	w.t.Helper()
	nc, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: serverName, NextProtos: []string{"h2"}, InsecureSkipVerify: true}) //nolint:gosec // a test looks at what it is served
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	fr := http2.NewFramer(nc, nc)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		w.t.Fatal(err)
	}
	if err := fr.WriteSettings(); err != nil {
		w.t.Fatal(err)
	}
	return &frames{t: w.t, fr: fr}
}

// get sends a request and returns the status of its response.
func (c *frames) get() string {
	c.t.Helper()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "a.test"},
	} {
		_ = enc.WriteField(f)
	}
	c.stream += 2
	id := c.stream - 1
	err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.answer(id)
}

// answer reads frames until a stream is answered, or the connection is gone.
func (c *frames) answer(id uint32) string {
	c.t.Helper()
	for {
		f, err := c.fr.ReadFrame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "waited for in vain"
		case err != nil:
			return "gone"
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			c.goAways++
		case *http2.PingFrame:
			if !f.IsAck() {
				if err := c.fr.WritePing(true, f.Data); err != nil {
					return "gone"
				}
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		}
	}
}
