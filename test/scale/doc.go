// Package scale measures what a cluster's size costs: the built binary follows
// a real API server with 1,000, 10,000 and 100,000 hosts, and what is timed is
// how long a change takes until clients see it, what a stream of changes does
// to the processor, the memory and the requests that are served meanwhile.
//
// It is run by `make bench-scale`, in a network namespace in which all of
// 10.0.0.0/8 is local, so that one backend answers at the address of every pod.
// The binary has one core to itself; API server, etcd, load and backend share
// the other. It writes docs/bench/scale.json, scale.svg and scale.md.
package scale
