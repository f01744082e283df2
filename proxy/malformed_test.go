package proxy

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/h2"
)

// A value that no field can have is answered on HTTP/2 as it is on HTTP/1.1
// (RFC 9113 section 8.2.1), and counted and logged as answers are. What breaks
// HTTP/2's own form resets the stream.
func TestMalformedValuesAreAnswered(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, oneSite(t, echo(t, "b")), func(c *Config) { c.AccessLog, c.AccessLogTo = AccessLogJSON, &log })
	c := w.rawH2("a.test", nil)
	told := map[string][]string{
		"trailing space":        {"x", "y "},
		"leading tab":           {"x", "\ty"},
		"NUL":                   {"x", "a\x00b"},
		"a name with a space":   {"x y", "z"},
		"two lengths":           {"content-length", "0", "content-length", "0"},
		"a length that is none": {"content-length", "+0"},
	}
	for name, fields := range told {
		a := c.get("https", "a.test", "/", fields...)
		if a.status != "400" || a.body != "400 Bad Request: malformed\n" || a.header["server"] != "ingress421" || a.header["date"] == "" ||
			a.header["cache-control"] != "no-store" || !strings.Contains(a.header["proxy-status"], "http_request_error") {
			t.Errorf("%s: %+v, want 400 from ingress421", name, a)
		}
	}
	if a := c.get("https", "a.test", "/", "x", "y ", "content-type", "application/grpc"); a.status != "400" {
		t.Errorf("gRPC behind the fault: %+v", a)
	}
	if a := c.get("https", "a.test", "/", "content-type", "application/grpc", "x", "y "); a.header["grpc-status"] != "13" {
		t.Errorf("gRPC: %+v, want status 13", a)
	}
	for name, fields := range map[string][]string{
		"a connection's field": {"connection", "close"},
		"upper case":           {"X-Upper", "y"},
	} {
		if a := c.get("https", "a.test", "/", fields...); a.status != "reset" || a.reset != http2.ErrCodeProtocol {
			t.Errorf("%s: %+v, want a reset with PROTOCOL_ERROR", name, a)
		}
	}
	if a := c.get("https", "a.test", "/"); a.status != "200" {
		t.Errorf("the next request: %+v", a)
	}
	if n := counterSum(t, w.registry, "ingress421_streams_refused_total", "reason", h2.WhyMalformed); n != float64(len(told)+4) {
		t.Errorf("%v streams were refused, want %d", n, len(told)+4)
	}
	w.stop()
	if n := strings.Count(log.String(), `"status":400,"reason":"malformed"`); n != len(told)+2 {
		t.Errorf("%d lines say so, want %d:\n%s", n, len(told)+2, &log)
	}
}
