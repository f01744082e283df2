package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// quietBackend answers in two halves with a pause between them, or before the
// first with ?head.
func quietBackend(t *testing.T, protocol hostmap.Protocol, pause time.Duration) *hostmap.Backend {
	return backendOf(t, protocol, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		wait := func() {
			select { // the pause is the subject
			case <-time.After(pause):
			case <-r.Context().Done():
			}
		}
		if r.URL.RawQuery == "head" {
			wait()
		}
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		if r.URL.RawQuery != "head" {
			wait()
		}
		_, _ = io.WriteString(w, "data: 2\n\n")
	})
}

var quietRequests = []struct{ method, target, body string }{
	{"GET", "/", ""}, {"GET", "/?head", ""}, {"POST", "/", "body"}, {"POST", "/?head", "body"},
}

// Streams of events and long polls are quiet for as long as the read time-out
// allows, whatever the stall timeout: nothing of them is stuck.
func TestQuietResponses(t *testing.T) {
	for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.H2C, hostmap.HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			b := quietBackend(t, protocol, time.Second)
			limits := func(c *Config) { c.Limits.StallTimeout, c.Limits.ReadTimeout = 250*time.Millisecond, time.Hour }
			onBoth(t, oneSite(t, b), limits, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for _, q := range quietRequests {
					a := roundTrip(t, rt, q.method, "https://a.test"+q.target, func(r *http.Request) { setBody(r, q.body) })
					if a.StatusCode != 200 || a.body != "data: 1\n\ndata: 2\n\n" {
						t.Errorf("%v: %d %q", q, a.StatusCode, a.body)
					}
				}
			})
		})
	}
}

// The class of the authority's site says how long a backend may be quiet, not
// that of the connection's; the process says it for classes that do not.
func TestReadTimeoutOfTheClass(t *testing.T) {
	for _, protocol := range []hostmap.Protocol{hostmap.HTTP, hostmap.H2C, hostmap.HTTPS} {
		t.Run(protocol.String(), func(t *testing.T) {
			t.Parallel()
			cert := newAuthority(t).serverCert("abc", "a.test", "b.test", "c.test")
			b := quietBackend(t, protocol, time.Minute)
			site := func(host string, read time.Duration) *hostmap.Site {
				class := hostmap.BuiltinClass()
				class.Name, class.Limits.ReadTimeout = host, read
				return hostmap.NewSite(hostmap.Site{Host: host, Class: class, Certificates: []*hostmap.Certificate{cert}, Routes: routeTo(b)})
			}
			m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("a.test", time.Hour), site("b.test", 200*time.Millisecond), site("c.test", 0)}})
			own := func(c *Config) { c.Limits.ReadTimeout = 200 * time.Millisecond }
			onBoth(t, m, own, func(t *testing.T, _ *world, rt http.RoundTripper) {
				for _, host := range []string{"b.test", "c.test"} { // on a connection to a.test
					for _, q := range quietRequests {
						begin := time.Now()
						got := cutAt(rt, q.method, "https://"+host+q.target, q.body)
						want := `200 "data: 1\n\n" cut`
						if strings.HasSuffix(q.target, "head") {
							want = "504"
						}
						if !strings.HasPrefix(got, want) || time.Since(begin) > 10*time.Second {
							t.Errorf("%s %v: %s after %v, want %s", host, q, got, time.Since(begin), want)
						}
					}
				}
			})
		})
	}
}

func setBody(r *http.Request, body string) {
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

// cutAt tells how a response ended.
func cutAt(rt http.RoundTripper, method, url, body string) string {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err.Error()
	}
	setBody(req, body)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	end := "whole"
	if err != nil && !errors.Is(err, io.EOF) {
		end = "cut"
	}
	return fmt.Sprintf("%d %q %s", resp.StatusCode, got, end)
}
