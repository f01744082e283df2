// Package proxy is the wire: it terminates TLS, speaks HTTP/2 (package h2) and
// HTTP/1.1 (package http1), judges every request against the published host map
// and forwards it to the pods of its backend (package upstream), or answers for
// itself.
//
// # What is settled when
//
// Package edge takes connections, and fixes in their handshake the connection
// facts, which hold whatever is published meanwhile.
//
// A request loads the live host map once, and everything that is decided for
// it is decided by that map: canonical authority, verdict, route, endpoints.
//
// # Rooms
//
// Package message is a request and its response over both protocols, package
// gate judges it and answers what is not forwarded, package forward takes it to
// a backend, package observe tells of it. [requests] leads each request through
// them: what they keep of it stands side by side in one piece of memory, each
// part owned by its room.
//
// # Maps come, connections stay
//
// Publish stores one pointer. Connections that the new map has put in the wrong
// are drained; others never notice. What is done is told to package observe.
package proxy
