package proxy

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// limited is a.test in a class with some limits.
func limited(t *testing.T, cert *hostmap.Certificate, b *hostmap.Backend, streams int) *hostmap.Map {
	t.Helper()
	class := hostmap.BuiltinClass()
	class.Limits.MaxStreams = streams
	return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Class: class, Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(b)}),
	}})
}

func (w *world) settingsFor() map[int]*settings {
	w.server.settings.mu.Lock()
	defer w.server.settings.mu.Unlock()
	streams := map[int]*settings{}
	for l, st := range w.server.settings.all {
		streams[l.MaxStreams] = st
	}
	return streams
}

// A class whose limits are edited again and again leaves nothing behind, and
// takes no connection away.
func TestEditedLimitsAreForgotten(t *testing.T) {
	ca := newAuthority(t)
	cert, b := ca.serverCert("a", "a.test"), echo(t, "b")
	w := newWorld(t, limited(t, cert, b, 100), nil)
	ask := func(rt http.RoundTripper) {
		t.Helper()
		if a := roundTrip(t, rt, "GET", "https://a.test/", nil); a.StatusCode != 200 {
			t.Errorf("%d", a.StatusCode)
		}
	}
	type pair struct {
		h2    interface{ Close() error }
		rt    http.RoundTripper
		http1 *http.Transport
	}
	dial := func() pair {
		cc := w.h2Client("a.test", nil)
		tr := w.client(protocolHTTP1, "a.test")
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, w.https)
		}
		ask(cc)
		ask(tr)
		return pair{cc, cc, tr}
	}
	first := dial()
	old := w.settingsFor()[100]
	for n := 101; n < 120; n++ {
		w.server.Publish(limited(t, cert, b, n))
		p := dial()
		_ = p.h2.Close()
		p.http1.CloseIdleConnections()
		w.server.Publish(limited(t, cert, b, n)) // the same limits
		if w.settingsFor()[n] == nil {
			t.Fatal("limits of the map were forgotten")
		}
	}
	w.server.Publish(limited(t, cert, b, 120))
	eventually(t, "only the limits of the first connections are left", func() bool {
		left := w.settingsFor()
		return len(left) == 1 && left[100] == old
	})
	// Those connections go on, with the limits they began with.
	ask(first.rt)
	ask(first.http1)
	if w.settingsFor()[100] != old {
		t.Error("the limits of a connection were forgotten")
	}
	_ = first.h2.Close()
	ask(first.http1)
	first.http1.CloseIdleConnections()
	eventually(t, "the last limits out of use are forgotten", func() bool { return len(w.settingsFor()) == 0 })
}
