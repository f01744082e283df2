// Command peers measures what a proxied HTTPS request costs, here and with
// other proxies, in one run: same certificate, same backend, each proxy on one
// core and on its own, the load and the backend on another. What counts is CPU
// time of the proxy per request; the machine may be shared, so rounds are
// interleaved and medians taken, and only ratios within a run mean anything.
//
// It is run by `make bench-peers`, and needs nginx, haproxy, h2load and
// taskset; Caddy is built from its module.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "peers: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// This very program is also three of the things it starts.
	if len(args) > 0 {
		switch args[0] {
		case "reverseproxy":
			return reverseProxy(args[1:])
		case "sink":
			return sink(args[1:])
		case "h2c":
			return h2c(args[1:])
		}
	}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	rounds := f.Int("rounds", 5, "how often each load is put on each proxy")
	scale := f.Float64("scale", 1, "multiply the number of requests by this")
	only := f.String("only", "", "comma-separated names of loads; all without")
	with := f.String("with", "", "comma-separated names of proxies; all without")
	out := f.String("o", "", "write peers.json, peers.svg and README.md into this folder")
	binary := f.String("ingress421", "bin/ingress421", "the binary to measure")
	before := f.String("before", "", "an earlier binary, measured beside it as the proxy \"before\"")
	caddy := f.String("caddy", "bin/tools/caddy", "Caddy's binary")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	abs := func(p string) string {
		if p == "" {
			return ""
		}
		if a, err := filepath.Abs(p); err == nil {
			return a
		}
		return p
	}
	b, err := newBench(dir, binaries{now: abs(*binary), before: abs(*before), caddy: abs(*caddy)}, list(*with))
	if err != nil {
		return err
	}
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx, *rounds, *scale, list(*only)); err != nil {
		return err
	}
	report := b.report()
	if _, err := fmt.Fprint(os.Stdout, report.text()); err != nil {
		return err
	}
	if *out == "" {
		return nil
	}
	return report.write(*out)
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
