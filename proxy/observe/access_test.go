package observe

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// exchange is a request that was answered 200 by a backend.
func exchange(o *Observer) Exchange {
	backend := &hostmap.Backend{Namespace: "default", Service: "web", Port: "80"}
	route := &hostmap.Route{Backend: backend, From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: "shop"}}
	return Exchange{
		Start: time.Now(), Protocol: "h2", Method: "GET", Authority: "shop.test", Target: "/cart", Host: "shop.test", Path: "/cart",
		Header: []hpack.HeaderField{{Name: "user-agent", Value: "test/1"}, {Name: "referer", Value: "https://shop.test/"}},
		Facts: &hostmap.Facts{
			TLS: true, ServerName: "shop.test", Version: 0x304, ALPN: "h2", Resumed: true, Peer: netip.MustParseAddr("192.0.2.1"),
			Leaf: &hostmap.Certificate{Secret: hostmap.SecretRef{Namespace: "default", Name: "shop-tls"}},
		},
		Source:  netip.MustParseAddrPort("192.0.2.1:4242"),
		Verdict: &hostmap.Verdict{Route: route}, Site: o.Site(nil),
		Status: 200, Sent: 5, Endpoint: netip.MustParseAddrPort("198.51.100.7:8080"),
	}
}

func newObserver(format string, every int, to io.Writer) *Observer {
	return New(Config{Log: slog.New(slog.DiscardHandler), Access: to, AccessFormat: format, AccessEvery: every})
}

func TestAccessLine(t *testing.T) {
	var log testkit.Buffer
	o := newObserver(AccessLogJSON, 1, &log)
	x := exchange(o)
	x.Received, x.UpstreamTime, x.GRPCStatus = 3, 2500*time.Microsecond, "5"
	x.Header = append(x.Header, hpack.HeaderField{Name: "x-request-id", Value: "7\n\"7"}, hpack.HeaderField{Name: "authorization", Value: "secret"})
	o.Finished(&x)
	cleartext := exchange(o)
	cleartext.Facts, cleartext.Protocol, cleartext.Status = &hostmap.Facts{Peer: x.Facts.Peer}, "http/1.1", 308
	cleartext.Verdict, cleartext.Endpoint, cleartext.Header = &hostmap.Verdict{}, netip.AddrPort{}, nil
	o.Finished(&cleartext)
	o.Close()
	first, second, _ := strings.Cut(log.String(), "\n")
	for line, want := range map[string]map[string]any{
		first: {
			"authority": "shop.test", "sni": "shop.test", "method": "GET", "path": "/cart", "protocol": "h2", "tls_version": "1.3", "resumed": true,
			"secret": "default/shop-tls", "status": 200.0, "bytes_sent": 5.0, "source": "192.0.2.1", "source_port": 4242.0, "namespace": "default",
			"ingress": "shop", "service": "web", "port": "80", "endpoint": "198.51.100.7:8080", "user_agent": "test/1", "referer": "https://shop.test/",
			"bytes_received": 3.0, "upstream_time": 0.0025, "grpc_status": "5", "request_id": "7\n\"7",
		},
		second: {
			"authority": "shop.test", "sni": "", "method": "GET", "path": "/cart", "protocol": "http/1.1", "status": 308.0, "bytes_sent": 5.0, "bytes_received": 0.0,
			"source": "192.0.2.1", "source_port": 4242.0,
		},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, measured := range []string{"time", "duration"} {
			if _, ok := got[measured]; !ok {
				t.Errorf("no %s in %s", measured, line)
			}
			delete(got, measured)
		}
		for k := range got {
			if got[k] != want[k] {
				t.Errorf("%s is %v, want %v", k, got[k], want[k])
			}
		}
		for k := range want {
			if _, ok := got[k]; !ok {
				t.Errorf("no %s in %s", k, line)
			}
		}
	}
}

// Of many requests that went well few have a line; what did not has its own.
func TestAccessSample(t *testing.T) {
	for _, format := range []string{AccessLogJSON, AccessLogText} {
		for _, tt := range []struct{ every, want int }{{0, 170}, {1, 170}, {10, 80}, {1000, 71}} {
			var log testkit.Buffer
			o := newObserver(format, tt.every, &log)
			finish := func(n int, change func(*Exchange)) {
				for range n {
					x := exchange(o)
					change(&x)
					o.Finished(&x)
				}
			}
			finish(50, func(x *Exchange) {})
			finish(50, func(x *Exchange) { x.Status = 304 })
			finish(30, func(x *Exchange) { x.Status, x.Reason = 421, "certificate" })
			finish(20, func(x *Exchange) { x.Status = 404 })
			finish(20, func(x *Exchange) { x.Reason, x.Err = "reset", errors.New("cut short") })
			o.Close()
			if n := strings.Count(log.String(), "\n"); n != tt.want {
				t.Errorf("%s, one in %d: %d lines, want %d", format, tt.every, n, tt.want)
			}
		}
	}
}

// BenchmarkFinished is what it costs to count a request, and to log it.
func BenchmarkFinished(b *testing.B) {
	for name, o := range map[string]*Observer{
		"off":              New(Config{Log: slog.New(slog.DiscardHandler)}),
		"json":             newObserver(AccessLogJSON, 1, io.Discard),
		"json one in 1000": newObserver(AccessLogJSON, 1000, io.Discard),
		"text":             newObserver(AccessLogText, 1, io.Discard),
	} {
		b.Run(name, func(b *testing.B) {
			x := exchange(o)
			b.ReportAllocs()
			for b.Loop() {
				o.Finished(&x)
			}
		})
		o.Close()
	}
}
