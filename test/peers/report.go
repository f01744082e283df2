package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what a run came to: medians, and all samples behind them.
type report struct {
	Date     string                         `json:"date"`
	Machine  string                         `json:"machine"`
	Versions map[string]string              `json:"versions"`
	Rounds   int                            `json:"rounds"`
	Medians  map[string]map[string]sample   `json:"medians"`
	Samples  map[string]map[string][]sample `json:"samples"`
	peers    []string
}

func (b *bench) report() *report {
	r := &report{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: machine(), Versions: b.versions,
		Medians: map[string]map[string]sample{}, Samples: b.samples,
	}
	for _, p := range b.peers {
		r.peers = append(r.peers, p.name)
	}
	for l, byPeer := range b.samples {
		r.Medians[l] = map[string]sample{}
		for p, s := range byPeer {
			r.Medians[l][p] = median(s)
			r.Rounds = max(r.Rounds, len(s))
		}
	}
	return r
}

func median(samples []sample) sample {
	of := func(get func(sample) float64) float64 {
		var v []float64
		for _, s := range samples {
			v = append(v, get(s))
		}
		slices.Sort(v)
		n := len(v)
		return (v[(n-1)/2] + v[n/2]) / 2
	}
	return sample{
		CPU: of(func(s sample) float64 { return s.CPU }), Rate: of(func(s sample) float64 { return s.Rate }),
		P50: of(func(s sample) float64 { return s.P50 }), P99: of(func(s sample) float64 { return s.P99 }),
		RSS: of(func(s sample) float64 { return s.RSS }), MBs: of(func(s sample) float64 { return s.MBs }),
		KiB: of(func(s sample) float64 { return s.KiB }),
	}
}

// ratio is the cost of ingress421 over that of the better of nginx and
// HAProxy; 0 where it was not measured.
func (r *report) ratio(l string, get func(sample) float64) float64 {
	best := 0.0
	for _, p := range []string{"nginx", "haproxy"} {
		if v := get(r.Medians[l][p]); v > 0 && (best == 0 || v < best) {
			best = v
		}
	}
	if best == 0 {
		return 0
	}
	return get(r.Medians[l]["ingress421"]) / best
}

// text is the report as Markdown tables.
func (r *report) text() string {
	var b strings.Builder
	for _, l := range loads() {
		byPeer := r.Medians[l.name]
		if len(byPeer) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", l.title)
		if l.memory {
			b.WriteString("| proxy | KiB per connection | RSS MiB |\n|---|---|---|\n")
		} else {
			b.WriteString("| proxy | CPU us/request | requests/s | p50 ms | p99 ms | MB per CPU second | RSS MiB |\n|---|---|---|---|---|---|---|\n")
		}
		for _, p := range r.peers {
			s, ok := byPeer[p]
			switch {
			case !ok:
			case l.memory:
				fmt.Fprintf(&b, "| %s | %.1f | %.0f |\n", p, s.KiB, s.RSS)
			default:
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", p, figure(s.CPU), figure(s.Rate), figure(s.P50), figure(s.P99), figure(s.MBs), figure(s.RSS))
			}
		}
		of := "CPU"
		if l.memory {
			of = "Memory"
		}
		if v := r.ratio(l.name, func(s sample) float64 { return max(s.CPU, s.KiB) }); v > 0 {
			fmt.Fprintf(&b, "\n%s against the better of nginx and HAProxy: %.2f", of, v)
			if v := r.ratio(l.name, func(s sample) float64 { return s.P99 }); v > 0 {
				fmt.Fprintf(&b, "; p99: %.2f", v)
			}
			b.WriteString("\n")
		}
		if before, now := byPeer["before"], byPeer["ingress421"]; before.CPU > 0 && now.CPU > 0 {
			fmt.Fprintf(&b, "\nCPU against the binary before: %.2f\n", now.CPU/before.CPU)
		}
	}
	return b.String()
}

func figure(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// write puts the report into a folder: JSON, a chart, and a page with both.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	var v []string
	for _, name := range []string{"ingress421", "nginx", "haproxy", "caddy", "h2load"} {
		if text := r.Versions[name]; text != "" {
			if name == "ingress421" {
				v = append(v, text)
			} else {
				v = append(v, name+" "+text)
			}
		}
	}
	page := "# Against other proxies\n\n" +
		"Written by `make bench-peers`. Medians of " + fmt.Sprint(r.Rounds) + " interleaved rounds on " + r.Date + "; " + r.Machine + ".\n" +
		strings.Join(v, "; ") + "; go: httputil.ReverseProxy of " + runtime.Version() + ".\n\n" +
		"Every proxy has one core to itself, load and backend the other; TLS 1.3, P-256, HTTP/2 in and HTTP/1.1 with keep-alive out where nothing else is said. CPU is\n" +
		"user and system time of the proxy. ingress421 runs as it is shipped: rule, metrics and header rewriting on; `+log` has the JSON\n" +
		"access log on. Throughput is bounded by the load's core where the proxy is cheap. Only ratios within the run mean anything.\n\n" +
		"![CPU per request, against nginx](peers.svg)\n" + r.text()
	for name, text := range map[string][]byte{"peers.json": append(data, '\n'), "peers.svg": []byte(r.chart()), "README.md": []byte(page)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// chart draws CPU time per request as multiples of nginx's.
func (r *report) chart() string {
	colors := map[string]string{"ingress421": "#0b6e4f", "nginx": "#8d99ae", "haproxy": "#5c677d", "caddy": "#c9ada7", "go": "#9a8c98"}
	const left, width, row, top = 300, 420, 14, 40
	var b strings.Builder
	y := top
	for _, l := range loads() {
		base := r.Medians[l.name]["nginx"].CPU
		if base == 0 {
			continue
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" font-weight="bold">%s</text>`+"\n", left-8, y+11, l.title)
		for _, p := range r.peers {
			s, ok := r.Medians[l.name][p]
			color, drawn := colors[p]
			if !ok || !drawn || s.CPU == 0 {
				continue
			}
			const widest = 5.0 // times nginx
			w := min(s.CPU/base, widest) / widest * width
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/><text x="%.0f" y="%d">%s %.2f</text>`+"\n",
				left, y, w, row-3, color, float64(left)+w+5, y+10, p, s.CPU/base)
			y += row
		}
		y += row / 2
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/><text x="20" y="22" font-size="14">CPU time per request, as a multiple of nginx (%s)</text>`+"\n%s</svg>\n",
		left+width+130, y+10, r.Date, b.String())
}

func machine() string {
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s", runtime.NumCPU(), model)
}
