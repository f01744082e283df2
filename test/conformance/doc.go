// Package conformance asks of the built binary what the Kubernetes project's
// suite for Ingress controllers asks of them all
// (github.com/kubernetes-sigs/ingress-controller-conformance): its 25 scenarios
// of default backends, hosts, paths, classes and load balancing, 30 with the
// examples of its outlines.
//
// They are told here in tables of our own, because that suite is frozen and
// waits by the clock. What it asks is the same: each scenario has a namespace
// of its own, in which a real API server and the controllers of
// kube-controller-manager make Deployments into pods and EndpointSlices; the
// Ingress comes after them; requests go to the address that its status shows;
// and the pods say what they were asked. Pods are echo servers (kube.Pods), and
// all of it is in a network namespace. When a scenario ends its namespace is
// deleted, so the next one's hosts move to another namespace while the old one
// still goes.
package conformance
