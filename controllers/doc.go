// Package controllers is the source of host maps that reads a cluster.
//
// Every watch (Ingress, IngressClass, Secret, Service, EndpointSlice,
// AuthorityPolicy) maps to one constant request, which wakes the loop of package
// source; what that lists comes from the informer caches. All replicas serve, so
// no leader is needed for that, and nothing of it waits for a write to the API
// server.
//
// The leader alone writes: the addresses of Ingresses of our classes, the
// status of AuthorityPolicies, an Event for each new problem, and the record of
// who owns hosts that several namespaces claim ([OwnersName]). It takes the
// newest outcome when it has the time, and what it writes causes no new map.
// The record is what all replicas go by, from the start on. It and the
// namespaces can be done without: what cannot be read is told of once.
//
// An API server that cannot be reached changes nothing: the informers keep what
// they have, no map is made without a successful list of every kind, and the
// leader that cannot renew its lease stops writing and nothing else. At the
// start it is waited for. Requests that never got an answer are repeated below
// the informers once a second, since their own back-off grows to a minute.
package controllers
