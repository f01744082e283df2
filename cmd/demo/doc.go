// Package demo shows ingress421 at work without a cluster. It makes
// certificates, manifests and backends of its own on loopback, serves them by
// package process as `run` would, sends requests for many hosts on few
// connections, as clients do that coalesce, and prints each with what became
// of it. What it expects of each is written down (script), so that a demo that
// ends well is a test too.
package demo
