package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// A class whose limits are edited takes no connection away: those that are open
// keep the limits they began with, and new ones have the new.
func TestConnectionsKeepTheirLimits(t *testing.T) {
	ca := newAuthority(t)
	cert, b := ca.serverCert("a", "a.test"), echo(t, "b")
	limited := func(fields int) *hostmap.Map {
		class := hostmap.BuiltinClass()
		class.Limits.MaxHeaderFields = fields
		return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
			hostmap.NewSite(hostmap.Site{Host: "a.test", Class: class, Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(b)}),
		}})
	}
	fields := func(r *http.Request) {
		for i := range 50 {
			r.Header.Set(fmt.Sprintf("x-%d", i), "y")
		}
	}
	w := newWorld(t, limited(100), nil)
	dials := map[string]func() http.RoundTripper{
		message.HTTP2: func() http.RoundTripper { return w.h2Client("a.test", nil) },
		message.HTTP1: func() http.RoundTripper {
			tr := w.client(message.HTTP1, "a.test")
			tr.MaxConnsPerHost = 1
			tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, w.https)
			}
			t.Cleanup(tr.CloseIdleConnections)
			return tr
		},
	}
	for protocol, dial := range dials {
		ask := func(rt http.RoundTripper) int {
			return roundTrip(t, rt, "GET", "https://a.test/", fields).StatusCode
		}
		w.server.Publish(limited(100))
		before := dial()
		if got := ask(before); got != 200 {
			t.Errorf("%s: 50 of 100 fields are answered %d", protocol, got)
		}
		w.server.Publish(limited(20))
		if got := ask(before); got != 200 {
			t.Errorf("%s: on a connection from before, 50 fields are answered %d", protocol, got)
		}
		if got := ask(dial()); got != 431 {
			t.Errorf("%s: 50 of 20 fields are answered %d", protocol, got)
		}
	}
}

// Each connection has the limits of its site's class, on both protocols.
func TestLimitsOfTheClass(t *testing.T) {
	ca := newAuthority(t)
	small := hostmap.BuiltinClass()
	small.Name, small.Limits.MaxHeaderFields = "small", 20
	b := routeTo(echo(t, "b"))
	w := newWorld(t, hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "small.test", Class: small, Certificates: []*hostmap.Certificate{ca.serverCert("s", "small.test")}, Routes: b}),
		hostmap.NewSite(hostmap.Site{Host: "large.test", Certificates: []*hostmap.Certificate{ca.serverCert("l", "large.test")}, Routes: b}),
	}}), nil)
	for host, want := range map[string]string{"small.test": "431", "large.test": "200"} {
		var fields []string
		text := "GET / HTTP/1.1\r\nHost: " + host + "\r\n"
		for i := range 50 {
			fields = append(fields, fmt.Sprintf("x-%d", i), "y")
			text += fmt.Sprintf("X-%d: y\r\n", i)
		}
		if a := w.rawH2(host, nil).get("https", host, "/", fields...); a.status != want {
			t.Errorf("h2 %s: %s, want %s", host, a.status, want)
		}
		if a := w.rawHTTP1(host, text+"\r\n"); a.status != want {
			t.Errorf("http/1.1 %s: %s, want %s", host, a.status, want)
		}
	}
}
