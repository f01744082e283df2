package demo

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/cmd/process"
)

// table prints what the demo found, in lines of at most 100 columns.
type table struct{ out io.Writer }

const (
	hostColumns    = "  %-18s %-13s %-14s %s"
	rowColumns     = "%1s %-18s %-23s %-8s %-21s %-6s %s"
	counterColumns = "  %-18s %-18s %-17s %-12s %-9s %-6s %5s"
)

// line prints a line without white space at its end.
func (t table) line(format string, args ...any) {
	fmt.Fprintln(t.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// hosts prints what is served.
func (t table) hosts(w *world) {
	names := make(map[string]string)
	for _, s := range secrets {
		names[s.name] = strings.Join(s.hosts, " ")
	}
	t.line("What is served")
	t.line("")
	t.line(hostColumns, "host", "Secret", "certificate", "annotations of its Ingress")
	for _, ing := range w.ingresses {
		var notes []string
		for _, name := range slices.Sorted(maps.Keys(ing.Annotations)) {
			notes = append(notes, strings.TrimPrefix(name, v1alpha1.AnnotationPrefix)+"="+ing.Annotations[name])
		}
		name := "-"
		for _, entry := range ing.Spec.TLS {
			name = entry.SecretName
		}
		for _, rule := range ing.Spec.Rules {
			t.line(hostColumns, rule.Host, name, cmp.Or(names[name], "-"), strings.Join(notes, " "))
		}
	}
	t.line("")
	t.line("What is asked, and what becomes of it")
}

// visit prints the heading of a connection, where it has one.
func (t table) visit(v visit) {
	if v.title == "" {
		return
	}
	t.line("")
	t.line("%s", v.title)
	t.line(rowColumns, "", "SNI", "asked for", "status", "reason", "retry", "backend")
}

// row prints one request, with what was expected below it if that differs.
func (t table) row(v visit, s step, got outcome) {
	t.cells(mark(got == s.want), cmp.Or(v.serverName, "-"), s.asked(v), got)
	if got != s.want {
		t.cells("", "", "  the rule says", s.want)
	}
}

func mark(ok bool) string {
	if ok {
		return ""
	}
	return "!"
}

func (t table) cells(mark, serverName, asked string, o outcome) {
	status, reason := "refused", o.reason
	switch o.status {
	case handshakeRefused:
	case handshakeTaken:
		status = "taken"
	default:
		status = fmt.Sprint(o.status)
	}
	if o.reported {
		reason += " (report)"
	}
	if o.location != "" {
		reason = "to " + o.location
	}
	t.line(rowColumns, mark, serverName, asked, status, reason, o.retry, o.backend)
}

// origins prints what an ORIGIN frame said.
func (t table) origins(serverName string, origins []string) {
	list := strings.Join(origins, " ")
	if list == "" {
		list = "no other host"
	}
	t.line("  (ORIGIN frame on the connection for %s: %s)", serverName, list)
}

// wrong prints what else is not as it should be.
func (t table) wrong(format string, args ...any) { t.line("! "+format, args...) }

// counters prints what the metrics say of all of it.
func (t table) counters(c counters) {
	t.line("")
	t.line("What the metrics say")
	t.line("")
	t.line("%s", metricMisdirected)
	t.line(counterColumns, "host", "reason", "rule", "enforcement", "protocol", "retry", "count")
	t.series(c, metricMisdirected, func(s series, n int) {
		t.line(counterColumns, s.host, s.reason, s.rule, s.enforcement, s.protocol, s.retry, fmt.Sprint(n))
	})
	t.line("")
	t.line("%s (clients that came back with the right SNI)", metricRecovered)
	t.series(c, metricRecovered, func(s series, n int) {
		if n > 0 {
			t.line("  %-18s %5d", s.host, n)
		}
	})
	t.line("")
}

func (t table) series(c counters, metric string, print func(series, int)) {
	all := slices.SortedFunc(maps.Keys(c), series.compare)
	for _, s := range all {
		if s.metric == metric {
			print(s, c[s])
		}
	}
}

// byHand prints how to ask by hand what the demo has asked.
func (t table) byHand(w *world, at process.Addresses) {
	port := at.HTTPS[strings.LastIndexByte(at.HTTPS, ':')+1:]
	t.line("Still serving, until Ctrl-C. The folder of manifests may be edited: %s", w.manifests)
	t.line("The metrics are at http://%s/metrics, the host map at http://%s/", at.Metrics, at.Admin)
	t.line("")
	t.line("To try by hand, in another terminal:")
	t.line("")
	t.line("  cd %s", w.dir)
	t.line("  ask() { curl -si --cacert ca.crt --resolve '*:%s:127.0.0.1' \"$@\"; }", port)
	t.line("")
	for _, l := range []struct{ why, args string }{
		{"the wildcard certificate covers both hosts: 200", "-H 'Host: blog.shop.test' https://www.shop.test:PORT/"},
		{"it does not cover this one: 421 certificate", "-H 'Host: news.test' https://www.shop.test:PORT/"},
		{"as a client comes back after it: 200", "https://news.test:PORT/"},
		{"the same over HTTP/1.1, explained in JSON", "--http1.1 -H 'Accept: application/problem+json' -H 'Host: news.test' https://www.shop.test:PORT/"},
		{"round the client certificate: 421 tls_policy", "-H 'Host: partner.shop.test' https://www.shop.test:PORT/"},
		{"with one: 200", "--cert client.crt --key client.key https://partner.shop.test:PORT/"},
	} {
		t.line("  # %s", l.why)
		t.line("  ask %s", strings.ReplaceAll(l.args, "PORT", port))
	}
}
