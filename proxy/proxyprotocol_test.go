package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/testkit"
)

// inCleartext is a map of a.test, served in cleartext.
func inCleartext(b *hostmap.Backend) *hostmap.Map {
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{Host: "a.test", Routes: routeTo(b)})}})
}

// loopback are the peers of tests.
func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// v2 is the head of a PROXY protocol header in version 2 with an address block.
func v2(command, family byte, block []byte) string {
	head := "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family, byte(len(block) >> 8), byte(len(block))})
	return head + string(block)
}

// A header that names no address leaves the client what the connection says.
func TestProxyProtocolWithoutAddress(t *testing.T) {
	unix := make([]byte, 216)
	copy(unix, "/run/a.sock")
	copy(unix[108:], "/run/b.sock")
	v4 := []byte{203, 0, 113, 9, 203, 0, 113, 1, 0x12, 0x67, 0, 80}
	tests := []struct {
		name, header, want string
	}{
		{"TCP4", v2(1, 0x11, v4), "203.0.113.9"},
		{"UNIX stream", v2(1, 0x31, unix), "127.0.0.1"},
		{"UNIX datagram", v2(1, 0x32, unix), "127.0.0.1"},
		{"UNIX stream without a name", v2(1, 0x31, make([]byte, 216)), "127.0.0.1"},
		{"LOCAL", v2(0, 0, nil), "127.0.0.1"},
		{"LOCAL with an address", v2(0, 0x11, v4), "127.0.0.1"},
		{"LOCAL UNIX", v2(0, 0x31, unix), "127.0.0.1"},
		{"version 1, UNKNOWN", "PROXY UNKNOWN\r\n", "127.0.0.1"},
	}
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("X-Real-IP"))
	}))
	var access testkit.Buffer
	w := newWorld(t, inCleartext(b), func(c *Config) {
		c.ProxyProtocolFrom, c.AccessLog, c.AccessLogTo = loopback(), AccessLogJSON, &access
	})
	for _, tt := range tests {
		nc, err := net.Dial("tcp", w.http)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(nc, tt.header+"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = nc.Close()
		if string(body) != tt.want+" "+tt.want {
			t.Errorf("%s: the backend was told %q, want %q", tt.name, body, tt.want)
		}
	}
	w.stop()
	if strings.Contains(access.String(), "invalid") || strings.Contains(access.String(), `"source":"-"`) {
		t.Errorf("the log names no address:\n%s", access.String())
	}
}
