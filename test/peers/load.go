package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sample is what one load on one proxy came to.
type sample struct {
	CPU  float64 `json:"cpu_us_per_request,omitempty"`
	Rate float64 `json:"requests_per_second,omitempty"`
	P50  float64 `json:"p50_ms,omitempty"`
	P99  float64 `json:"p99_ms,omitempty"`
	RSS  float64 `json:"rss_mib,omitempty"`
	MBs  float64 `json:"mb_per_cpu_second,omitempty"` // MB of body per second of the proxy's CPU time
	KiB  float64 `json:"kib_per_connection,omitempty"`
}

// measure puts each load on each proxy, round by round.
func (b *bench) measure(ctx context.Context, rounds int, scale float64, only []string) error {
	for round := range rounds {
		for _, l := range loads() {
			if len(only) > 0 && !contains(only, l.name) {
				continue
			}
			if l.memory && round > 0 {
				continue // one growth of memory: the second time it is there already
			}
			n := max(int(float64(l.requests)*scale), 1000)
			if l.memory {
				n = l.requests // fewer would share what a process needs anyway
			}
			for _, p := range b.peers {
				if strings.HasPrefix(p.name, "ingress421+") && !l.varied {
					continue
				}
				s, err := l.run(ctx, b, p, n)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					fmt.Fprintf(os.Stderr, "round %d %s %s: %v\n", round+1, l.name, p.name, err)
					continue
				}
				fmt.Fprintf(os.Stderr, "round %d %-16s %-15s %+v\n", round+1, l.name, p.name, s)
				if b.samples[l.name] == nil {
					b.samples[l.name] = map[string][]sample{}
				}
				b.samples[l.name][p.name] = append(b.samples[l.name][p.name], s)
			}
		}
	}
	return nil
}

var (
	rateLine   = regexp.MustCompile(`finished in [^,]+, ([\d.]+) req/s`)
	statusLine = regexp.MustCompile(`status codes: (\d+) 2xx, \d+ 3xx, (\d+) 4xx`)
)

// with makes requests of one kind by h2load, of which each must have one status.
func with(k kind) func(context.Context, *bench, *peer, int) (sample, error) {
	return func(ctx context.Context, b *bench, p *peer, n int) (sample, error) {
		log := filepath.Join(b.dir, "h2load.log")
		_ = os.Remove(log)
		before, err := p.proc.cpu()
		if err != nil {
			return sample{}, err
		}
		out, err := exec.CommandContext(ctx, "taskset", append([]string{"-c", loadCore}, k.h2load(b, p, n, log)...)...).CombinedOutput()
		if err != nil {
			return sample{}, fmt.Errorf("h2load: %w: %s", err, out)
		}
		after, err := p.proc.cpu()
		if err != nil {
			return sample{}, err
		}
		rate, codes := rateLine.FindSubmatch(out), statusLine.FindSubmatch(out)
		if rate == nil || codes == nil {
			return sample{}, fmt.Errorf("h2load said: %s", out)
		}
		good := string(codes[1])
		if k.misdirected {
			good = string(codes[2])
		}
		if good != strconv.Itoa(n) {
			return sample{}, fmt.Errorf("%s of %d answers were as they must be: %s", good, n, codes[0])
		}
		s := sample{CPU: microseconds(after-before) / float64(n)}
		s.Rate, _ = strconv.ParseFloat(string(rate[1]), 64)
		if k.octets > 0 {
			s.MBs = float64(k.octets) * float64(n) / 1e6 / (after - before).Seconds()
		}
		if rss, err := p.proc.rss(); err == nil {
			s.RSS = float64(rss) / (1 << 20)
		}
		s.P50, s.P99, err = percentiles(log)
		return s, err
	}
}

// h2load is the command line for n requests to p.
func (k *kind) h2load(b *bench, p *peer, n int, log string) []string {
	authority, path := host, k.path
	if k.misdirected && p.judges() {
		authority, path = other, "/" // what others must be told, it knows
	}
	port, scheme := p.port, "https"
	if k.cleartext {
		port, scheme = p.plain, "http"
	}
	args := []string{
		"h2load", "-n", strconv.Itoa(n), "-c", strconv.Itoa(k.connections), "-m", strconv.Itoa(max(k.streams, 1)),
		"--log-file", log, "--connect-to", fmt.Sprintf("127.0.0.1:%d", port), "-H", ":authority: " + authority,
	}
	if k.http1 {
		args = append(args, "--h1")
	}
	if k.perSecond > 0 {
		args = append(args, "--rps", strconv.FormatFloat(float64(k.perSecond)/float64(k.connections), 'f', -1, 64))
	}
	for _, h := range k.headers {
		args = append(args, "-H", h)
	}
	if k.body != "" {
		args = append(args, "-d", filepath.Join(b.dir, k.body))
	}
	return append(args, fmt.Sprintf("%s://%s:%d%s", scheme, host, port, path))
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// percentiles reads h2load's log: start, status and duration in microseconds
// of each request.
func percentiles(path string) (p50, p99 float64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	var all []float64
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) < 3 {
			continue
		}
		us, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return 0, 0, err
		}
		all = append(all, us/1000)
	}
	if len(all) == 0 {
		return 0, 0, errors.New("h2load logged nothing")
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100], nil
}

// handshakes makes n connections, eight at a time, each for one request.
func handshakes(resumed bool) func(context.Context, *bench, *peer, int) (sample, error) {
	return func(ctx context.Context, _ *bench, p *peer, n int) (sample, error) {
		const workers = 8
		var left atomic.Int64
		left.Store(int64(n))
		var wg sync.WaitGroup
		errs := make(chan error, workers)
		before, err := p.proc.cpu()
		if err != nil {
			return sample{}, err
		}
		begin := time.Now()
		for range workers {
			wg.Go(func() {
				cfg := clientConfig()
				if resumed {
					cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
					if _, err := oneRequest(ctx, p.port, cfg); err != nil {
						errs <- err
						return
					}
				}
				for left.Add(-1) >= 0 {
					did, err := oneRequest(ctx, p.port, cfg)
					if err == nil && did != resumed {
						err = fmt.Errorf("session resumed: %v, want %v", did, resumed)
					}
					if err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(begin)
		select {
		case err := <-errs:
			return sample{}, err
		default:
		}
		after, err := p.proc.cpu()
		if err != nil {
			return sample{}, err
		}
		return sample{CPU: microseconds(after-before) / float64(n), Rate: float64(n) / took.Seconds()}, nil
	}
}

// oneRequest makes a connection and a request on it.
func oneRequest(ctx context.Context, port int, cfg *tls.Config) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false, err
	}
	defer func() { _ = nc.Close() }()
	if err := h2Request(nc); err != nil {
		return false, err
	}
	tc, ok := nc.(*tls.Conn)
	return ok && tc.ConnectionState().DidResume, nil
}

// clientConfig offers what all proxies have: Debian's OpenSSL knows no
// post-quantum key exchange, which Go would choose and pay for.
func clientConfig() *tls.Config {
	return &tls.Config{
		ServerName: host, InsecureSkipVerify: true,
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: []string{"h2"},
	}
}
