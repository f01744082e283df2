// Package ingress reads Ingresses, and is the only room that knows the type:
// out of each come claims, what it says of hosts, and problems. Each Ingress is
// read by itself; who owns a host and what others say of it is settled later,
// over claims.
//
// Annotations are a table (see annotation.go). Families of them have files of
// their own.
//
// A bad object costs only itself. Whatever asks for client certificates and
// cannot be resolved fails closed. An object costs no more than its owner may:
// its hosts are bounded, what it has over the bound is not claimed, and what
// would serve that without the client certificates which it asks for is refused.
package ingress
