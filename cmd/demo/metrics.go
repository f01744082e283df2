package demo

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	metricMisdirected = "ingress421_misdirected_requests_total"
	metricRecovered   = "ingress421_misdirected_recovered_total"
)

// series is one series of a metric of misdirected requests. It has no more
// labels than the metric; what a metric lacks is "".
type series struct {
	metric                                           string
	host, reason, rule, enforcement, protocol, retry string
}

// counters are the values of all series of metricMisdirected and
// metricRecovered.
type counters map[series]int

// scrape reads the counters from the server's own metrics address.
func scrape(ctx context.Context, addr string) (counters, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: %s", resp.Status)
	}
	counters := make(counters)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if s, n, ok := readSeries(lines.Text()); ok {
			counters[s] = n
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return counters, nil
}

// readSeries reads a line of the Prometheus text format if it is of the
// metrics shown. The values of their labels hold no quotes and no commas.
func readSeries(line string) (s series, n int, ok bool) {
	name, rest, labelled := strings.Cut(line, "{")
	if !labelled || name != metricMisdirected && name != metricRecovered {
		return s, 0, false
	}
	labels, value, _ := strings.Cut(rest, "} ")
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return s, 0, false
	}
	s.metric = name
	for label := range strings.SplitSeq(labels, ",") {
		k, v, _ := strings.Cut(label, "=")
		v = strings.Trim(v, `"`)
		switch k {
		case "host":
			s.host = v
		case "reason":
			s.reason = v
		case "rule":
			s.rule = v
		case "enforcement":
			s.enforcement = v
		case "protocol":
			s.protocol = v
		case "retry":
			s.retry = v
		}
	}
	return s, int(f), true
}

// since returns the series of a metric that have grown, in order, each as
// often as it was counted.
func (c counters) since(before counters, metric string) []series {
	var grown []series
	for s, n := range c {
		if s.metric != metric {
			continue
		}
		for range n - before[s] {
			grown = append(grown, s)
		}
	}
	slices.SortFunc(grown, series.compare)
	return grown
}

func (s series) compare(t series) int {
	return cmp.Or(
		strings.Compare(s.host, t.host), strings.Compare(s.reason, t.reason), strings.Compare(s.rule, t.rule),
		strings.Compare(s.enforcement, t.enforcement), strings.Compare(s.protocol, t.protocol), strings.Compare(s.retry, t.retry),
	)
}
