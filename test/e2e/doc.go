// Package e2e tests the whole chain on real sockets: Kubernetes objects, host
// map, TLS, the rule, the backend.
//
// The scenarios are what a user relies on (scenarios_test.go), written once
// and played on three stages:
//
//   - a folder of manifests, served by the built binary as a process;
//   - a real API server, followed by the packages in this process, with a
//     dialer that stands in for pod addresses;
//   - a real API server and the built binary in a network namespace, in which
//     the pod addresses exist.
//
// A stage is used by its scenarios one after the other, as a cluster is by its
// users, so each takes hosts of its own. What only a process shows (exit codes,
// signals, curl) has tests of its own.
//
// Attacks that need thousands of connections, or a process to be weighed, are
// here as well (threats_*_test.go); those that need to see inside the server
// are with package proxy.
package e2e
