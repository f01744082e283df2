package main

import "context"

// load is one kind of load on a proxy.
type load struct {
	name     string
	title    string
	requests int
	run      func(ctx context.Context, b *bench, p *peer, n int) (sample, error)
	varied   bool // measured with ingress421's access log and as a guard, too
	memory   bool // what counts is memory, and requests are connections
}

// kind is what h2load asks for, and how.
type kind struct {
	path        string
	connections int
	streams     int // at a time on each connection; 0: 1
	http1       bool
	cleartext   bool
	misdirected bool     // each answer must be a 421, and otherwise a 200
	body        string   // the file that is sent, or ""
	octets      int      // of the larger of both bodies, where that is what counts
	perSecond   int      // requests, on all connections together; 0: as many as possible
	headers     []string // "name: value"
}

// grpcHeaders make a request one of gRPC.
var grpcHeaders = []string{"content-type: application/grpc", "te: trailers"}

// loads are all loads, in the order of the report.
func loads() []load {
	return []load{
		{name: "small-100x10", title: "100 connections x 10 streams, small response", requests: 200_000, varied: true,
			run: with(kind{path: "/", connections: 100, streams: 10})},
		{name: "small-10x10", title: "10 connections x 10 streams, small response", requests: 200_000,
			run: with(kind{path: "/", connections: 10, streams: 10})},
		{name: "http1-64", title: "HTTP/1.1 over TLS, 64 connections, small response", requests: 100_000, varied: true,
			run: with(kind{path: "/", connections: 64, http1: true})},
		{name: "http1-1000", title: "HTTP/1.1 over TLS, 1,000 connections, small response", requests: 200_000, // and few handshakes of those
			run: with(kind{path: "/", connections: 1000, http1: true})},
		{name: "http1-clear", title: "HTTP/1.1 in cleartext, 64 connections, small response", requests: 100_000,
			run: with(kind{path: "/", connections: 64, http1: true, cleartext: true})},
		{name: "h2c-10x10", title: "HTTP/2 backend (H2C), 10 connections x 10 streams, small response", requests: 100_000,
			run: with(kind{path: "/h2c", connections: 10, streams: 10})},
		{name: "h2c-100x10", title: "HTTP/2 backend (H2C), 100 connections x 10 streams, small response", requests: 100_000,
			run: with(kind{path: "/h2c", connections: 100, streams: 10})},
		{name: "grpc-10x10", title: "gRPC unary calls, 10 connections x 10 streams", requests: 100_000,
			run: with(kind{path: "/grpc", connections: 10, streams: 10, body: "grpc", headers: grpcHeaders})},
		{name: "tls1-10x10", title: "TLS backend, HTTP/1.1, 10 connections x 10 streams, small response", requests: 100_000,
			run: with(kind{path: "/tls1", connections: 10, streams: 10})},
		{name: "tls2-10x10", title: "TLS backend, HTTP/2, 10 connections x 10 streams, small response", requests: 100_000,
			run: with(kind{path: "/tls2", connections: 10, streams: 10})},
		{name: "1m-down", title: "1 MiB responses, 10 x 4", requests: 1500,
			run: with(kind{path: "/1m", connections: 10, streams: 4, octets: 1 << 20})},
		{name: "1m-up", title: "1 MiB uploads, 10 x 4", requests: 1000,
			run: with(kind{path: "/sink", connections: 10, streams: 4, body: "1m", octets: 1 << 20})},
		{name: "http1-1m-down", title: "1 MiB responses on HTTP/1.1, 40 connections", requests: 1500,
			run: with(kind{path: "/1m", connections: 40, http1: true, octets: 1 << 20})},
		{name: "http1-1m-up", title: "1 MiB uploads on HTTP/1.1, 40 connections", requests: 1000,
			run: with(kind{path: "/sink", connections: 40, http1: true, body: "1m", octets: 1 << 20})},
		{name: "all-421", title: "100 x 10, every answer a 421", requests: 800_000,
			run: with(kind{path: "/421", connections: 100, streams: 10, misdirected: true})},
		{name: "http1-421", title: "HTTP/1.1 over TLS, 64 connections, every answer a 421", requests: 200_000,
			run: with(kind{path: "/421", connections: 64, http1: true, misdirected: true})},
		{name: "fixed", title: "8,000 requests/s over 50 connections", requests: 80_000,
			run: with(kind{path: "/", connections: 50, perSecond: 8000})},
		{name: "http1-fixed", title: "8,000 requests/s over 50 connections, HTTP/1.1 over TLS", requests: 80_000,
			run: with(kind{path: "/", connections: 50, http1: true, perSecond: 8000})},
		{name: "handshake", title: "full handshake and one request", requests: 3000, run: handshakes(false)},
		{name: "resumed", title: "resumed handshake and one request", requests: 3000, run: handshakes(true)},
		{name: "idle", title: "9,000 idle HTTP/2 connections", requests: 9000, memory: true, run: idle("h2", h2Request)},
		{name: "http1-idle", title: "9,000 idle HTTP/1.1 connections", requests: 9000, memory: true, run: idle("http/1.1", http1Request)},
	}
}
