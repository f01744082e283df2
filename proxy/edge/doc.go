// Package edge is where clients arrive. It takes connections, reads who they are
// from (PROXY protocol), bounds how many a source may have, shakes hands, and
// hands what is settled to the engine of the protocol that was agreed on.
//
// # What is settled when
//
// The handshake picks the site by its server name and fixes the connection facts:
// the certificate that is served, the TLS policy, the version. They hold for the
// life of the connection whatever is published meanwhile, resumption included:
// session tickets are bound to site, certificate and policy.
//
// # Connections come and go
//
// Every connection is registered from its first moment to its last. When a map
// is published, those that it has put in the wrong are drained, and others never
// notice; when serving ends, all are.
//
// # Who is refused
//
// A client that gets no connection, or no handshake, is counted, told why as far
// as TLS allows, and named in a line of the log.
package edge
