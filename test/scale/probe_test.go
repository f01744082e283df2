package scale

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// tooLong ends the wait for a change that does not come.
const tooLong = 2 * time.Minute

// serveAddress answers each request with the address it was sent to.
func serveAddress(t *testing.T, address string) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
			_, _ = io.WriteString(w, at.IP.String())
		}
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
}

// prober sends requests to the binary, each host on connections of its own.
type prober struct {
	https  string
	roots  *x509.CertPool
	client *http.Client
}

func newProber(https string, roots *x509.CertPool) *prober {
	return &prober{https: https, roots: roots, client: &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, https)
			},
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
			ForceAttemptHTTP2: true,
		},
	}}
}

// answer is the status and the body of a host's page.
func (p *prober) answer(ctx context.Context, host string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// untilAnswer measures from now on until a host is answered by a pod.
func (p *prober) untilAnswer(ctx context.Context, host, want string) (time.Duration, error) {
	return until(func() error {
		status, body, err := p.answer(ctx, host)
		if err == nil && (status != http.StatusOK || body != want) {
			err = fmt.Errorf("%s is answered with %d by %.60q, not by %s", host, status, body, want)
		}
		return err
	})
}

// untilLeaf measures from now on until a host's handshakes show a certificate.
func (p *prober) untilLeaf(ctx context.Context, host string, want *x509.Certificate) (time.Duration, error) {
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: p.roots, ServerName: host, MinVersion: tls.VersionTLS13}}
	return until(func() error {
		conn, err := dialer.DialContext(ctx, "tcp", p.https)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if tc, ok := conn.(*tls.Conn); !ok || !tc.ConnectionState().PeerCertificates[0].Equal(want) {
			return fmt.Errorf("%s shows another certificate", host)
		}
		return nil
	})
}

// until measures how long it takes until a look at another process finds what
// it looks for.
func until(look func() error) (time.Duration, error) {
	start := time.Now()
	for {
		err := look()
		took := time.Since(start)
		if err == nil || took > tooLong {
			return took, err
		}
		time.Sleep(500 * time.Microsecond) // between two looks
	}
}

// traffic is an open load: requests begin at a fixed rate, whether or not those
// before them have been answered.
type traffic struct {
	mu     sync.Mutex
	took   []time.Duration // guarded by mu
	failed map[string]int  // guarded by mu, by what came instead of an answer
}

// load asks random ones of the hosts, rate times a second, until ctx ends.
func (p *prober) load(ctx context.Context, hosts []string, rate int) *traffic {
	l := &traffic{failed: map[string]int{}}
	var group sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case begun := <-tick.C:
			h := hosts[rand.IntN(len(hosts))]
			group.Go(func() {
				status, _, err := p.answer(context.WithoutCancel(ctx), h)
				took := time.Since(begun)
				l.mu.Lock()
				defer l.mu.Unlock()
				switch {
				case err != nil:
					l.failed[err.Error()]++
				case status != http.StatusOK:
					l.failed[http.StatusText(status)]++
				default:
					l.took = append(l.took, took)
				}
			})
		}
	}
	group.Wait()
	return l
}

// quantile is in milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	if len(took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Microseconds()) / 1000
}
