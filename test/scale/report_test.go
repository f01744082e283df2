package scale

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// row is a line of the table, and of the chart where it is of times.
type row struct {
	title string
	unit  string
	of    func(figures) float64
}

func rows() []row {
	return []row{
		{"start to ready", "ms", func(f figures) float64 { return f.Ready }},
		{"endpoints to live, p50", "ms", func(f figures) float64 { return f.Endpoints.P50 }},
		{"endpoints to live, p99", "ms", func(f figures) float64 { return f.Endpoints.P99 }},
		{"Ingress to live, p50", "ms", func(f figures) float64 { return f.Ingress.P50 }},
		{"Ingress to live, p99", "ms", func(f figures) float64 { return f.Ingress.P99 }},
		{"certificate to live, p50", "ms", func(f figures) float64 { return f.Secret.P50 }},
		{"certificate to live, p99", "ms", func(f figures) float64 { return f.Secret.P99 }},
		{"endpoints to live under 50 changes/s, p99", "ms", func(f figures) float64 { return f.InChurn.P99 }},
		{"CPU of 50 changes/s, beyond the load's own", "% of a core", func(f figures) float64 { return f.ChurnCPU }},
		{"traffic's p99 without changes", "ms", func(f figures) float64 { return f.Traffic.P99 }},
		{"traffic's p99 under 50 changes/s", "ms", func(f figures) float64 { return f.TrafficChurn.P99 }},
		{"resident, settled", "MiB", func(f figures) float64 { return f.Settled }},
		{"resident, peak under 50 changes/s", "MiB", func(f figures) float64 { return f.Peak }},
		{"change to live after an outage of the API server", "ms", func(f figures) float64 { return f.Outage }},
		{"/metrics, 10,000 hosts asked for", "MiB", func(f figures) float64 { return f.MetricsSize }},
		{"/metrics, time", "ms", func(f figures) float64 { return f.MetricsTime }},
		{"requests lost", "", func(f figures) float64 { return float64(f.Failed) }},
	}
}

// write puts the figures into a folder: JSON, a chart, and a page with both.
func write(t *testing.T, dir string, all []figures) {
	t.Helper()
	data, err := json.MarshalIndent(map[string]any{
		"date": time.Now().UTC().Format(time.DateOnly), "cores": runtime.NumCPU(), "go": runtime.Version(), "sizes": all,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"scale.json": string(data) + "\n", "scale.svg": chart(all), "scale.md": page(all)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func page(all []figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What size costs\n\nWritten by `make bench-scale` on %s, %s. A real API server; for each ten hosts an Ingress, a Secret,\n"+
		"a Service and an EndpointSlice with five endpoints. The binary has one core; API server, etcd, load and backend share the other.\n"+
		"A change is timed from the API server's answer until a client sees it: %d of each kind one after the other, and two a second among\n"+
		"%d changes of endpoints a second, beside %d requests a second. Traffic without changes is measured beside as many writes of an\n"+
		"object that nobody watches. What the figures mean for a cluster is in [scale.md](../scale.md).\n\n![Cost by number of hosts](scale.svg)\n\n|",
		time.Now().UTC().Format(time.DateOnly), runtime.Version(), trials, churnRate, trafficRate)
	for _, f := range all {
		fmt.Fprintf(&b, " | %d hosts", f.Hosts)
	}
	b.WriteString(" |\n|---|" + strings.Repeat("---|", len(all)) + "\n")
	for _, r := range rows() {
		b.WriteString("| " + r.title)
		if r.unit != "" {
			b.WriteString(" (" + r.unit + ")")
		}
		for _, f := range all {
			fmt.Fprintf(&b, " | %s", figure(r.of(f)))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func figure(v float64) string {
	if math.Abs(v) >= 100 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// chart draws what is in milliseconds and MiB over the number of hosts, both
// axes logarithmic.
func chart(all []figures) string {
	const (
		left, top, width, height = 60, 40, 420, 300
		lowest, highest          = 0.0, 5.0 // powers of ten on the upright axis
	)
	colors := []string{"#0b6e4f", "#8d99ae", "#bc6c25", "#5c677d", "#6a4c93"}
	drawn := map[string]bool{
		"start to ready": true, "endpoints to live, p50": true, "endpoints to live, p99": true,
		"endpoints to live under 50 changes/s, p99": true, "resident, settled": true,
	}
	x := func(hosts int) float64 { return left + (math.Log10(float64(hosts))-3)/2*width }
	y := func(v float64) float64 {
		return top + height - (math.Log10(max(v, 1))-lowest)/(highest-lowest)*height
	}
	var b strings.Builder
	for p := lowest; p <= highest; p++ {
		v := math.Pow(10, p)
		fmt.Fprintf(&b, `<path d="M%d %.0fh%d" stroke="#ddd"/><text x="%d" y="%.0f" text-anchor="end">%.0f</text>`+"\n", left, y(v), width, left-6, y(v)+4, v)
	}
	for _, f := range all {
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="middle">%d</text>`+"\n", x(f.Hosts), top+height+16, f.Hosts)
	}
	n := 0
	for _, r := range rows() {
		if !drawn[r.title] {
			continue
		}
		var points []string
		for _, f := range all {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(f.Hosts), y(r.of(f))))
		}
		color := colors[n%len(colors)]
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%d" y="%d" fill="%s">%s (%s)</text>`+"\n",
			strings.Join(points, " "), color, left+width+16, top+12+n*18, color, r.title, r.unit)
		n++
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/><text x="20" y="22" font-size="14">Cost by number of hosts (%s)</text>`+"\n%s</svg>\n",
		left+width+290, top+height+40, time.Now().UTC().Format(time.DateOnly), b.String())
}
