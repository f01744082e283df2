package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/cmd/process"
	"github.com/ingress421/ingress421/proxy"
)

// Config says what of the demo to show.
type Config struct {
	Keep   bool // go on serving until the context ends
	Out    io.Writer
	Record io.Writer    // takes the table too; may be nil
	Log    *slog.Logger // of the server
	Stderr io.Writer    // its 421 lines
}

// Run serves a folder of its own, sends requests to it, and prints what comes
// of them. It fails if that is not what the rule says.
func Run(ctx context.Context, c Config) error { return run(ctx, c, script) }

// run is Run with a script of its own.
func run(ctx context.Context, c Config, script []visit) (err error) {
	w, err := newWorld(ctx)
	if err != nil {
		return fmt.Errorf("set the demo up: %w", err)
	}
	defer func() { err = errors.Join(err, w.close()) }()

	ctx, stop := context.WithCancel(ctx)
	started, ended := make(chan process.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- process.Run(ctx, process.Config{
			Manifests: w.manifests, Controller: v1alpha1.DefaultControllerName,
			HTTPAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
			ExternalHTTPSPort: 443, DrainTimeout: time.Second, AccessLog: proxy.AccessLogOff,
			Log: c.Log, Stdout: io.Discard, Stderr: c.Stderr,
		}, func(at process.Addresses) { started <- at })
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	var at process.Addresses
	select {
	case at = <-started:
	case err := <-ended:
		ended <- err
		return errors.New("the server ended before it served")
	}
	d := demo{world: w, at: at, table: table{c.Out}}
	if c.Record != nil {
		d.table.out = io.MultiWriter(c.Out, c.Record)
	}
	if err := d.run(ctx, script); err != nil {
		return err
	}
	if c.Keep {
		table{c.Out}.byHand(w, at)
		<-ctx.Done()
	}
	return d.verdict()
}

// demo is one run of a script.
type demo struct {
	world *world
	at    process.Addresses
	table table

	counters counters // at the last look
	asked    int      // rows so far
	wrong    int      // of them and of what else was looked at
}

// run prints everything but what --keep adds.
func (d *demo) run(ctx context.Context, script []visit) (err error) {
	if d.counters, err = scrape(ctx, d.at.Metrics); err != nil {
		return err
	}
	d.table.hosts(d.world)
	for _, v := range script {
		d.table.visit(v)
		if err := d.visit(ctx, v); err != nil {
			return fmt.Errorf("connection for %q: %w", v.serverName, err)
		}
	}
	d.table.counters(d.counters)
	if d.wrong == 0 {
		d.table.line("%d of %d rows are what the rule says.", d.asked, d.asked)
	}
	return nil
}

// verdict is an error if anything was not as expected.
func (d *demo) verdict() error {
	if d.wrong != 0 {
		return fmt.Errorf("%d of %d rows are not what the rule says", d.wrong, d.asked)
	}
	return nil
}

// visit opens a connection and sends its requests.
func (d *demo) visit(ctx context.Context, v visit) error {
	client, state, err := d.world.dial(ctx, d.at, v)
	var refusal *refusedError
	switch {
	case errors.As(err, &refusal):
		d.row(v, v.steps[0], refused(refusal.alert))
		return nil
	case err != nil:
		return err
	}
	defer func() { _ = client.close() }()
	if v.steps[0].url == "" {
		d.row(v, v.steps[0], outcome{status: handshakeTaken})
		return nil
	}
	if name := leafName(state); name != v.certificate {
		d.wrong++
		d.table.wrong("the connection for %q was served the certificate of %q, and not of %q", v.serverName, name, v.certificate)
	}
	for _, s := range v.steps {
		got, err := d.ask(ctx, client, s)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", s.url, err)
		}
		d.row(v, s, got)
	}
	if c, ok := client.(*http2Client); ok && c.origins != nil {
		d.table.origins(v.serverName, c.origins)
	}
	return nil
}

func (d *demo) row(v visit, s step, got outcome) {
	d.asked++
	if got != s.want {
		d.wrong++
	}
	d.table.row(v, s, got)
}

// ask sends one request. What the client is not told, the metric tells.
func (d *demo) ask(ctx context.Context, client client, s step) (outcome, error) {
	answer, err := client.ask(s.target())
	if err != nil {
		return outcome{}, err
	}
	got := outcome{
		status: answer.status, backend: answer.fields["x-backend"], location: answer.fields["location"],
		reason: proxyStatusDetails(answer.fields["proxy-status"]),
	}
	before := d.counters
	if d.counters, err = scrape(ctx, d.at.Metrics); err != nil {
		return outcome{}, err
	}
	for _, counted := range d.counters.since(before, metricMisdirected) {
		got.retry = counted.retry
		got.reported = counted.enforcement == "report"
		if got.reported {
			got.reason = counted.reason
		} else if got.reason != counted.reason {
			got.reason += " (metric: " + counted.reason + ")"
		}
	}
	return got, nil
}

// proxyStatusDetails is the details parameter of a Proxy-Status field (RFC
// 9209 section 2.1.5), "" where there is none.
func proxyStatusDetails(field string) string {
	_, rest, _ := strings.Cut(field, `details="`)
	details, _, _ := strings.Cut(rest, `"`)
	return details
}

// leafName is the first name of the certificate that a connection was served,
// "" in cleartext.
func leafName(state *tls.ConnectionState) string {
	if state == nil || len(state.PeerCertificates) == 0 {
		return ""
	}
	return strings.Join(state.PeerCertificates[0].DNSNames, " ")
}
