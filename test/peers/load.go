package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
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

// load is one kind of load.
type load struct {
	name     string
	title    string
	requests int
	run      func(ctx context.Context, b *bench, p *peer, n int) (sample, error)
	// ours: measured on ingress421 only, with and without its access log.
	withLog bool
}

// loads are all loads, in the order of the report.
func loads() []load {
	return []load{
		{"small-100x10", "100 connections x 10 streams, small response", 200_000, h2load("/", 200, 100, 10, "", 0), true},
		{"small-10x10", "10 connections x 10 streams, small response", 200_000, h2load("/", 200, 10, 10, "", 0), false},
		{"http1-64", "HTTP/1.1 over TLS, 64 connections, small response", 100_000, h2load("/", 200, 64, 1, "", 0, "--h1"), false},
		{"h2c-10x10", "HTTP/2 backend (H2C), 10 connections x 10 streams, small response", 100_000, h2load("/h2c", 200, 10, 10, "", 0), false},
		{"1m-down", "1 MiB responses, 10 x 4", 1500, h2load("/1m", 200, 10, 4, "", 1<<20), false},
		{"1m-up", "1 MiB uploads, 10 x 4", 1000, h2load("/sink", 200, 10, 4, "1m", 1<<20), false},
		{"all-421", "100 x 10, every answer a 421", 800_000, h2load("/421", 421, 100, 10, "", 0), false},
		{"handshake", "full handshake and one request", 3000, handshakes(false), false},
		{"resumed", "resumed handshake and one request", 3000, handshakes(true), false},
		{"idle", "9,000 idle HTTP/2 connections", 9000, idle, false},
	}
}

// measure puts each load on each proxy, round by round.
func (b *bench) measure(ctx context.Context, rounds int, scale float64, only []string) error {
	for round := range rounds {
		for _, l := range loads() {
			if len(only) > 0 && !contains(only, l.name) {
				continue
			}
			if l.name == "idle" && round > 0 {
				continue // one growth of memory: the second time it is there already
			}
			n := max(int(float64(l.requests)*scale), 200)
			if l.name == "idle" {
				n = l.requests // fewer would share what a process needs anyway
			}
			for _, p := range b.peers {
				if p.name == "ingress421+log" && !l.withLog {
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
				fmt.Fprintf(os.Stderr, "round %d %-13s %-15s %+v\n", round+1, l.name, p.name, s)
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

// h2load makes n requests for a path, of which each must have one status.
func h2load(path string, status, connections, streams int, body string, bytes int, more ...string) func(context.Context, *bench, *peer, int) (sample, error) {
	return func(ctx context.Context, b *bench, p *peer, n int) (sample, error) {
		log := filepath.Join(b.dir, "h2load.log")
		_ = os.Remove(log)
		authority, target := host, path
		if status == http.StatusMisdirectedRequest && (strings.HasPrefix(p.name, "ingress421") || p.name == "before") {
			authority, target = other, "/" // what others must be told, it knows
		}
		args := []string{
			"-c", loadCore, "h2load", "-n", strconv.Itoa(n), "-c", strconv.Itoa(connections), "-m", strconv.Itoa(streams),
			"--log-file", log, "--connect-to", fmt.Sprintf("127.0.0.1:%d", p.port), "-H", ":authority: " + authority,
		}
		args = append(args, more...)
		if body != "" {
			args = append(args, "-d", filepath.Join(b.dir, body))
		}
		args = append(args, fmt.Sprintf("https://%s:%d%s", host, p.port, target))
		before, err := p.proc.cpu()
		if err != nil {
			return sample{}, err
		}
		out, err := exec.CommandContext(ctx, "taskset", args...).CombinedOutput()
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
		if status >= 400 {
			good = string(codes[2])
		}
		if good != strconv.Itoa(n) {
			return sample{}, fmt.Errorf("%s of %d answers were %d", good, n, status)
		}
		s := sample{CPU: microseconds(after-before) / float64(n)}
		s.Rate, _ = strconv.ParseFloat(string(rate[1]), 64)
		if bytes > 0 {
			s.MBs = float64(bytes) * float64(n) / 1e6 / (after - before).Seconds()
		}
		if rss, err := p.proc.rss(); err == nil {
			s.RSS = float64(rss) / (1 << 20)
		}
		s.P50, s.P99, err = percentiles(log)
		return s, err
	}
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

// idle opens n HTTP/2 connections, makes one request on each, and looks at the
// proxy's memory once they have been quiet for a while.
func idle(ctx context.Context, _ *bench, p *peer, n int) (sample, error) {
	before, err := p.proc.rss()
	if err != nil {
		return sample{}, err
	}
	conns := make([]net.Conn, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	cfg := clientConfig()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
				if err != nil {
					errs <- err
					return
				}
				conns[i] = nc
				if err := h2Request(nc); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return sample{}, err
	default:
	}
	select {
	case <-ctx.Done():
		return sample{}, ctx.Err()
	case <-time.After(10 * time.Second): // connections become idle, and collectors run
	}
	after, err := p.proc.rss()
	if err != nil {
		return sample{}, err
	}
	return sample{KiB: float64(after-before) / float64(n) / 1024, RSS: float64(after) / (1 << 20)}, nil
}
